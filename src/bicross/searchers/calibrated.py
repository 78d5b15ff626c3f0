"""Calibrated search: each hit of another search with the probability that it is relevant."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from bicross.protocols import Searcher
from bicross.records import Calibration, Query, Ranking
from bicross.searchers.explained import was_read


class CalibratedSearcher:
    """A Searcher that holds a Searcher: the same hits in the same order. One that lacks a score it takes gets no probability.

    `recall` is for questions of which no hit was read again, because there was no time for any.
    """

    def __init__(self, first: Searcher, calibration: Calibration | None, recall: Calibration | None = None) -> None:
        self._first, self._calibration, self._recall = first, calibration, recall

    def search(self, queries: Sequence[Query], k: int) -> Mapping[str, Ranking]:
        """The k best documents of each query, best first."""
        return {query: self._calibrated(ranking) for query, ranking in self._first.search(queries, k).items()}

    def _calibrated(self, ranking: Ranking) -> Ranking:
        chosen = self._recall if self._recall and not any(map(was_read, ranking)) else self._calibration
        if chosen is None:
            return ranking
        scores = [{name: stage.score for name, stage in hit.stages.items()} for hit in ranking]
        return tuple(replace(hit, probability=chosen.probability(known)) for hit, known in zip(ranking, scores, strict=True))
