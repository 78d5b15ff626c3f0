"""One question's candidates while they are read: which to read next, when enough is known, and the order at any moment."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from bicross.records import Hit, Ranking, Stage
from bicross.searchers.combination import Column, combine
from bicross.searchers.foresight import FAST, TOP, Expected, Foresight, Outlook, chances
from bicross.vectors import best_first

ALL = "all"  # the round of all scorers but the fast one, whose round is called FAST
ROUND = {ALL: 10, FAST: 20}  # candidates that are read before it is asked again whether enough is known
STEP = 1.0  # how far below the last candidate the first hit stands that was none


class Wanted(NamedTuple):
    """What is to be read next: the places of candidates, the most likely first, by the scorers of a round, ALL or FAST."""

    by: str
    places: list[int]


class Reading:
    """Rounds over the candidates of one question.

    Without foresight all are read, in the order of recall; with it those that are most likely to come among the first TOP, until no
    more than `Foresight.limit` changes there are to be expected. Where there is a faster cross-encoder, it reads each candidate before,
    and the next round is its own as long as more of those changes are to be expected of candidates that it has not read than of others.
    """

    def __init__(
        self, candidates: Sequence[Hit], weights: Mapping[str, float], scorers: Sequence[str], foresight: Foresight | None
    ) -> None:
        self.hits = tuple(candidates)
        self._weights, self._foresight = weights, foresight
        self._outlook = Outlook(candidates, weights, foresight) if foresight else None
        names = (*scorers, *(foresight.scorers if foresight else ()))
        self._scores = {name: np.full(len(self.hits), np.nan) for name in dict.fromkeys(names)}
        self._read = np.zeros(len(self.hits), dtype=bool)
        self._read_fast = np.zeros(len(self.hits), dtype=bool)
        self._expected: Expected | None = None

    @property
    def read(self) -> int:
        """How many candidates have been read."""
        return int(self._read.sum())

    @property
    def read_fast(self) -> int:
        """How many the fast one has read."""
        return int(self._read_fast.sum())

    @property
    def settled(self) -> bool:
        """Whether enough is known."""
        return self.changes <= (self._foresight.limit if self._foresight else 0)

    def next(self) -> Wanted:
        """What is to be read next; nothing when enough is known."""
        if self.settled:
            return Wanted(ALL, [])
        unread = ~self._read
        if self._foresight is None:
            return Wanted(ALL, np.flatnonzero(unread).tolist())
        enough = self.read >= TOP
        likely = self._chances() if enough else self._look().finals  # each (C,)
        by, pool = ALL, unread
        if FAST in self._scores:
            new, known = unread & ~self._read_fast, unread & self._read_fast
            first = likely[new].sum() > likely[known].sum() if enough else not known.any()
            by, pool = (FAST, new) if first else (ALL, known)
        places = np.flatnonzero(pool)
        return Wanted(by, places[np.argsort(-likely[places], kind="stable")][: ROUND[by]].tolist())

    def told(self, by: str, places: Sequence[int], scores: Mapping[str, Sequence[float]]) -> None:
        """Take in what every scorer of a round says of the candidates at these places."""
        for name, several in scores.items():
            self._scores[name][places] = several
        (self._read_fast if by == FAST else self._read)[places] = True
        self._expected = None

    def ranking(self) -> Ranking:
        """The candidates in their order as far as it is known, each with what the scorers said of it. Without foresight those that were
        read come before the others, which keep their order."""
        hits = self.hits
        for name, scores in self._scores.items():
            hits = placed(name, hits, scores.tolist())
        if self._outlook is not None:
            finals = self._look().finals.tolist()
            return best_first(replace(hit, score=score) for hit, score in zip(hits, finals, strict=True))
        return in_order(hits, self.read, self._weights)

    @property
    def changes(self) -> float:
        """How many changes among the first TOP are still to be expected; infinite where that is not foretold."""
        if self._foresight is None or self.read < TOP:
            return math.inf if self.read < len(self.hits) else 0.0
        return float(self._chances().sum())

    def _chances(self) -> Column:
        """Of each candidate, to come among the first TOP though it has not been read, (candidates,); 0 of those that have been."""
        now, read = self._look(), self._read
        edge = float(np.partition(now.finals[read], -TOP)[-TOP])
        return np.where(read, 0.0, chances(now, edge))

    def _look(self) -> Expected:
        assert self._outlook is not None
        if self._expected is None:
            self._expected = self._outlook.expected(self._scores)
        return self._expected


def in_order(recalled: Sequence[Hit], depth: int, weights: Mapping[str, float]) -> Ranking:
    """The final order of a ranking that is in the order of recall: the first `depth`, which have been scored, by the combination of their
    scores, then the others as they were. More than `depth` may have been scored: so a deep search tells what a shallower one would give.
    """
    candidates = recalled[:depth]
    finals = combine(candidates, weights).tolist() if candidates else []
    return behind(best_first(replace(hit, score=score) for hit, score in zip(candidates, finals, strict=True)), recalled[depth:])


def behind(ranked: Ranking, rest: Sequence[Hit]) -> Ranking:
    """A ranking, and behind it other hits in the order that they have, a STEP below each other."""
    floor = ranked[-1].score if ranked else 0.0
    return ranked + tuple(replace(hit, score=floor - STEP * place) for place, hit in enumerate(rest, start=1))


def placed(name: str, hits: Sequence[Hit], scores: Sequence[float]) -> Ranking:
    """The hits with one more stage, those whose score is a number: its score, and the rank that it alone would give."""
    read = [row for row, score in enumerate(scores) if not math.isnan(score)]
    order = sorted(read, key=lambda row: (-scores[row], hits[row].doc_id))
    ranks = {row: rank for rank, row in enumerate(order, start=1)}
    return tuple(
        replace(hit, stages={**hit.stages, name: Stage(ranks[row], scores[row])}) if row in ranks else hit for row, hit in enumerate(hits)
    )
