"""Reranked search: the best candidates of a first search, read again beside the query."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from bicross.protocols import Corpus, Scorer, Searcher
from bicross.records import Query, Ranking, reading
from bicross.searchers.foresight import FAST, Foresight
from bicross.searchers.pace import Pace
from bicross.searchers.reading import ALL, Reading, Wanted, behind
from bicross.searchers.stopwatch import Stopwatch


class RerankedSearcher:
    """A Searcher that holds a Searcher.

    `scorers` are named like the features of the combination ("late", "rerank"). Given `foresight`, no more of the `depth` candidates are
    read than can still change the first places; `fast` is the scorer that reads them before, where the foresight has such a stage. Until
    the stopwatch's deadline as many rounds are read as `pace` finds time for; then the order is what is known so far, and the question is
    among `stopwatch.late`. `least` candidates of a question are read even so.
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
        self._first, self._scorers, self._corpus = first, tuple(scorers), corpus
        self._rounds = {ALL: scorers, FAST: {FAST: fast} if fast else {}}
        self._weights, self._depth, self._stopwatch = weights, depth, stopwatch
        self._foresight, self._pace, self._least = foresight, pace or Pace(), least

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
            readings = {query: Reading(ranking, self._weights, self._scorers, self._foresight) for query, ranking in candidates.items()}
            self._read(readings, pairs)
            return {query: self._joined(one, recalled[query])[:k] for query, one in readings.items()}

    def _joined(self, one: Reading, recalled: Ranking) -> Ranking:
        """The candidates as far as they were read, and the others behind them; as recall has them all where there was no time for any."""
        known = recalled and (one.read or one.settled or self._foresight)
        return behind(one.ranking(), recalled[self._depth :]) if known else recalled

    def _read(self, readings: Mapping[str, Reading], pairs: Mapping[str, Sequence[tuple[str, str]]]) -> None:
        """Rounds, until enough is known of every question or the time is up; batches span queries."""
        while wanted := self._wanted(readings):
            for by, scorers in self._rounds.items():
                of_round = {query: one.places for query, one in wanted.items() if one.by == by}
                asked = [pairs[query][place] for query, places in of_round.items() for place in places]
                if not asked:
                    continue
                with self._pace.timing(by, len(asked)):
                    found = {name: iter(scorer.score(asked).tolist()) for name, scorer in scorers.items()}
                for query, places in of_round.items():
                    readings[query].told(by, places, {name: [next(scores) for _ in places] for name, scores in found.items()})
        self._stopwatch.late |= {query for query, one in readings.items() if not one.settled}

    def _wanted(self, readings: Mapping[str, Reading]) -> dict[str, Wanted]:
        """What is to be read next of the questions of which more is to be known; no more than there is time for."""
        wanted = {query: one.next() for query, one in readings.items() if not one.settled}
        room = {by: self._room(by, len(wanted)) for by in {one.by for one in wanted.values()}}
        found = {}
        for query, (by, places) in wanted.items():
            each = room[by]
            most = len(places) if each is None else max(each, self._least - readings[query].read)
            if places[:most]:
                found[query] = Wanted(by, places[:most])
        return found

    def _room(self, by: str, questions: int) -> int | None:
        """How many candidates of each question can be read in the time that is left, of which a fast round leaves half to those that read
        after it; None without a deadline."""
        left = self._stopwatch.left / (2 if by == FAST else 1)
        return None if math.isinf(left) else self._pace.fits(by, left) // max(1, questions)
