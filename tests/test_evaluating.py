"""`evaluate` as a whole, on models without weights: a planted reranker, depths out of one reading, baselines."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict
from html import unescape
from pathlib import Path

import numpy as np
import pytest

from bicross import pipeline
from bicross.errors import InputError
from bicross.evaluating import at_depth, in_recall_order
from bicross.evaluation.two_stage import MISSED
from bicross.models import registry
from bicross.opened import OpenCollection
from bicross.records import Query
from bicross.searchers.stopwatch import Stopwatch
from bicross.settings import EvaluateSettings, SearchSettings
from bicross.vectors import Scores
from tests.pipeline.world import COUNT, SETTINGS, TOPICS, row, write

QUICK = EvaluateSettings(resamples=200)


class Shuffler:
    """A reranker that reads nothing, and orders by chance."""

    fingerprint = "shuffler"

    def score(self, pairs: Sequence[tuple[str, str]]) -> Scores:
        return np.array([10 * hashlib.sha256("\n".join(pair).encode()).digest()[0] / 255 for pair in pairs], dtype=np.float32)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("world")
    pipeline.index([write(folder / "source.jsonl", [row(number) for number in range(COUNT)])], folder / "made", SETTINGS)
    return folder / "made"


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two questions a document in words that it has, one of them tagged, and one whose answer is not there."""
    folder, queries, lines = tmp_path_factory.mktemp("judged"), [], ["query-id\tcorpus-id\tscore"]
    for number in range(COUNT):
        topic = TOPICS[number % len(TOPICS)]
        queries.append({"_id": f"q{number}", "text": f"reset the {topic} with button {number}", "tag": f"x{number % 2}"})
        queries.append({"_id": f"z{number}", "text": f"打印机 {topic} 需要 {number + 3} seconds kind {number}"})
        lines += [f"{kind}{number}\td{number}\t{1 + number % 2}" for kind in "qz"]
    queries.append({"_id": "lost", "text": "what no document says"})
    (folder / "qrels.tsv").write_text("\n".join([*lines, "lost\tabsent\t1"]))
    return write(folder / "queries.jsonl", queries), folder / "qrels.tsv"


def test_a_shuffling_reranker_in_the_whole_pipeline_is_reported_as_harmful(
    made: Path, judged: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "load_reranker", lambda name: Shuffler())
    found = pipeline.evaluate(made, *judged, SearchSettings(depth=20), QUICK)
    assert found.two_stage is not None and found.two_stage.verdict.startswith("Reranking harms: nDCG@10 is ")
    assert found.two_stage.changes[0].shown == "worse" and found.two_stage.uncredited == 0
    assert found.depths is not None and found.depths.supported in (0, None) and found.depths.sure == 0
    assert found.made_by["models"]["reranker fingerprint"] == "shuffler"


def test_every_depth_of_the_curve_is_what_a_search_with_it_gives(made: Path, judged: tuple[Path, Path]) -> None:
    found = pipeline.evaluate(made, *judged, SearchSettings(depth=20), QUICK)
    assert found.depths is not None and [point.depth for point in found.depths.points] == [0, 5, 10, 20]
    for point in found.depths.points:
        alone = pipeline.evaluate(made, *judged, SearchSettings(depth=point.depth), QUICK)
        assert point.value == pytest.approx(alone.measures["nDCG@10"], abs=1e-12)
    assert found.depths.points[-1].value == pytest.approx(found.measures["nDCG@10"])
    assert [point.timed for point in found.depths.points] == [30, 0, 30, 30] and found.timed == 30
    with OpenCollection(made) as collection:
        asked = [Query("q", "reset the router with button 9")]
        deep, flat = (collection.rank(asked, SearchSettings(k=COUNT, depth=depth), Stopwatch())["q"] for depth in (20, 7))
        again = at_depth(in_recall_order(deep, 20), 7, collection.weights.combination)
    assert [hit.doc_id for hit in again] == [hit.doc_id for hit in flat]
    assert [hit.score for hit in again[:7]] == pytest.approx([hit.score for hit in flat[:7]])


def test_everything_is_said_once_and_is_json(tmp_path: Path, made: Path, judged: tuple[Path, Path]) -> None:
    page = tmp_path / "报告 report.html"
    found = pipeline.evaluate(made, *judged, SearchSettings(depth=20), QUICK, report_path=page)
    text = unescape(page.read_text("utf-8"))
    assert found.report == str(page) and text.startswith("<!doctype html>") and "打印机" in text
    assert found.two_stage is not None and found.two_stage.verdict in text
    assert {one.name for one in found.slices} >= {"language en", "language zh", "tag x0", "tag x1"}
    assert set(found.stage_latency) == {"encode", "recall", "rerank"} and set(found.latency) == set(found.stage_latency["rerank"])
    lost = next(one for one in found.worst if one.outcome.query_id == "lost")
    assert (lost.outcome.kind, lost.missed, lost.missing[0].doc_id, lost.place) == (MISSED, 1, "absent", 1)
    assert all(document.text for one in found.worst for document in one.recalled)
    facts = found.made_by
    assert facts["files"]["qrels"]["sha256"] == hashlib.sha256(judged[1].read_bytes()).hexdigest()
    assert facts["models"]["space"] and facts["contents"]["documents"] == COUNT and facts["contents"]["revision"] > 0
    assert facts["machine"]["cores"] >= 1 and facts["versions"]["numpy"] == np.__version__
    assert json.loads(json.dumps(asdict(found), allow_nan=False))["two_stage"]["kinds"] == found.two_stage.kinds


