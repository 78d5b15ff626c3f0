"""`evaluate` and `compare`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bicross import pipeline
from bicross.data.trec import read_run
from bicross.errors import InputError
from bicross.settings import EvaluateSettings, SearchSettings
from tests.pipeline.world import COUNT, TOPICS, write


@pytest.fixture
def judged(tmp_path: Path) -> tuple[Path, Path]:
    """Questions with their answers: one judged document is not there, one judged question has no text, one question is not judged."""
    queries = [{"_id": f"q{number}", "text": f"reset the {TOPICS[number % 8]} with button {number}"} for number in range(12)]
    lines = [
        "query-id\tcorpus-id\tscore",
        *(f"q{number}\td{number}\t1" for number in range(10)),
        "q3\td11\t2",
        "q4\tabsent\t1",
        "silent\td1\t1",
    ]
    (tmp_path / "qrels.tsv").write_text("\n".join(lines))
    return write(tmp_path / "queries.jsonl", queries), tmp_path / "qrels.tsv"


@pytest.mark.parametrize("stage", ["both", "lexical", "dense", "fused"])
def test_evaluate(made: Path, judged: tuple[Path, Path], stage: Any) -> None:
    found = pipeline.evaluate(made, *judged, SearchSettings(k=100, stage=stage))
    assert (found.stage, found.queries, found.depth) == (stage, 10, 20 if stage == "both" else 0)
    assert found.unknown == ("absent",)
    (skip,) = found.skipped
    assert skip.id == "silent" and "no text" in skip.reason
    for name, mean in found.measures.items():
        assert set(found.per_query[name]) == {f"q{number}" for number in range(10)}
        assert mean == pytest.approx(sum(found.per_query[name].values()) / 10)
        low, high = found.confidence[name]
        assert low <= mean <= high
        assert found.ceiling[name] >= mean - 1e-9
    assert found.per_query["R@100"]["q4"] == 0.5, "a judged document that is not there is a miss"
    assert set(found.latency) >= {"p50", "p95", "p99"}


def test_the_ceiling_is_of_all_that_was_recalled(made: Path, judged: tuple[Path, Path]) -> None:
    narrow = pipeline.evaluate(made, *judged, SearchSettings(k=1, depth=COUNT), EvaluateSettings(measures=("RR@10", "R@100")))
    wide = pipeline.evaluate(made, *judged, SearchSettings(k=COUNT, depth=COUNT), EvaluateSettings(measures=("RR@10", "R@100")))
    assert narrow.ceiling == wide.ceiling
    assert narrow.measures["R@100"] == wide.measures["R@100"], "as many hits are taken as the largest cutoff asks for"


def test_runs_are_written_and_compared(tmp_path: Path, made: Path, judged: tuple[Path, Path]) -> None:
    runs, means = {}, {}
    for stage in ("lexical", "both"):
        runs[stage] = tmp_path / f"{stage}.run"
        settings = SearchSettings(k=10, stage=stage)  # type: ignore[arg-type]  # names of stages
        means[stage] = pipeline.evaluate(made, *judged, settings, run_path=runs[stage]).measures["nDCG@10"]
    assert len(read_run(runs["both"]).rankings) == 10
    found = pipeline.compare(runs["lexical"], runs["both"], judged[1])
    # The run has no line for the judged question without text: it is a miss of both.
    assert (found.mean_a, found.mean_b) == pytest.approx((means["lexical"] * 10 / 11, means["both"] * 10 / 11))
    assert found.wins + found.losses + found.ties == found.queries == 11


def test_nothing_that_is_judged_and_measures_that_are_none(tmp_path: Path, made: Path, judged: tuple[Path, Path]) -> None:
    (tmp_path / "other.tsv").write_text("query-id\tcorpus-id\tscore\nnobody\td1\t1\n")
    with pytest.raises(InputError, match="None of the 12 queries"):
        pipeline.evaluate(made, judged[0], tmp_path / "other.tsv")
    with pytest.raises(InputError, match="nDCG@ten"):
        pipeline.evaluate(made, *judged, measuring=EvaluateSettings(measures=("nDCG@ten",)))
