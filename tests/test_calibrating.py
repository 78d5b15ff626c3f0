"""`calibrate` and searches that abstain, end to end, with the models without weights."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bicross import durable, pipeline
from bicross.ancestry import LINEAGE, digest, marks
from bicross.calibrating import FEW, CalibratedCollection
from bicross.calibrating import calibrate as calibrate_collection
from bicross.collection.store import Collection, Facts
from bicross.errors import InputError, StoreError
from bicross.evaluation.reliability import Wish
from bicross.models.registry import HASHED
from bicross.opened import OpenCollection
from bicross.records import Query
from bicross.results import Answer
from bicross.searchers.weights import Weights
from bicross.settings import IndexSettings, SearchSettings
from tests.models.tiny import tiny

WORDS = [f"word{number}" for number in range(60)] + list("重置打印机请按住红色按钮十秒钟")
Judged = tuple[Path, Path, Path]
"""Collection, queries and qrels."""


def make(folder: Path, questions: int = 60, documents: int = 100) -> Judged:
    """Documents of ten words; a question has four of one document's and two others."""
    rng = random.Random(0)
    texts = {f"d{number}": rng.sample(WORDS, 10) for number in range(documents)}
    asked = {f"q{number}": rng.choice(sorted(texts)) for number in range(questions)}
    lines = [f"{query}\t{answer}\t1\n" for query, answer in asked.items()]
    rows = {"corpus": texts, "queries": {query: rng.sample(texts[answer], 4) + rng.sample(WORDS, 2) for query, answer in asked.items()}}
    for name, words in rows.items():
        text = "".join(json.dumps({"_id": row, "text": " ".join(of_row)}) + "\n" for row, of_row in words.items())
        (folder / f"{name}.jsonl").write_text(text, "utf-8")
    (folder / "dev.tsv").write_text("query-id\tcorpus-id\tscore\n" + "".join(lines), "utf-8")
    pipeline.index([folder / "corpus.jsonl"], folder / "c", IndexSettings(encoder=HASHED, reranker=HASHED, passage_tokens=16))
    return folder / "c", folder / "queries.jsonl", folder / "dev.tsv"


def calibrate(
    judged: Judged,
    wished: Wish = "precision",
    value: float = 0.7,
    report: Path | None = None,
    dry_run: bool = False,
    progress: Callable[[str, int, int], None] = pipeline.silent,
) -> CalibratedCollection:
    return calibrate_collection(*judged, wished, value, report, dry_run, progress)


def facts(path: Path) -> Facts:
    with Collection.open(path).view() as view:
        return view.facts


def ask(path: Path, question: str, **settings: Any) -> Answer:
    return pipeline.search(path, [question], SearchSettings(**settings)).queries[0]


def questions_of(judged: Judged, ids: Iterable[int]) -> list[Query]:
    """Some of the questions."""
    texts = {row["_id"]: row["text"] for row in map(json.loads, judged[1].read_text("utf-8").splitlines())}
    return [Query(f"q{number}", texts[f"q{number}"]) for number in ids]


def only(judged: Judged, name: str, ids: Iterable[int]) -> Judged:
    """The same with judgements of these questions alone."""
    wanted = {"query-id", *(f"q{number}" for number in ids)}
    lines = [line for line in judged[2].read_text("utf-8").splitlines(keepends=True) if line.split("\t")[0] in wanted]
    (judged[2].parent / name).write_text("".join(lines), "utf-8")
    return judged[0], judged[1], judged[2].parent / name


@pytest.fixture
def judged(tmp_path: Path) -> Judged:
    return make(tmp_path)


@pytest.fixture
def question(judged: Judged) -> str:
    return str(json.loads(judged[1].read_text("utf-8").splitlines()[0])["text"])


def test_probabilities_get_better_and_rollback_goes_back(judged: Judged, question: str) -> None:
    before, old = facts(judged[0]), ask(judged[0], question).hits
    found = calibrate(judged)
    usual = found.kinds[0]
    assert (found.questions, usual.kind, usual.pairs, usual.unjudged) == (60, "both", 600, 600 - usual.relevant)
    assert "both" in found.adopted and usual.better and usual.log_loss < usual.before
    assert (usual.stored, usual.error_before, usual.before) == (False, None, usual.base) and usual.reliability.error < 0.06
    stored = Weights.of(facts(judged[0]).weights)
    assert facts(judged[0]) == replace(before, weights=json.loads(json.dumps(stored.as_json())))
    assert stored.calibration["both"] == replace(usual.calibration, fitted_to=marks(questions_of(judged, range(60))))
    assert replace(stored, calibration={}) == replace(Weights.of(before.weights), calibration={})
    new = ask(judged[0], question).hits
    assert [hit.doc_id for hit in new] == [hit.doc_id for hit in old]
    assert [hit.probability for hit in new] != [hit.probability for hit in old]
    pipeline.rollback(judged[0])
    assert facts(judged[0]) == before and ask(judged[0], question).hits == old
    assert pipeline.verify(judged[0]).problems == ()


