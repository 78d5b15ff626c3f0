"""`evaluate` as a whole, on models without weights: a planted reranker, depths out of one reading, baselines."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from html import unescape
from pathlib import Path

import numpy as np
import pytest

from bicross import asking, opened, pipeline
from bicross.ancestry import marks
from bicross.collection.store import Collection
from bicross.errors import InputError
from bicross.evaluation.two_stage import MISSED, NONE, UNREAD
from bicross.models import registry
from bicross.models.hashed import HashedEncoder
from bicross.protocols import Searcher
from bicross.records import Hit, Query, Ranking
from bicross.searchers.reranked import RerankedSearcher
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


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path]:
    """A collection of more documents than are fused at once, and questions that many of them could answer."""
    folder = tmp_path_factory.mktemp("large")
    pipeline.index([write(folder / "source.jsonl", [row(number) for number in range(320)])], folder / "made", SETTINGS)
    asked = [{"_id": f"q{number}", "text": f"reset the {topic} of all kinds"} for number, topic in enumerate(TOPICS[:4])]
    lines = [f"q{number}\td{number + 8 * other}\t{1 + other % 3}" for number in range(4) for other in range(0, 40, 3)]
    (folder / "qrels.tsv").write_text("\n".join(["query-id\tcorpus-id\tscore", *lines]))
    return folder / "made", write(folder / "queries.jsonl", asked), folder / "qrels.tsv"


def test_depths_beyond_what_is_fused_at_once_are_what_a_search_with_them_gives(large: tuple[Path, Path, Path]) -> None:
    measuring = EvaluateSettings(measures=("nDCG@10", "AP"), resamples=100)
    found = pipeline.evaluate(*large, SearchSettings(depth=220), measuring)
    assert found.depths is not None and [point.depth for point in found.depths.points[-3:]] == [100, 200, 220]
    for point in found.depths.points[-3:-1]:
        alone = pipeline.evaluate(*large, SearchSettings(depth=point.depth), measuring)
        assert point.value == pytest.approx(alone.measures["nDCG@10"], abs=1e-12)


def test_how_many_hits_are_shown_changes_no_kind_no_ceiling_and_no_first_hit(large: tuple[Path, Path, Path]) -> None:
    found = [pipeline.evaluate(*large, SearchSettings(k=k), EvaluateSettings(resamples=100)) for k in (10, 100, 300)]
    cut = ("nDCG@10", "RR@10", "R@100")  # AP is of as many hits as are shown
    assert len({tuple(one.measures[name] for name in cut) for one in found}) == 1
    assert len({tuple(one.ceiling[name] for name in cut) for one in found}) == 1
    apart = [one.two_stage for one in found if one.two_stage is not None]
    assert len(apart) == 3 and apart[0].outcomes == apart[1].outcomes == apart[2].outcomes and apart[0].kinds == apart[2].kinds


def test_what_stands_behind_the_candidates_is_found_and_not_read(large: tuple[Path, Path, Path]) -> None:
    found = pipeline.evaluate(*large, SearchSettings(depth=1), EvaluateSettings(resamples=100))
    two = found.two_stage
    assert two is not None and two.kinds[UNREAD] > 0 and two.read < two.found and two.means["reach"] < two.means["best"]
    assert found.ceiling["nDCG@10"] == two.means["best"]


class Inserting:
    """A Searcher that puts what recall never found before everything else, as if it had known."""

    def __init__(self, known: Mapping[str, str], *given: object) -> None:
        self._inner, self._known = RerankedSearcher(*given), known  # type: ignore[arg-type]  # what it is made of

    def search(self, queries: Sequence[Query], k: int) -> Mapping[str, Ranking]:
        found = self._inner.search(queries, k)
        return {query: (Hit(self._known.get(query, "nowhere"), 1e6), *ranking)[:k] for query, ranking in found.items()}


def test_a_searcher_that_inserts_what_recall_never_found_gets_no_credit(
    tmp_path: Path, made: Path, judged: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = pipeline.evaluate(made, *judged, SearchSettings(depth=20), QUICK)

    def planted(*given: object) -> Searcher:
        return Inserting({"lost": "absent"}, *given)

    monkeypatch.setattr(opened, "RerankedSearcher", planted)
    found = pipeline.evaluate(made, *judged, SearchSettings(depth=20), QUICK, run_path=tmp_path / "run", report_path=tmp_path / "r.html")
    assert found.two_stage is not None and found.two_stage.uncredited == found.queries == 49
    assert found.per_query["nDCG@10"]["lost"] == 0 and found.measures == pytest.approx(plain.measures)
    assert found.ceiling == plain.ceiling and found.depths is not None and plain.depths is not None
    assert [point.value for point in found.depths.points] == [point.value for point in plain.depths.points]
    assert any(remark.startswith("49 hits that recall did not find stood in the final order.") for remark in found.remarks)
    assert "absent" not in (tmp_path / "run").read_text()


def test_texts_that_a_model_does_not_read_whole_are_told(tmp_path: Path, made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = HashedEncoder()
    monkeypatch.setattr(registry, "load_encoder", lambda name: encoder)
    asked = [{"_id": "long", "text": "button " * (encoder.content_tokens + 1)}, {"_id": "short", "text": "reset the router"}]
    (tmp_path / "qrels.tsv").write_text("query-id\tcorpus-id\tscore\nlong\td1\t1\nshort\td1\t1\n")
    files = write(tmp_path / "q.jsonl", asked), tmp_path / "qrels.tsv"
    found = pipeline.evaluate(made, *files, measuring=QUICK)
    assert found.truncated == ("long",) and any(remark.startswith("1 questions, or passages read beside") for remark in found.remarks)
    assert encoder.cut == [], "it does not grow from evaluation to evaluation"
    (tmp_path / "qrels.tsv").write_text("query-id\tcorpus-id\tscore\nshort\td1\t1\n")
    assert pipeline.evaluate(made, *files, measuring=QUICK).truncated == ()


def test_one_question_proves_nothing(tmp_path: Path, made: Path, judged: tuple[Path, Path]) -> None:
    (tmp_path / "one.tsv").write_text("query-id\tcorpus-id\tscore\nq3\td3\t1\n")
    found = pipeline.evaluate(made, judged[0], tmp_path / "one.tsv", measuring=QUICK)
    assert set(found.confidence.values()) == {(0, 1)} and found.two_stage is not None and found.depths is not None
    assert {one.confidence for one in found.two_stage.changes} == {(-1, 1)}
    assert found.depths.supported is None and "too few to tell depths apart" in found.depths.sentence


def test_documents_written_meanwhile_are_told(tmp_path: Path, judged: tuple[Path, Path]) -> None:
    pipeline.index([write(tmp_path / "some.jsonl", [row(number) for number in range(COUNT)])], tmp_path / "made", SETTINGS)

    def meddle(what: str, done: int, total: int) -> None:
        if what == "recall alone" and done == total:
            pipeline.delete(tmp_path / "made", ["d23"])

    still = pipeline.evaluate(tmp_path / "made", *judged, measuring=QUICK)
    found = pipeline.evaluate(tmp_path / "made", *judged, measuring=QUICK, progress=meddle)
    assert any(remark.startswith("Documents were written while the questions were asked") for remark in found.remarks)
    assert not any(remark.startswith("Documents were written") for remark in still.remarks)
    assert still.made_by["contents"]["digest"] != found.made_by["contents"]["digest"]


def test_another_corpus_another_passage_length_and_another_k_are_told(tmp_path: Path, made: Path, judged: tuple[Path, Path]) -> None:
    before = baseline_of(tmp_path / "before.json", pipeline.evaluate(made, *judged, SearchSettings(k=100), QUICK))
    changed = SETTINGS.model_copy(update={"passage_tokens": 24})
    pipeline.index([write(tmp_path / "some.jsonl", [row(number) for number in range(COUNT - 1)])], tmp_path / "other", changed)
    found = pipeline.evaluate(tmp_path / "other", *judged, SearchSettings(k=200), QUICK, against_path=before)
    assert found.against is not None and len(found.against.remarks) == 3
    others = ("documents: their sha256 differ", "tokens a passage: 16 then, 24 now", "hits a question (-k): 100 then, 200 now")
    for remark, what in zip(found.against.remarks, others, strict=True):
        assert remark.startswith(f"before.json was made with other {what}")


def calibrated(path: Path, fitted_to: str) -> None:
    """Give the collection a calibration of two-stage search by the cosine."""
    with Collection.open(path).view() as view:
        space = view.space
    curve = {"offset": -2.0, "terms": {"dense": {"slope": 4.0, "absent": 0.0}}, "knots": [], "fitted_to": fitted_to}
    with Collection.write(path) as writer:
        writer.activate(space, replace(writer.facts, weights={**writer.facts.weights, "calibration": {"both": curve}}))


def test_how_far_probabilities_can_be_believed_is_told(tmp_path: Path, judged: tuple[Path, Path]) -> None:
    pipeline.index([write(tmp_path / "some.jsonl", [row(number) for number in range(COUNT)])], tmp_path / "made", SETTINGS)
    assert pipeline.evaluate(tmp_path / "made", *judged, measuring=QUICK).probabilities is None
    calibrated(tmp_path / "made", "")
    found = pipeline.evaluate(tmp_path / "made", *judged, measuring=QUICK, report_path=tmp_path / "r.html").probabilities
    assert found is not None and (found.questions, found.hits, found.shown, found.fitted) == (49, 490, 10, None)
    assert found.unjudged >= 490 - 49 and sum(one.pairs for one in found.reliability.bins) == 490
    assert "It is not known to which questions" in (tmp_path / "r.html").read_text("utf-8")
    some = [Query(f"q{number}", f"reset the {TOPICS[number % len(TOPICS)]} with button {number}") for number in range(10)]
    calibrated(tmp_path / "made", marks(some))
    found = pipeline.evaluate(tmp_path / "made", *judged, measuring=QUICK).probabilities
    assert found is not None and (found.questions, found.fitted, found.hits) == (39, 10, 390)


def test_few_questions_are_timed_more_than_once_and_that_is_told(made: Path, judged: tuple[Path, Path]) -> None:
    found = pipeline.evaluate(made, *judged, SearchSettings(depth=20), QUICK)
    assert found.timed_again == 90 - 48 == asking.asked_again([Query(str(number), "?") for number in range(49)], (20, 0, 10))
    assert asking.asked_again([Query(str(number), "?") for number in range(200)], (20, 0, 10)) == 0


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
    assert found.texts.keys() == {one.query_id for one in found.two_stage.outcomes} and found.texts["lost"] == "what no document says"
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
    rules = QUICK.model_copy(update={"fail_if": ("nDCG@10 drops 0.1", "P@5 drops 0.01")})
    with pytest.raises(InputError, match=r"has no P@5, which the rule 'P@5 drops 0.01' names; it has nDCG@10, RR@10"):
        pipeline.evaluate(made, *judged, SearchSettings(), rules, against_path=before)
    rules = rules.model_copy(update={"fail_if": ("nDCG@10 drops 0.1", "nDCG@10 drops 0.01")})
    found = pipeline.evaluate(made, *judged, SearchSettings(), rules, against_path=before)
    assert found.against is not None and found.against.remarks == () and found.against.queries == 49
    assert {one.shown for one in found.against.changes} == {"no difference shown"}
    assert [one.state for one in found.checks] == ["passed", "cannot tell"], "49 questions exclude a fall by 3 / 49"
    with pytest.raises(InputError, match=r"The rule 'nDCG@10 drops 0.1' has nothing to be judged against; name a baseline with --against"):
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
    assert found.against is not None and found.against.only_here == () and found.against.queries == 49
    assert found.against.remarks == ("good.run has nothing for 1 questions, which are 0 in it.",)
    assert "P@1" in found.measures, "a rule's measure is measured"
    (failed,) = found.failed
    assert failed.reason.startswith("failed: P@1 fell by ") and failed.reason.endswith("more than 0.01 is not allowed")


def test_what_cannot_end_well_is_refused_before_anything_is_asked(tmp_path: Path, judged: tuple[Path, Path]) -> None:
    nowhere = tmp_path / "no collection"
    with pytest.raises(InputError, match=r"The report cannot be written to .*: it is a folder"):
        pipeline.evaluate(nowhere, *judged, report_path=tmp_path)
    with pytest.raises(InputError, match=r"the folder .* does not exist"):
        pipeline.evaluate(nowhere, *judged, report_path=tmp_path / "none" / "report.html")
    with pytest.raises(InputError, match=r"The report cannot be written to /dev/null: it is no regular file"):
        pipeline.evaluate(nowhere, *judged, report_path=Path("/dev/null"))
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
    found = pipeline.evaluate(made, queries, tmp_path / "qrels.tsv", measuring=QUICK)
    few, same, unanswerable = found.remarks
    assert found.two_stage is not None and found.two_stage.kinds[NONE] == 1
    assert few.startswith("Only 3 questions") and same.startswith("All 3 questions have the same nDCG@10") and "up to 99.9% of" in same
    assert unanswerable.startswith("1 questions have no document that is judged relevant")
