"""`plan`: what is measured, chosen, kept and refused; with models without weights, and tiny ones where there have to be two rerankers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from bicross import durable, pipeline
from bicross.collection.store import Collection
from bicross.errors import InputError, StoreError
from bicross.models.network import has_int8
from bicross.models.registry import HASHED
from bicross.opened import OpenCollection
from bicross.planner import plan as planning
from bicross.planner import timing, world
from bicross.planner.plan import FILE, Planned, drawn, stored
from bicross.planner.precision import other_precision
from bicross.searchers.weights import Weights
from bicross.settings import IndexSettings, PlanSettings, QuantizeSettings, SearchSettings
from tests.models.tiny import tiny
from tests.test_calibrating import Judged, make


@pytest.fixture(autouse=True)
def few_laps(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, count in (("TIMED", 4), ("LEAST", 2), ("CONFIRMED", 4)):
        monkeypatch.setattr(timing, name, count)
    monkeypatch.setattr(world, "SHIPPED_FAST", ())  # two rerankers where a test names the second


@pytest.fixture
def judged(tmp_path: Path) -> Judged:
    return make(tmp_path, questions=30, documents=60)


def plan(judged: Judged, p95: float = 30.0, dry_run: bool = False, **settings: object) -> Planned:
    collection, queries, qrels = judged
    return pipeline.plan(collection, PlanSettings(p95=p95, depth=30, **settings), queries, qrels, dry_run=dry_run)  # type: ignore[arg-type]  # pydantic's


def test_the_best_within_the_budget_is_what_the_collection_does_from_now_on(judged: Judged) -> None:
    found = plan(judged)
    assert found.measure == "nDCG@10" and found.questions == 30 and found.written
    assert {point.way.stage for point in found.points} == {"lexical", "dense", "fused", "both"}
    assert [point.p95 for point in found.points] == sorted(point.p95 for point in found.points)
    assert found.chosen is not None and found.chosen.quality >= max(point.quality for point in found.points) - 0.001
    qualities = [point.quality for point in found.points if point.best]
    assert qualities == sorted(qualities) and qualities[-1] == max(point.quality for point in found.points)
    with OpenCollection(judged[0]) as opened:
        way = found.chosen.way
        assert opened.kind(SearchSettings()) == way.stage and opened.depth(SearchSettings()) == way.depth
        assert (opened.weights.foresight is not None) == way.adaptive
    kept = stored(judged[0])
    assert kept.chosen is not None and kept.chosen.way == found.chosen.way and len(kept.points) == len(found.points)
    assert "<svg" in drawn(kept)
    assert pipeline.rollback(judged[0]).changed == ("weights",)
    assert pipeline.status(judged[0]).documents == 60


def test_what_it_promises_is_what_evaluate_finds(judged: Judged) -> None:
    found = plan(judged)
    assert found.chosen is not None
    measured = pipeline.evaluate(judged[0], judged[1], judged[2]).measures["nDCG@10"]
    assert measured == pytest.approx(found.chosen.quality, abs=1e-6 if not found.chosen.way.adaptive else 0.02)


def test_a_dry_run_keeps_nothing(judged: Judged) -> None:
    before = pipeline.status(judged[0])
    with OpenCollection(judged[0]) as opened:
        facts = opened.facts
    found = plan(judged, dry_run=True)
    assert found.chosen is not None and not found.written and found.dry_run
    with OpenCollection(judged[0]) as opened:
        assert opened.facts == facts
    assert not (judged[0] / FILE).exists() and pipeline.status(judged[0]) == before


def test_a_budget_that_nothing_meets_is_refused_and_nothing_kept(judged: Judged) -> None:
    found = plan(judged, p95=1e-6)
    assert found.chosen is None and not found.written and "No way to search is within 0.001 ms" in found.refused
    with OpenCollection(judged[0]) as opened:
        assert opened.weights == Weights()


def test_without_judgements_quality_is_what_is_kept_of_full_depth(judged: Judged) -> None:
    found = pipeline.plan(judged[0], PlanSettings(p95=30, depth=30), judged[1])
    by_name = {point.name: point for point in found.points}
    assert found.measure == "agreement@10 with depth 30" and by_name["depth 30"].quality == 1.0
    assert by_name["fused"].quality < by_name["depth 20"].quality <= 1
    assert any("says nothing of how good full depth is" in remark for remark in found.remarks)


def test_without_questions_sentences_stand_in(judged: Judged) -> None:
    found = pipeline.plan(judged[0], PlanSettings(p95=30, depth=20, sample=30), dry_run=True)
    assert found.questions == 30 and "sentences of the documents stand in" in found.remarks[0]
    with pytest.raises(InputError, match="name them with --queries"):
        pipeline.plan(judged[0], PlanSettings(p95=30), None, judged[2])


def test_two_rerankers_are_tried_alone_and_one_before_the_other(judged: Judged, tmp_path: Path) -> None:
    fast = tmp_path / "fast"
    durable.write_folder(fast, tiny(7, reranker=True), {})
    found = plan(judged, dry_run=True, fast=(str(fast),))
    assert {point.way.reranker for point in found.points if point.read} >= {"bicross/hashed", str(fast)}
    assert {one["fast"] for one in found.adaptive} == {None, str(fast)}
    for one in found.adaptive:
        assert one["accepted"] == (one["reason"] == "") and one["read"] <= one["depth"]


def test_a_fast_reranker_is_asked_before_the_full_one(judged: Judged, tmp_path: Path) -> None:
    """Searched as the cascade says: the fast one reads what may matter, the full one what of that can still come among the first."""
    fast = tmp_path / "fast"
    durable.write_folder(fast, tiny(7, reranker=True), {})
    from bicross.searchers.foresight import Foresight, Line

    with OpenCollection(judged[0]) as opened:
        line, after = Line({"rank": 0.2}, 0.3, 0.05, 0.1), Line({"fast": 0.1, "rank": 0.2}, 0.3, 0.05, 0.1)
        weights = replace(opened.weights, depth=40, foresight=Foresight({"rerank": line}, 1.0, {"rerank": after}), fast=str(fast))
        found = opened.trying(weights).search("word1 word2 word3", SearchSettings(k=40, explain=True)).queries[0]
    first, whole = sum("fast" in hit.stages for hit in found.hits), [hit for hit in found.hits if "rerank" in hit.stages]
    assert 20 <= first <= 40 and 10 <= found.reranked < 40 and all("fast" in hit.stages for hit in whole)
    assert sum("rerank" in hit.stages for hit in found.hits) == found.reranked
    assert found.parts is not None
    for hit in found.hits:
        assert sum(part.added for part in found.parts[hit.doc_id].values()) == pytest.approx(hit.score)


def test_what_was_changed_meanwhile_is_not_overwritten(judged: Judged, monkeypatch: pytest.MonkeyPatch) -> None:
    def meddled(*given: object) -> object:
        from bicross.collection.store import Collection

        with Collection.write(judged[0]) as writer:
            writer.set_facts(replace(writer.facts, weights={"depth": 7}))
        return confirmed(*given)

    confirmed = planning.confirmed_of
    monkeypatch.setattr(planning, "confirmed_of", meddled)
    with pytest.raises(StoreError, match="Run `bicross plan` again"):
        plan(judged)
    assert not (judged[0] / FILE).exists()


@pytest.fixture
def two_models(tmp_path: Path) -> Judged:
    """With a reranker that has weights."""
    if not has_int8():
        pytest.skip("the processor has no fast 8-bit products")
    durable.write_folder(tmp_path / "reranker", tiny(7, reranker=True), {})
    judged = make(tmp_path, questions=30, documents=60)
    with Collection.write(judged[0]) as writer:
        writer.set_facts(replace(writer.facts, reranker=str(tmp_path / "reranker")))
    return judged


def test_the_reranker_in_8_bits_is_a_way_of_its_own_and_kept_if_it_is_chosen(two_models: Judged, monkeypatch: pytest.MonkeyPatch) -> None:
    easy = QuantizeSettings(rank_correlation=0, top10=0, ndcg=1, faster=0)  # random weights; the time is not tested
    monkeypatch.setattr(planning, "other_precision", lambda world, folder: other_precision(world, folder, easy))
    confirmed = planning.confirmed_of
    monkeypatch.setattr(planning, "confirmed_of", lambda _, options, *__: next(one for one in options if one.way.name == "depth 20, int8"))
    found = plan(two_models)
    assert {"depth 20", "depth 20, int8"} <= {point.name for point in found.points}
    assert {one["precision"] for one in found.adaptive} == {"", "int8"}
    assert found.chosen is not None and found.chosen.name == "depth 20, int8"
    with OpenCollection(two_models[0]) as opened:
        assert opened.facts.reranker == found.chosen.way.reranker
        assert opened.depth(SearchSettings()) == 20 and (two_models[0] / str(opened.facts.reranker)).is_dir()
        assert opened.search("word1 word2").queries[0].reranked == 20
    assert not any("precision" in remark for remark in found.remarks)
    monkeypatch.setattr(planning, "confirmed_of", confirmed)
    again = plan(two_models, dry_run=True)  # from there the floats are the other precision
    assert {"depth 20", "depth 20, int8"} <= {point.name for point in again.points}
    assert {point.way.reranker for point in again.points if point.name == "depth 20"} == {str(two_models[0].parent / "reranker")}
    assert not any("precision" in remark for remark in again.remarks)
    assert pipeline.rollback(two_models[0]).changed == ("reranker",)


def test_a_reranker_that_8_bits_change_too_much_is_not_tried_in_them(two_models: Judged, monkeypatch: pytest.MonkeyPatch) -> None:
    strict = QuantizeSettings(rank_correlation=1)
    monkeypatch.setattr(planning, "other_precision", lambda world, folder: other_precision(world, folder, strict))
    found = plan(two_models, dry_run=True)
    assert not any(point.way.precision for point in found.points)
    assert "in another precision is not tried: the rank correlation is" in found.remarks[-1]


def test_few_candidates_or_few_documents_are_no_order_to_compare(two_models: Judged, tmp_path: Path) -> None:
    shallow = pipeline.plan(two_models[0], PlanSettings(p95=30, depth=5), two_models[1], two_models[2], dry_run=True)
    assert any(point.way.depth == 5 for point in shallow.points)
    (tmp_path / "two.jsonl").write_text('{"_id": "a", "text": "One hill. It is green."}\n{"_id": "b", "text": "Two seas."}\n', "utf-8")
    pipeline.index([tmp_path / "two.jsonl"], tmp_path / "two", IndexSettings(encoder=HASHED, reranker=str(tmp_path / "reranker")))
    few = pipeline.plan(tmp_path / "two", PlanSettings(p95=30), dry_run=True)
    assert "not tried: there are too few texts" in few.remarks[-1]