def test_the_same_questions_again_change_nothing(judged: Judged) -> None:
    first = calibrate(judged)
    kept = facts(judged[0])
    again = calibrate(judged)
    assert again.adopted == () and facts(judged[0]) == kept
    assert again.kinds[0].reliability == first.kinds[0].reliability  # cross-fitted still, not of what was fitted to them
    assert again.kinds[0].same and again.is_stored(again.kinds[0]) and not any("compared with nothing" in one for one in again.remarks)


def test_what_is_stored_is_compared_on_questions_that_it_was_not_fitted_to(judged: Judged) -> None:
    assert "both" in calibrate(only(judged, "first.tsv", range(30))).adopted
    usual = calibrate(judged).kinds[0]
    assert (usual.against, usual.compared, usual.pairs) == ("stored", 30, 600)
    assert usual.told == ("fitted" if usual.better else "stored")
    later = calibrate(only(judged, "later.tsv", range(20, 60)), dry_run=True).kinds[0]
    assert later.against == ("base" if usual.better else "stored")


def test_with_more_of_the_same_questions_the_new_fit_takes_its_place(judged: Judged) -> None:
    calibrate(only(judged, "first.tsv", range(45)))
    found = calibrate(judged)  # 15 new ones prove nothing
    assert found.kinds[0].against == "base" and "both" in found.adopted and found.is_stored(found.kinds[0])
    assert any("compared with nothing. What was fitted now takes its place" in remark for remark in found.remarks)


def test_fewer_questions_do_not_take_the_place_of_more(judged: Judged) -> None:
    calibrate(judged)
    kept = facts(judged[0])
    found = calibrate(only(judged, "few.tsv", range(40)))
    assert found.adopted == () and facts(judged[0]) == kept and not found.is_stored(found.kinds[0])
    assert any("It stays; the figures are of what was fitted now" in remark for remark in found.remarks)


def test_a_calibration_that_does_not_say_what_it_was_fitted_to_gives_way(judged: Judged) -> None:
    calibrate(only(judged, "first.tsv", range(40)))
    with Collection.write(judged[0]) as writer:
        old = writer.facts.weights
        nameless = {kind: {name: one[name] for name in ("offset", "terms", "knots")} for kind, one in old["calibration"].items()}
        writer.set_facts(replace(writer.facts, weights={**old, "calibration": nameless}))
    found = calibrate(judged)
    assert found.kinds[0].against == "base" and "both" in found.adopted


def tune(judged: Judged, seen: Iterable[int]) -> None:
    """Let a model answer that was tuned on these questions; no search asks it."""
    lineage = {"untuned": {"encoder": HASHED, "reranker": HASHED}, "seen": [digest(query) for query in questions_of(judged, seen)]}
    durable.write_folder(judged[0] / "models" / "tuned", {**tiny(1, reranker=True), LINEAGE: json.dumps(lineage).encode()}, {})
    with Collection.write(judged[0]) as writer:
        assert writer.space is not None
        weights = {"combination": {"lexical": 1.0, "dense": 1.0}}
        writer.activate(writer.space, replace(writer.facts, reranker="models/tuned", weights=weights))


def test_questions_that_trained_the_models_are_left_out(judged: Judged) -> None:
    tune(judged, range(20))
    found = calibrate(judged)
    assert (found.questions, found.kinds[0].pairs) == (40, 400)
    assert {skip.id for skip in found.skipped if "trained a model" in skip.reason} == {f"q{number}" for number in range(20)}
    assert Weights.of(facts(judged[0]).weights).calibration["both"].fitted_to == marks(questions_of(judged, range(20, 60)))
    with pytest.raises(InputError, match=r"20 of the 24 questions trained the models .*4 are left, expected 5"):
        calibrate(only(judged, "few.tsv", range(24)))
    with pytest.raises(InputError, match=r"20 of the 20 questions trained the models .*0 are left"):
        calibrate(only(judged, "seen.tsv", range(20)))


