"""Reranking: how deep, in which order, with which probability; and a scorer without weight, which changes nothing."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest

from bicross.collection.store import View
from bicross.models.hashed import HashedScorer
from bicross.protocols import Scorer, Searcher
from bicross.records import Document, Ranking, reading
from bicross.searchers import pace, stopwatch
from bicross.searchers.combination import combine
from bicross.searchers.foresight import FAST, Foresight, Line
from bicross.searchers.reading import ALL, in_order
from bicross.searchers.reranked import RerankedSearcher
from bicross.searchers.stopwatch import Stopwatch
from bicross.vectors import Scores
from tests.conformance.searcher import DOCUMENTS, QUERIES, SearcherConformance
from tests.searchers.world import fused, viewed

TITLED = [Document("titled", "It stands beside the window.", "The printer"), *DOCUMENTS]
BOTH = {"rank": 1.0, "rerank": 1.0}


class NoiseScorer:
    """Scores that say nothing, but always the same; and a memory of what was read."""

    fingerprint = "noise"

    def __init__(self) -> None:
        self.read: list[tuple[str, str]] = []

    def score(self, pairs: Sequence[tuple[str, str]]) -> Scores:
        self.read += pairs
        return np.array([zlib.crc32(repr(pair).encode()) / 2**31 - 1 for pair in pairs], dtype=np.float32)


def reranked(
    view: View,
    depth: int,
    weights: Mapping[str, float],
    scorers: Mapping[str, Scorer] | None = None,
) -> RerankedSearcher:
    return RerankedSearcher(fused(view), scorers or {"rerank": HashedScorer()}, view, weights, depth, Stopwatch())


class TestRerankedSearcher(SearcherConformance):
    def make(self, documents: Sequence[Document]) -> Searcher:
        return reranked(viewed(documents), 5, BOTH)


class TestShallowRerankedSearcher(SearcherConformance):
    """Fewer candidates than hits."""

    def make(self, documents: Sequence[Document]) -> Searcher:
        return reranked(viewed(documents), 2, BOTH)


@pytest.fixture(scope="module")
def view(tmp_path_factory: pytest.TempPathFactory) -> View:
    return viewed(TITLED, tmp_path_factory.mktemp("reranked"))


@pytest.fixture(scope="module")
def recalled(view: View) -> Mapping[str, Ranking]:
    return fused(view).search(QUERIES, 9)


@pytest.mark.parametrize("depth", [1, 3, 9, 50])
def test_depth_candidates_are_read_and_the_others_follow_in_their_old_order(
    view: View, recalled: Mapping[str, Ranking], depth: int
) -> None:
    noise = NoiseScorer()
    rankings = reranked(view, depth, {"rerank": 1.0}, {"rerank": noise}).search(QUERIES, 9)
    assert len(noise.read) == sum(min(depth, len(ranking)) for ranking in recalled.values())
    for query in QUERIES:
        new, old = rankings[query.id], recalled[query.id]
        assert {hit.doc_id for hit in new[:depth]} == {hit.doc_id for hit in old[:depth]}
        assert [hit.doc_id for hit in new[depth:]] == [hit.doc_id for hit in old[depth:]]
        by_noise = [hit.stages["rerank"].score for hit in new[:depth]]
        assert by_noise == sorted(by_noise, reverse=True)
        assert [hit.stages["rerank"].rank for hit in new[:depth]] == list(range(1, len(by_noise) + 1))
        assert [hit.score for hit in new] == sorted((hit.score for hit in new), reverse=True)
        assert all("rerank" not in hit.stages for hit in new[depth:])
        assert all(hit.stages["fused"] == other.stages["fused"] for hit in new for other in old if hit.doc_id == other.doc_id)


def test_fewer_hits_than_candidates_are_the_best_of_all_candidates(view: View) -> None:
    searcher = reranked(view, 9, BOTH)
    few, many = searcher.search(QUERIES, 2), searcher.search(QUERIES, 9)
    assert {query: ranking[:2] for query, ranking in many.items()} == dict(few)


def test_the_scorer_reads_the_title_and_the_passage(view: View, recalled: Mapping[str, Ranking]) -> None:
    noise = NoiseScorer()
    reranked(view, 9, BOTH, {"rerank": noise}).search(QUERIES[:1], 3)
    titles = {document.id: document.title for document in TITLED}
    expected = [(QUERIES[0].text, reading(titles[hit.doc_id], hit.passage.text)) for hit in recalled["q1"] if hit.passage]
    assert noise.read == expected
    assert (QUERIES[0].text, "The printer\nIt stands beside the window.") in noise.read


def test_the_score_is_the_combination_of_the_stages(view: View) -> None:
    weights = {"lexical": 0.5, "dense": 0.25, "rank": 1.0, "rerank": 2.0}
    for ranking in reranked(view, 9, weights).search(QUERIES, 9).values():
        assert [hit.score for hit in ranking] == pytest.approx(combine(ranking, weights).tolist())


def test_a_scorer_without_weight_changes_nothing(view: View, recalled: Mapping[str, Ranking]) -> None:
    plain = reranked(view, 9, BOTH).search(QUERIES, 9)
    noisy = reranked(view, 9, {**BOTH, "late": 0.0}, {"rerank": HashedScorer(), "late": NoiseScorer()}).search(QUERIES, 9)
    for query in QUERIES:
        assert [(hit.doc_id, hit.score) for hit in noisy[query.id]] == [(hit.doc_id, hit.score) for hit in plain[query.id]]
    only_rank = reranked(view, 9, {"rank": 1.0, "rerank": 0.0}, {"rerank": NoiseScorer()}).search(QUERIES, 9)
    for query in QUERIES:
        assert [hit.doc_id for hit in only_rank[query.id]] == [hit.doc_id for hit in recalled[query.id]]


@pytest.mark.parametrize("depth", [0, 1, 3, 9])
def test_a_deep_search_tells_what_a_shallower_one_would_give(view: View, recalled: Mapping[str, Ranking], depth: int) -> None:
    deep, flat = (reranked(view, reading, BOTH).search(QUERIES, 9) for reading in (9, depth))
    for query in QUERIES:
        scored = {hit.doc_id: hit for hit in deep[query.id]}
        again = in_order(tuple(scored[hit.doc_id] for hit in recalled[query.id]), depth, BOTH)
        assert [(hit.doc_id, hit.score) for hit in again] == [(hit.doc_id, hit.score) for hit in flat[query.id]]


# --- deadlines -------------------------------------------------------------------------------------------------------


class Clock:
    """Time that passes only when candidates are read."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 0.0
        for module in (stopwatch, pace):
            monkeypatch.setattr(module, "time", self)

    def perf_counter(self) -> float:
        return self.now


