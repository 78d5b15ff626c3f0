"""Reranked search: the best candidates of a first search, read again beside the query."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from bicross.protocols import Corpus, Scorer, Searcher
from bicross.records import Hit, Query, Ranking, Stage, reading
from bicross.searchers.combination import combine
from bicross.searchers.stopwatch import Stopwatch
from bicross.vectors import best_first

STEP = 1.0  # how far below the last reranked hit the first one that was not reranked stands


class RerankedSearcher:
    """A Searcher that holds a Searcher.

    `scorers` are named like the features of the combination ("late", "rerank").
    """

    def __init__(
        self,
        first: Searcher,
        scorers: Mapping[str, Scorer],
        corpus: Corpus,
        weights: Mapping[str, float],
        depth: int,
        stopwatch: Stopwatch,
    ) -> None:
        self._first, self._scorers, self._corpus = first, scorers, corpus
        self._weights, self._depth, self._stopwatch = weights, depth, stopwatch

    def search(self, queries: Sequence[Query], k: int) -> Mapping[str, Ranking]:
        """The k best documents of each query: `depth` candidates in their new order, then the others in their old one."""
        recalled = self._first.search(queries, max(k, self._depth))
        with self._stopwatch.timing("rerank"):
            scored = self._score({query.id: query.text for query in queries}, recalled)
            joined = {query: (*scored[query], *ranking[self._depth :]) for query, ranking in recalled.items()}
            return {query: in_order(ranking, self._depth, self._weights)[:k] for query, ranking in joined.items()}

    def _score(self, texts: Mapping[str, str], recalled: Mapping[str, Ranking]) -> dict[str, list[Hit]]:
        """The candidates of each query with what every scorer says of them; batches span queries."""
        candidates = {query: list(ranking[: self._depth]) for query, ranking in recalled.items()}
        titles = self._corpus.titles({hit.doc_id for hits in candidates.values() for hit in hits})
        pairs = [(texts[query], self._reading(hit, titles)) for query, hits in candidates.items() for hit in hits]
        for name, scorer in self._scorers.items():
            scores = iter(scorer.score(pairs).tolist())
            for query, hits in candidates.items():
                candidates[query] = _placed(name, hits, [next(scores) for _ in hits])
        return candidates

    @staticmethod
    def _reading(hit: Hit, titles: Mapping[str, str]) -> str:
        return reading(titles[hit.doc_id], hit.passage.text if hit.passage else "")


def in_order(recalled: Ranking, depth: int, weights: Mapping[str, float]) -> Ranking:
    """The final order of a ranking that is in the order of recall: the first `depth`, which have been scored, by the combination of their
    scores, then the others as they were. More than `depth` may have been scored: so a deep search tells what a shallower one would give.
    """
    candidates, rest = recalled[:depth], recalled[depth:]
    finals = combine(candidates, weights).tolist() if candidates else []
    ranked = best_first(replace(hit, score=score) for hit, score in zip(candidates, finals, strict=True))
    floor = ranked[-1].score if ranked else 0.0
    return ranked + tuple(replace(hit, score=floor - STEP * place) for place, hit in enumerate(rest, start=1))


def _placed(name: str, hits: Sequence[Hit], scores: Sequence[float]) -> list[Hit]:
    """The hits with one more stage: its score, and the rank that it alone would give."""
    order = sorted(range(len(hits)), key=lambda row: (-scores[row], hits[row].doc_id))
    ranks = {row: rank for rank, row in enumerate(order, start=1)}
    return [replace(hit, stages={**hit.stages, name: Stage(ranks[row], scores[row])}) for row, hit in enumerate(hits)]
