"""Reranked search: the best candidates of a first search, read again beside the query."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from bicross.protocols import Corpus, Scorer, Searcher
from bicross.records import Query, Ranking, reading
from bicross.searchers.foresight import FAST, Foresight
from bicross.searchers.pace import Pace
from bicross.searchers.reading import Reading, behind, placed
from bicross.searchers.stopwatch import Stopwatch

ROUND = "round"  # what `Pace` calls a reading by all scorers, as it calls that of the fast one FAST


class RerankedSearcher:
    """A Searcher that holds a Searcher.

    `scorers` are named like the features of the combination ("late", "rerank"). Given `foresight`, no more of the `depth` candidates are
    read than can still change the first places, and `fast` reads them all before. Until the stopwatch's deadline as many rounds are read
    as `pace` finds time for; then the order is what is known so far, and the question is among `stopwatch.late`. `least` candidates of a
    question are read even so.
    """

    def __init__(
        self,
        first: Searcher,
        scorers: Mapping[str, Scorer],
        corpus: Corpus,
        weights: Mapping[str, float],
        depth: int,
        stopwatch: Stopwatch,
        foresight: Foresight | None = None,
        fast: Scorer | None = None,
        pace: Pace | None = None,
        least: int = 0,
    ) -> None:
        self._first, self._scorers, self._corpus = first, scorers, corpus
        self._weights, self._depth, self._stopwatch = weights, depth, stopwatch
        self._foresight, self._fast, self._pace, self._least = foresight, fast, pace or Pace(), least

    def search(self, queries: Sequence[Query], k: int) -> Mapping[str, Ranking]:
        """The k best documents of each query: `depth` candidates in their new order, then the others in their old one."""
        recalled = self._first.search(queries, max(k, self._depth))
        with self._stopwatch.timing("rerank"):
            texts = {query.id: query.text for query in queries}
            candidates = {query: ranking[: self._depth] for query, ranking in recalled.items()}
            titles = self._corpus.titles({hit.doc_id for ranking in candidates.values() for hit in ranking})
            pairs = {
                query: [(texts[query], reading(titles[hit.doc_id], hit.passage.text if hit.passage else "")) for hit in ranking]
                for query, ranking in candidates.items()
            }
            ready = self._first_read(candidates, pairs) if self._fast else candidates
            readings = {query: Reading(ranking, self._weights, tuple(self._scorers), self._foresight) for query, ranking in ready.items()}
            self._read(readings, pairs)
            return {query: self._joined(one, recalled[query])[:k] for query, one in readings.items()}

    def _joined(self, one: Reading, recalled: Ranking) -> Ranking:
        """The candidates as far as they were read, and the others behind them; as recall has them all where there was no time for any."""
        known = one.read or one.settled or self._foresight
        return behind(one.ranking(), recalled[self._depth :]) if known else recalled

    def _first_read(self, candidates: Mapping[str, Ranking], pairs: Mapping[str, Sequence[tuple[str, str]]]) -> dict[str, Ranking]:
        """The candidates with what the fast scorer says of them, of as many as half of the time that is left allows."""
        assert self._fast is not None
        each = self._room(FAST, len(candidates), self._stopwatch.left / 2)
        asked = [pair for several in pairs.values() for pair in several[:each]]
        with self._pace.timing(FAST, len(asked)):
            scores = iter(self._fast.score(asked).tolist())
        return {query: placed(FAST, ranking, [next(scores) for _ in ranking[:each]]) for query, ranking in candidates.items()}

    def _read(self, readings: Mapping[str, Reading], pairs: Mapping[str, Sequence[tuple[str, str]]]) -> None:
        """Rounds, until enough is known of every question or the time is up; batches span queries."""
        while wanted := self._wanted(readings):
            asked = [pairs[query][place] for query, places in wanted.items() for place in places]
            with self._pace.timing(ROUND, len(asked)):
                found = {name: iter(scorer.score(asked).tolist()) for name, scorer in self._scorers.items()}
            for query, places in wanted.items():
                readings[query].told(places, {name: [next(scores) for _ in places] for name, scores in found.items()})
        self._stopwatch.late |= {query for query, one in readings.items() if not one.settled}

    def _wanted(self, readings: Mapping[str, Reading]) -> dict[str, list[int]]:
        """The places to be read next, of the questions of which more is to be known; no more than there is time for."""
        unsettled = {query: one for query, one in readings.items() if not one.settled}
        each = self._room(ROUND, len(unsettled), self._stopwatch.left)
        most = {query: None if each is None else max(each, self._least - one.read) for query, one in unsettled.items()}
        return {query: places for query, one in unsettled.items() if (places := one.next(most[query]))}

    def _room(self, what: str, questions: int, left: float) -> int | None:
        """How many candidates of each question can be read in so many seconds; None without a deadline."""
        return None if math.isinf(left) else self._pace.fits(what, left) // max(1, questions)
