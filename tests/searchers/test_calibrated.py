"""Hits with probabilities: the same hits in the same order, and none where a score is missing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest

from bicross.collection.store import View
from bicross.models.hashed import HashedScorer
from bicross.protocols import Searcher
from bicross.records import Calibration, Document, Ranking, Term
from bicross.searchers.calibrated import CalibratedSearcher
from bicross.searchers.reranked import RerankedSearcher
from bicross.searchers.stopwatch import Stopwatch
from tests.conformance.searcher import DOCUMENTS, QUERIES, SearcherConformance
from tests.searchers.world import fused, viewed

LOGIT = Calibration(-1.0, {"rerank": Term(3.0)})
RECALL = Calibration(-1.0, {"dense": Term(3.0, -0.5), "lexical": Term(0.4, 0.0)})


def reranked(view: View, depth: int) -> Searcher:
    return RerankedSearcher(fused(view), {"rerank": HashedScorer()}, view, {"rank": 1.0, "rerank": 1.0}, depth, Stopwatch())


class TestCalibratedSearcher(SearcherConformance):
    def make(self, documents: Sequence[Document]) -> Searcher:
        return CalibratedSearcher(fused(viewed(documents)), RECALL)


@pytest.fixture(scope="module")
def view(tmp_path_factory: pytest.TempPathFactory) -> View:
    return viewed(DOCUMENTS, tmp_path_factory.mktemp("calibrated"))


def bare(rankings: Mapping[str, Ranking]) -> dict[str, Ranking]:
    return {query: tuple(replace(hit, probability=None) for hit in ranking) for query, ranking in rankings.items()}


def test_the_same_hits_each_with_what_its_own_scores_say(view: View) -> None:
    plain, found = fused(view).search(QUERIES, 9), CalibratedSearcher(fused(view), RECALL).search(QUERIES, 9)
    assert bare(found) == dict(plain)
    for ranking in found.values():
        for hit in ranking:
            assert hit.probability == RECALL.probability({name: stage.score for name, stage in hit.stages.items()})


def test_what_was_not_read_again_has_no_probability_by_the_logit(view: View) -> None:
    for ranking in CalibratedSearcher(reranked(view, 3), LOGIT).search(QUERIES, 9).values():
        assert [hit.probability is None for hit in ranking] == [place >= 3 for place in range(len(ranking))]


def test_the_probability_does_not_depend_on_the_other_hits(view: View) -> None:
    """Fewer candidates, other final scores, the same probabilities."""
    many, few = (CalibratedSearcher(reranked(view, depth), LOGIT).search(QUERIES, 9) for depth in (9, 2))
    for query in QUERIES:
        known = {hit.doc_id: hit.probability for hit in many[query.id]}
        assert all(hit.probability in (None, known[hit.doc_id]) for hit in few[query.id])
