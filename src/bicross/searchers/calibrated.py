"""Calibrated search: each hit of another search with the probability that it is relevant."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from bicross.protocols import Searcher
from bicross.records import Calibration, Hit, Query, Ranking


class CalibratedSearcher:
    """A Searcher that holds a Searcher: the same hits in the same order. One that lacks a score it takes gets no probability."""

    def __init__(self, first: Searcher, calibration: Calibration) -> None:
        self._first, self._calibration = first, calibration

    def search(self, queries: Sequence[Query], k: int) -> Mapping[str, Ranking]:
        """The k best documents of each query, best first."""
        return {query: tuple(map(self._calibrated, ranking)) for query, ranking in self._first.search(queries, k).items()}

    def _calibrated(self, hit: Hit) -> Hit:
        return replace(hit, probability=self._calibration.probability({name: stage.score for name, stage in hit.stages.items()}))