def test_rollback_reaches_the_models_of_before_past_a_calibration(judged: Judged) -> None:
    before = facts(judged[0])
    tune(judged, range(20))
    tuned = facts(judged[0])
    calibrate(judged)
    assert pipeline.rollback(judged[0]).changed == ("calibration",)
    assert facts(judged[0]) == tuned
    assert pipeline.rollback(judged[0]).changed == ("reranker", "weights")
    assert facts(judged[0]) == before


def test_a_dry_run_measures_and_keeps_nothing(judged: Judged) -> None:
    before = facts(judged[0])
    found = calibrate(judged, dry_run=True)
    assert found.kinds[0].better and found.adopted == () and found.dry_run
    assert facts(judged[0]) == before


def test_every_kind_of_search_that_was_calibrated_gives_probabilities(judged: Judged, question: str) -> None:
    assert all(hit.probability is None for hit in ask(judged[0], question, stage="fused").hits)
    found = calibrate(judged)
    assert [one.kind for one in found.kinds] == ["both", "fused", "dense", "lexical"]
    for kind in found.adopted:
        hits = ask(judged[0], question, stage=kind).hits
        assert hits and all(hit.probability is not None for hit in hits)
    assert "fused" in found.adopted
    assert ask(judged[0], question, depth=0).hits == ask(judged[0], question, stage="fused").hits


def test_without_the_cross_encoder_it_is_fitted_on_what_there_is(judged: Judged, question: str) -> None:
    with Collection.write(judged[0]) as writer:
        assert writer.space is not None
        writer.activate(writer.space, replace(writer.facts, weights={"combination": {"lexical": 1.0, "dense": 1.0}, "calibration": {}}))
    found = calibrate(judged)
    assert set(found.kinds[0].calibration.terms) == {"lexical", "dense"} and "both" in found.adopted
    assert all(hit.probability is not None for hit in ask(judged[0], question).hits)


def test_a_search_leaves_out_what_is_less_probable_and_can_abstain(judged: Judged, question: str) -> None:
    calibrate(judged)
    everything = ask(judged[0], question, k=100)
    chances = [hit.probability for hit in everything.hits]
    assert everything.answerable is None and everything.probability == max(chance for chance in chances if chance is not None)
    assert None in chances  # beyond the depth nothing was read
    for least in (0.0, 0.01, everything.probability):
        kept = ask(judged[0], question, k=100, min_probability=least)
        expected = [hit.doc_id for hit in everything.hits if hit.probability is not None and hit.probability >= least]
        assert [hit.doc_id for hit in kept.hits] == expected != []
        assert kept.answerable and kept.reranked == everything.reranked
    none = ask(judged[0], "nothing of this is in any document", min_probability=0.6)
    assert (none.hits, none.answerable, none.reranked) == ((), False, 20)
    assert none.probability is not None and none.probability < 0.6
    said = none.as_json()
    assert (said["answerable"], said["probability"], said["hits"]) == (False, none.probability, [])


def test_enough_probable_hits_fill_the_places_of_those_left_out(judged: Judged, question: str) -> None:
    calibrate(judged)
    everything = ask(judged[0], question, k=20).hits
    least = sorted(hit.probability for hit in everything if hit.probability is not None)[-5]
    assert len(ask(judged[0], question, k=5, min_probability=least).hits) == 5


def test_a_probability_that_no_one_can_tell_is_refused(judged: Judged) -> None:
    for settings in ({}, {"stage": "dense"}, {"depth": 0}):
        with pytest.raises(InputError, match=r"was not calibrated.*bicross calibrate"):
            ask(judged[0], "word1", min_probability=0.5, **settings)


def test_what_a_collection_got_meanwhile_stays(judged: Judged) -> None:
    def meddle(what: str, done: int, total: int) -> None:
        if what == "fitting, both":
            with Collection.write(judged[0]) as writer:
                writer.set_facts(replace(writer.facts, weights={"depth": 7}))

    with pytest.raises(StoreError, match="got other models or weights meanwhile"):
        calibrate(judged, progress=meddle)
    assert facts(judged[0]).weights == {"depth": 7}


@pytest.mark.parametrize("moment", ["searching, dense", "fitting, both", "fitting, lexical"])
def test_interrupted_it_leaves_all_as_it_was(judged: Judged, moment: str) -> None:
    before = facts(judged[0])

    def interrupt(what: str, done: int, total: int) -> None:
        if what == moment:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        calibrate(judged, progress=interrupt)
    assert facts(judged[0]) == before and pipeline.verify(judged[0]).problems == ()
    assert calibrate(judged).adopted


