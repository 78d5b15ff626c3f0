"""The terminal summary of `evaluate`: the report's facts in a few lines."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from bicross.cli import show_evaluated
from bicross.cli.plain import printable
from bicross.evaluation.evaluated import Evaluated
from tests.evaluation.report_world import evaluated


def said(lines: Iterable[str]) -> str:
    return "\n".join(map(printable, lines))


def test_every_part_of_the_report_has_a_line() -> None:
    found = evaluated()
    text = said(show_evaluated.evaluated(replace(found, stage_latency=dict(reversed(found.stage_latency.items())))))
    assert found.two_stage is not None and found.depths is not None and found.probabilities is not None
    assert found.two_stage.verdict in text and found.depths.sentence in text
    assert text.count("  worst ") == 3
    part = found.slices[0]
    assert f"nDCG@10 on parts (questions): {part.name} {part.value:.4f} (30)\n" in text, "parts of a few questions are left out"
    error = found.probabilities.reliability.error
    assert f"probabilities: expected calibration error {error:.3f} [" in text and "600 hits" in text
    assert "one question alone: p50 200 ms" in text
    assert "  of that, p50 (p95): encode 200 ms (380 ms), recall 200 ms (380 ms), rerank 200 ms (380 ms)" in text
    assert "rule 'nDCG@10 drops 0.01' failed: " in text


def test_many_parts_are_counted() -> None:
    found = evaluated()
    many = tuple(replace(found.slices[0], name=f"tag {number}") for number in range(20))
    text = said(show_evaluated.evaluated(replace(found, slices=many)))
    assert "tag 7 " in text and "tag 8 " not in text and ", and 12 more\n" in text


def test_judged_documents_that_are_absent_are_misses_only_if_relevant() -> None:
    found = Evaluated("both", 20, 1, {"AP": 0.5}, {"AP": (0.4, 0.6)}, {"AP": 1.0}, {}, {}, {}, ("a", "b"))
    text = said(show_evaluated.evaluated(found))
    assert "2 judged documents are not in the collection; those judged relevant count as misses: a, b" in text
    assert "one question alone" not in text
