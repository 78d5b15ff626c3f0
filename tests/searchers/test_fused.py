"""Rank fusion, computed again by hand from the two rankings."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bicross.protocols import Searcher
from bicross.records import Document, Hit, Query, Ranking, Stage
from bicross.searchers.fused import RECALLED, FusedSearcher
from bicross.vectors import best_first
from tests.conformance.searcher import DOCUMENTS, QUERIES, SearcherConformance
from tests.searchers.world import dense, fused, lexical, viewed


class TestFusedSearcher(SearcherConformance):
    def make(self, documents: Sequence[Document]) -> Searcher:
        return fused(viewed(documents))


@pytest.mark.parametrize("weights", [{"lexical": 1.0, "dense": 1.0}, {"lexical": 0.3, "dense": 2.0}, {"lexical": 1.0, "dense": 0.0}])
def test_a_score_is_the_weighted_sum_of_reciprocal_ranks(tmp_path: Path, weights: dict[str, float]) -> None:
    with viewed(DOCUMENTS, tmp_path) as view:
        apart = {"lexical": lexical(view).search(QUERIES, 100), "dense": dense(view).search(QUERIES, 100)}
        together = fused(view, weights).search(QUERIES, 5)
    for query in QUERIES:
        expected: dict[str, float] = {}
        for stage, rankings in apart.items():
            for rank, hit in enumerate(rankings[query.id], start=1):
                expected[hit.doc_id] = expected.get(hit.doc_id, 0) + weights[stage] / (60 + rank)
        order = sorted(expected, key=lambda document: (-expected[document], document))[:5]
        assert [hit.doc_id for hit in together[query.id]] == order
        for rank, hit in enumerate(together[query.id], start=1):
            assert hit.score == pytest.approx(expected[hit.doc_id])
            assert hit.stages["fused"].rank == rank
            for stage, rankings in apart.items():
                found = {other.doc_id: other.stages[stage] for other in rankings[query.id]}
                assert hit.stages.get(stage) == found.get(hit.doc_id)


def test_the_passage_shown_is_that_of_the_search_which_put_the_document_higher(tmp_path: Path) -> None:
    filler = "Nothing of interest is said in this one sentence here at all."
    document = Document("d", f"Penguins walk on ice. {filler} {filler} The red printer button resets it.")
    with viewed([document, *DOCUMENTS], tmp_path) as view:
        query = QUERIES[0]
        for weights, stage in (({"lexical": 9.0, "dense": 1.0}, lexical), ({"lexical": 1.0, "dense": 9.0}, dense)):
            (hit,) = [hit for hit in fused(view, weights).search([query], 9)[query.id] if hit.doc_id == "d"]
            (alone,) = [hit for hit in stage(view).search([query], 9)[query.id] if hit.doc_id == "d"]
            assert hit.passage == alone.passage


class Given:
    """A Searcher whose one ranking is known."""

    def __init__(self, stage: str, documents: Sequence[str]) -> None:
        self._ranking = tuple(Hit(doc, float(-rank), None, {stage: Stage(rank, -rank)}) for rank, doc in enumerate(documents, start=1))

    def search(self, queries: Sequence[Query], k: int) -> Mapping[str, Ranking]:
        return {query.id: self._ranking[:k] for query in queries}


@given(
    seed=st.integers(0, 9999),
    sizes=st.tuples(st.integers(0, 350), st.integers(0, 350)),
    weights=st.tuples(st.floats(0, 3), st.floats(0.1, 3)),
    few=st.integers(1, 700),
)
def test_the_first_hits_never_depend_on_how_many_are_asked_for(
    seed: int, sizes: tuple[int, int], weights: tuple[float, float], few: int
) -> None:
    rng, names = random.Random(seed), [f"d{number:03}" for number in range(400)]
    searchers = {stage: Given(stage, rng.sample(names, size)) for stage, size in zip(("lexical", "dense"), sizes, strict=True)}
    fused = FusedSearcher(searchers, dict(zip(searchers, weights, strict=True)))
    short, whole = (fused.search([Query("q", "?")], k)["q"] for k in (few, 1000))
    assert short == whole[:few], "documents, scores and stages"
    assert whole == best_first(whole) and len({hit.doc_id for hit in whole}) == len(whole)
    assert len(short) >= min(few, max(sizes))


def test_what_a_greater_k_needs_stands_behind_in_its_own_fused_order() -> None:
    lexical, dense = ([f"{stage}{rank:03}" for rank in range(1, 251)] for stage in "xy")
    lexical[149], dense[199] = "both", "both"  # ranks 150 and 200: beyond the first pool of either
    lexical[0], dense[120] = "top", "top"
    found = FusedSearcher({"lexical": Given("lexical", lexical), "dense": Given("dense", dense)}, {"lexical": 1.0, "dense": 1.0})
    ranking = found.search([Query("q", "?")], 250)["q"]
    first, second = {hit.doc_id for hit in ranking[: 2 * RECALLED]}, [hit.doc_id for hit in ranking[2 * RECALLED :]]
    assert first == {*lexical[:RECALLED], *dense[:RECALLED]} and second[0] == "both"
    top = next(hit for hit in ranking if hit.doc_id == "top")
    assert set(top.stages) == {"lexical", "fused"}, "what a deeper pool says of it does not count"
    assert set(ranking[2 * RECALLED].stages) == {"lexical", "dense", "fused"} and ranking[2 * RECALLED].score < ranking[199].score