def test_few_questions_are_fitted_and_said_to_be_few(tmp_path: Path) -> None:
    found = calibrate(make(tmp_path, questions=8))
    assert found.kinds[0].calibration.terms and not found.kinds[0].calibration.knots
    assert any("8 questions are few" in remark and str(FEW) in remark for remark in found.remarks)
    assert any("not judged" in remark for remark in found.remarks)
    low, high = found.kinds[0].reliability.confidence
    assert high - low > 0.02


def test_the_report_is_a_page(judged: Judged, tmp_path: Path) -> None:
    found = calibrate(judged, report=tmp_path / "r.html")
    page = (tmp_path / "r.html").read_text("utf-8")
    assert found.report == str(tmp_path / "r.html") and page.startswith("<!doctype html>")
    with pytest.raises(InputError, match="report cannot be written"):
        calibrate(judged, report=tmp_path / "nowhere" / "r.html")


def test_a_kind_of_search_that_finds_hits_for_one_question_only_is_left_out(judged: Judged) -> None:
    rows = [json.loads(line) for line in judged[1].read_text("utf-8").splitlines()]
    texts = [row["text"] if place == 0 else " ".join(f"zz{place}x{word}" for word in range(6)) for place, row in enumerate(rows)]
    lines = [json.dumps({"_id": row["_id"], "text": text}) + "\n" for row, text in zip(rows, texts, strict=True)]
    judged[1].write_text("".join(lines), "utf-8")
    found = calibrate(judged)
    assert "lexical" not in {one.kind for one in found.kinds} and "both" in {one.kind for one in found.kinds}
    assert any(remark.startswith("Not calibrated, lexical search: ") and "for 1 questions only" in remark for remark in found.remarks)


def test_a_pair_from_elsewhere_brings_its_weights_and_no_probabilities(judged: Judged, tmp_path: Path, question: str) -> None:
    fitted = Weights(depth=5, calibration=Weights.of({}).calibration).as_json()
    fitted["calibration"] = {"both": {"offset": -1.0, "terms": {"rerank": {"slope": 1.0, "absent": None}}, "knots": []}}
    for folder in (tmp_path / "elsewhere", judged[0] / "models" / "own"):
        durable.write_folder(folder, tiny(2, reranker=True, encoder=HASHED, **fitted), {})
    pipeline.index([tmp_path / "corpus.jsonl"], judged[0], IndexSettings(reranker=str(tmp_path / "elsewhere")))
    answer = ask(judged[0], question)
    assert answer.reranked == 5 and all(hit.probability is None for hit in answer.hits) and answer.probability is None
    with pytest.raises(InputError, match="was not calibrated"):
        ask(judged[0], question, min_probability=0.5)
    pipeline.index([tmp_path / "corpus.jsonl"], judged[0], IndexSettings(reranker="models/own"))
    assert ask(judged[0], question).hits[0].probability is not None, "the collection's own pair was fitted in it"


def test_nothing_relevant_is_shown(judged: Judged) -> None:
    judged[2].write_text("query-id\tcorpus-id\tscore\n" + "".join(f"q{number}\telsewhere\t1\n" for number in range(60)), "utf-8")
    with pytest.raises(InputError, match=r"None of the 600 hits that both search .* same document ids"):
        calibrate(judged)


def test_all_that_is_shown_is_relevant(judged: Judged) -> None:
    rows = [f"q{number}\td{document}\t1\n" for number in range(60) for document in range(100)]
    judged[2].write_text("query-id\tcorpus-id\tscore\n" + "".join(rows), "utf-8")
    with pytest.raises(InputError, match=r"All 600 hits .* nothing can be told apart"):
        calibrate(judged)


def test_one_question(judged: Judged) -> None:
    judged[2].write_text("query-id\tcorpus-id\tscore\nq0\td1\t1\n", "utf-8")
    with pytest.raises(InputError, match=r"1 questions form 1 groups.*expected 5 or more"):
        calibrate(judged)


def test_an_empty_collection(judged: Judged) -> None:
    pipeline.delete(judged[0], [f"d{number}" for number in range(100)])
    with pytest.raises(InputError, match="nothing to calibrate; index documents first"):
        calibrate(judged)


def test_the_kind_of_search_that_settings_come_to(judged: Judged) -> None:
    with OpenCollection(judged[0]) as collection:
        kinds = {"both": {}, "fused": {"depth": 0}, "dense": {"stage": "dense"}, "lexical": {"stage": "lexical", "depth": 5}}
        assert all(collection.kind(SearchSettings(**settings)) == kind for kind, settings in kinds.items())