class SlowScorer(NoiseScorer):
    """Takes so many seconds for each pair."""

    def __init__(self, clock: Clock, seconds: float) -> None:
        super().__init__()
        self._clock, self._seconds = clock, seconds

    def score(self, pairs: Sequence[tuple[str, str]]) -> Scores:
        self._clock.now += self._seconds * len(pairs)
        return super().score(pairs)


def timed(view: View, scorer: Scorer, seconds: float, **more: Any) -> tuple[Stopwatch, Ranking]:
    """The first question asked with a deadline, and its answer."""
    watch = Stopwatch()
    searcher = RerankedSearcher(fused(view), {"rerank": scorer}, view, {"rerank": 1.0}, 9, watch, **more)
    watch.begin(seconds)
    return watch, searcher.search(QUERIES[:1], 9)[QUERIES[0].id]


def read(ranking: Ranking) -> int:
    return sum("rerank" in hit.stages for hit in ranking)


def test_no_more_is_read_than_the_deadline_allows(view: View, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)
    watch, ranking = timed(view, SlowScorer(clock, 1.0), 7.0)
    assert clock.now <= 7.0 and 4 <= read(ranking) <= 7
    assert watch.late == {QUERIES[0].id}
    scores = [hit.stages["rerank"].score for hit in ranking[: read(ranking)]]
    assert scores == sorted(scores, reverse=True), "what was read comes first, in its new order"


def test_a_fast_one_leaves_half_of_the_time_to_the_other(view: View, monkeypatch: pytest.MonkeyPatch) -> None:
    clock, known = Clock(monkeypatch), pace.Pace()
    known.took(FAST, 10, 10.0)
    known.took(ALL, 10, 20.0)
    line = Line({}, 0.0, 1.0, 1.0)
    foresight = Foresight({"rerank": line}, 0.1, {"rerank": line})
    watch, ranking = timed(view, SlowScorer(clock, 2.0), 12.0, pace=known, foresight=foresight, fast=SlowScorer(clock, 1.0))
    assert watch.late == {QUERIES[0].id} and clock.now <= 12.0
    assert sum("fast" in hit.stages for hit in ranking) >= read(ranking) >= 2


def test_where_there_is_time_for_all_nothing_is_late(view: View, monkeypatch: pytest.MonkeyPatch) -> None:
    watch, ranking = timed(view, SlowScorer(Clock(monkeypatch), 1.0), 100.0)
    assert not watch.late and read(ranking) == 9


def test_where_there_is_time_for_none_the_order_is_that_of_recall(
    view: View, recalled: Mapping[str, Ranking], monkeypatch: pytest.MonkeyPatch
) -> None:
    known = pace.Pace()
    known.took(ALL, 10, 1000.0)
    watch, ranking = timed(view, SlowScorer(Clock(monkeypatch), 100.0), 1.0, pace=known)
    assert watch.late == {QUERIES[0].id} and not read(ranking)
    assert [hit.doc_id for hit in ranking] == [hit.doc_id for hit in recalled[QUERIES[0].id]]
    watch, ranking = timed(view, SlowScorer(Clock(monkeypatch), 100.0), 1.0, pace=known, least=1)
    assert watch.late == {QUERIES[0].id} and read(ranking) == 1, "unless one has to be read"