@pytest.mark.parametrize("stage", ["lexical", "dense", "fused"])
def test_other_kinds_of_search_have_a_report_too(tmp_path: Path, made: Path, judged: tuple[Path, Path], stage: str) -> None:
    settings = SearchSettings.model_validate({"stage": stage})
    found = pipeline.evaluate(made, *judged, settings, QUICK, report_path=tmp_path / "report.html")
    assert found.two_stage is not None and found.two_stage.verdict.startswith("Nothing was reranked")
    assert "Nothing was reranked" in (tmp_path / "report.html").read_text("utf-8")


def baseline_of(path: Path, found: object) -> Path:
    path.write_text(json.dumps(asdict(found)), "utf-8")  # type: ignore[call-overload]  # any dataclass
    return path


def test_against_itself_nothing_changed_and_a_fall_is_excluded(tmp_path: Path, made: Path, judged: tuple[Path, Path]) -> None:
    before = baseline_of(tmp_path / "baseline.json", pipeline.evaluate(made, *judged, SearchSettings(), QUICK))
    rules = QUICK.model_copy(update={"fail_if": ("nDCG@10 drops 0.01", "P@5 drops 0.01")})
    with pytest.raises(InputError, match=r"has no P@5, which the rule 'P@5 drops 0.01' names; it has nDCG@10, RR@10"):
        pipeline.evaluate(made, *judged, SearchSettings(), rules, against_path=before)
    rules = rules.model_copy(update={"fail_if": ("nDCG@10 drops 0.01",)})
    found = pipeline.evaluate(made, *judged, SearchSettings(), rules, against_path=before)
    assert found.against is not None and found.against.remarks == () and found.against.queries == 49
    assert {one.shown for one in found.against.changes} == {"no difference shown"} and [one.state for one in found.checks] == ["passed"]
    with pytest.raises(InputError, match=r"The rule 'nDCG@10 drops 0.01' has nothing to be judged against; name a baseline with --against"):
        pipeline.evaluate(made, *judged, SearchSettings(), rules)


def test_a_run_is_a_baseline_too_and_a_fall_fails(
    tmp_path: Path, made: Path, judged: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline.evaluate(made, *judged, SearchSettings(), QUICK, run_path=tmp_path / "good.run")
    lines = (tmp_path / "good.run").read_text().splitlines()
    (tmp_path / "good.run").write_text("\n".join(line for line in lines if not line.startswith("q0 ")))
    monkeypatch.setattr(registry, "load_reranker", lambda name: Shuffler())
    rules = QUICK.model_copy(update={"fail_if": ("P@1 drops 0.01",)})
    found = pipeline.evaluate(made, *judged, SearchSettings(), rules, against_path=tmp_path / "good.run")
    assert found.against is not None and found.against.only_here == ("q0",) and found.against.queries == 48
    assert "P@1" in found.measures, "a rule's measure is measured"
    (failed,) = found.failed
    assert failed.reason.startswith("failed: P@1 fell by ") and failed.reason.endswith("more than 0.01 is not allowed")


def test_what_cannot_end_well_is_refused_before_anything_is_asked(tmp_path: Path, judged: tuple[Path, Path]) -> None:
    nowhere = tmp_path / "no collection"
    with pytest.raises(InputError, match=r"The report cannot be written to .*: it is a folder"):
        pipeline.evaluate(nowhere, *judged, report_path=tmp_path)
    with pytest.raises(InputError, match=r"the folder .* does not exist"):
        pipeline.evaluate(nowhere, *judged, report_path=tmp_path / "none" / "report.html")
    with pytest.raises(InputError, match="expected what `bicross evaluate --json > FILE` wrote, or a TREC run"):
        pipeline.evaluate(nowhere, *judged, against_path=tmp_path / "none.json")
    with pytest.raises(InputError, match="is not understood"):
        pipeline.evaluate(nowhere, *judged, measuring=QUICK.model_copy(update={"fail_if": ("nDCG falls",)}))
    (tmp_path / "other.run").write_text("nobody Q0 d1 1 1.0 x\n")
    with pytest.raises(InputError, match="has none of the 49 questions that are judged"):
        pipeline.evaluate(nowhere, *judged, against_path=tmp_path / "other.run")


def test_what_a_reader_should_know_first(tmp_path: Path, made: Path) -> None:
    queries = write(tmp_path / "q.jsonl", [{"_id": f"q{number}", "text": f"reset the router {number}"} for number in range(3)])
    (tmp_path / "qrels.tsv").write_text("query-id\tcorpus-id\tscore\nq0\td1\t0\nq1\tnone\t1\nq2\tnone\t1\n")
    few, same, unanswerable = pipeline.evaluate(made, queries, tmp_path / "qrels.tsv", measuring=QUICK).remarks
    assert few.startswith("Only 3 questions") and same.startswith("All 3 questions have the same nDCG@10") and "100.0%" in same
    assert unanswerable.startswith("1 questions have no document that is judged relevant")
