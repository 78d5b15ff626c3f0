"""Fused search: weighted reciprocal rank fusion of lexical and dense search (Cormack, Clarke and Büttcher 2009)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bicross.protocols import Searcher
from bicross.records import Hit, Query, Ranking, Stage
from bicross.vectors import best_first

FLATNESS = 60  # the constant of the paper: how little the first ranks stand out
RECALLED = 100  # documents that each search gives to the fusion, at least


class FusedSearcher:
    """A Searcher over named Searchers; a document's score is the sum of weight / (60 + rank)."""

    def __init__(self, searchers: Mapping[str, Searcher], weights: Mapping[str, float]) -> None:
        self._searchers, self._weights = searchers, weights

    def search(self, queries: Sequence[Query], k: int) -> Mapping[str, Ranking]:
        """The k best documents of each query, best first; `stages` says where each search had put them."""
        rankings = {stage: searcher.search(queries, max(k, RECALLED)) for stage, searcher in self._searchers.items()}
        return {query.id: self._fuse([ranking[query.id] for ranking in rankings.values()], k) for query in queries}

    def _fuse(self, rankings: Sequence[Ranking], k: int) -> Ranking:
        merged: dict[str, Hit] = {}
        for hit in (hit for ranking in rankings for hit in ranking):
            ((stage, place),) = hit.stages.items()
            gain = self._weights[stage] / (FLATNESS + place.rank)
            other = merged.get(hit.doc_id)
            if other is None:
                merged[hit.doc_id] = Hit(hit.doc_id, gain, hit.passage, hit.stages)
            else:  # the passage shown is that of the search which put the document higher
                passage = hit.passage if gain > other.score else other.passage
                merged[hit.doc_id] = Hit(hit.doc_id, other.score + gain, passage, {**other.stages, **hit.stages})
        ranked = best_first(merged.values())[:k]
        return tuple(
            Hit(hit.doc_id, hit.score, hit.passage, {**hit.stages, "fused": Stage(rank, hit.score)})
            for rank, hit in enumerate(ranked, start=1)
        )
