"""Fused search: weighted reciprocal rank fusion of lexical and dense search (Cormack, Clarke and Büttcher 2009)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

from bicross.protocols import Searcher
from bicross.records import Hit, Query, Ranking, Stage
from bicross.vectors import best_first

FLATNESS = 60  # the constant of the paper: how little the first ranks stand out
RECALLED = 100  # documents of each search that are fused together


class FusedSearcher:
    """A Searcher over named Searchers; a document's score is the sum of weight / (60 + rank).

    The first RECALLED documents of each search are fused, whatever k is. Where more hits are asked for, what the next RECALLED of each
    bring is fused and put behind them, and so on: the first hits, their scores and their stages never depend on k.
    """

    def __init__(self, searchers: Mapping[str, Searcher], weights: Mapping[str, float]) -> None:
        self._searchers, self._weights = searchers, weights

    def search(self, queries: Sequence[Query], k: int) -> Mapping[str, Ranking]:
        """The k best documents of each query, best first; `stages` says where each search had put them."""
        wanted = RECALLED * math.ceil(max(k, 1) / RECALLED)
        rankings = {stage: searcher.search(queries, wanted) for stage, searcher in self._searchers.items()}
        return {query.id: self._fuse([ranking[query.id] for ranking in rankings.values()], k) for query in queries}

    def _fuse(self, rankings: Sequence[Ranking], k: int) -> Ranking:
        found = [hit for ranking in rankings for hit in ranking]
        pools: dict[str, int] = {}  # the first pool that holds the document; what later ones say of it does not count
        for hit in found:
            pools[hit.doc_id] = min(_pool(hit), pools.get(hit.doc_id, _pool(hit)))
        merged: dict[str, Hit] = {}
        for hit in (hit for hit in found if _pool(hit) == pools[hit.doc_id]):
            ((stage, place),) = hit.stages.items()
            gain = self._weights[stage] / (FLATNESS + place.rank)
            other = merged.get(hit.doc_id)
            if other is None:
                merged[hit.doc_id] = Hit(hit.doc_id, gain, hit.passage, hit.stages)
            else:  # the passage shown is that of the search which put the document higher
                passage = hit.passage if gain > other.score else other.passage
                merged[hit.doc_id] = Hit(hit.doc_id, other.score + gain, passage, {**other.stages, **hit.stages})
        step = sum(self._weights.values()) / FLATNESS  # no score is as high, so each pool stands below the one before
        ranked = best_first(replace(hit, score=hit.score - step * pools[hit.doc_id]) for hit in merged.values())[:k]
        return tuple(
            Hit(hit.doc_id, hit.score, hit.passage, {**hit.stages, "fused": Stage(rank, hit.score)})
            for rank, hit in enumerate(ranked, start=1)
        )


def _pool(hit: Hit) -> int:
    """Which RECALLED of its search it is among, from 0."""
    (place,) = hit.stages.values()
    return (place.rank - 1) // RECALLED
