"""`bicross plan` and `--deadline` on the command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from bicross.planner import timing, world
from tests.cli.world import Run, refused
from tests.test_calibrating import Judged, make


@pytest.fixture
def judged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Judged:
    for name, count in (("TIMED", 2), ("LEAST", 2), ("CONFIRMED", 2)):
        monkeypatch.setattr(timing, name, count)
    monkeypatch.setattr(world, "SHIPPED_FAST", ())
    return make(tmp_path, questions=30, documents=40)


def asked(judged: Judged, *more: str | Path) -> tuple[str | Path, ...]:
    return ("plan", judged[0], "--queries", judged[1], "--qrels", judged[2], "--depth", "20", *more)


def test_one_object_and_a_figure(judged: Judged, tmp_path: Path, run: Run) -> None:
    found = run(*asked(judged, "--p95", "30s", "--svg", tmp_path / "f.svg", "--json")).json
    assert {"points", "chosen", "half", "twice", "refused", "adaptive", "measure", "budget", "written"} < set(found)
    assert found["budget"] == 30 and found["written"] and found["chosen"] in found["points"]
    assert {"name", "way", "quality", "confidence", "read", "p50", "p95", "timed", "best"} == set(found["chosen"])
    assert (tmp_path / "f.svg").read_text("utf-8").startswith('<svg xmlns="http://www.w3.org/2000/svg"')


def test_lines_for_people(judged: Judged, run: Run) -> None:
    dry = run(*asked(judged, "--p95", "30s", "--dry-run"))
    assert dry.code == 0
    for words in ("30 questions", "way to search", "lexical", "depth 20", "within 30.0 s: ", "half of that", "twice that", "a dry run"):
        assert words in dry.out


def test_bad_input(judged: Judged, run: Run, tmp_path: Path) -> None:
    refused(run(*asked(judged, "--p95", "fast")), "--p95 is 'fast'", "50ms")
    refused(run(*asked(judged, "--p95", "0")), "greater than 0")
    refused(run("plan", judged[0], "--p95", "1s", "--qrels", judged[2]), "--queries")
    refused(run("plan", tmp_path / "none", "--p95", "1s"), "none")
    refused(run(*asked(judged, "--p95", "1s", "--fast", "no/such/model")), "no/such/model")
    refused(run("search", judged[0], "word1", "--deadline", "soon"), "--deadline is 'soon'")


def test_a_search_with_a_deadline_says_whether_it_was_enough(judged: Judged, run: Run) -> None:
    (answer,) = run("search", judged[0], "word1 word2", "--deadline", "0.000001ms", "--json").json["queries"]
    assert answer["degraded"] and answer["reranked"] == 0 and answer["hits"]
    assert "the deadline came first: 0 candidates" in run("search", judged[0], "word1 word2", "--deadline", "0.000001ms").out
    (answer,) = run("search", judged[0], "word1 word2", "--deadline", "1h", "--json").json["queries"]
    assert not answer["degraded"] and answer["reranked"] == 20
