"""Rank fusion, computed again by hand from the two rankings."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from bicross.protocols import Searcher
from bicross.records import Document
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
