"""What a reranker will say of candidates that it has not read, foretold by what cheaper stages say of them.

A question's candidates are read in rounds, best first. Before each round every unread candidate has an expected score with a spread, and
so a chance to come among the first TOP; when these chances add up to less than a limit, reading on can change next to nothing.
Where a faster cross-encoder reads candidates before, each that it has read is foretold from what it said, too, and so more closely.
The model is a linear regression with a level of its own for each question (a random intercept: Laird and Ware, "Random-effects models
for longitudinal data", Biometrics 38, 1982): slopes, and how far levels and single scores scatter, are fitted to what the reranker did to
earlier candidates, without a judgement; the level of a question is learned from those of its candidates that have been read.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

import numpy as np

from bicross.records import Hit
from bicross.searchers.combination import FEATURES, Column, Table, column, standardised

TOP = 10  # the first places, which reading on shall no longer change
SCORERS = ("late", "rerank")  # what is foretold
FAST = "fast"  # the stage of a faster cross-encoder that reads candidates before
SIGNS = ("lexical", "dense", "rank")  # what it is foretold by, where there is some, and by FAST where that has read
RIDGE = 1.0  # candidates' worth of penalty on the slopes


@dataclass(frozen=True, slots=True)
class Line:
    """A scorer's score of a candidate: the question's level, which is `level` give or take `scatter`, plus `slopes` times what the cheaper
    stages say (SIGNS, standardised over the question's candidates, and the score of FAST), give or take `noise`. Both are standard
    deviations.
    """

    slopes: Mapping[str, float]
    level: float
    scatter: float
    noise: float


@dataclass(frozen=True, slots=True)
class Foresight:
    """A Line for each scorer, and the `limit`: reading ends when that many changes among the first TOP are still expected. `after` are the
    lines of candidates that a faster cross-encoder has read; none where there is no such stage."""

    lines: Mapping[str, Line]
    limit: float
    after: Mapping[str, Line] = field(default_factory=dict)

    @property
    def scorers(self) -> tuple[str, ...]:
        """The stages whose scores become known while candidates are read."""
        return (*self.lines, FAST) if self.after else tuple(self.lines)

    @classmethod
    def of(cls, stored: Mapping[str, Any]) -> Foresight:
        """From JSON."""
        lines, after = ({name: Line(**line) for name, line in stored.get(part, {}).items()} for part in ("lines", "after"))
        return cls(lines, stored["limit"], after)

    def as_json(self) -> dict[str, Any]:
        """As `of` reads it."""
        return asdict(self)


class Expected(NamedTuple):
    """Of one question's candidates: final scores, and standard deviations that are 0 where all has been read; each (candidates,)."""

    finals: Column
    spread: Column


class Outlook:
    """What is expected of one question's candidates while more and more of their scores become known."""

    def __init__(self, candidates: Sequence[Hit], weights: Mapping[str, float], foresight: Foresight) -> None:
        self._weights, self._foresight, self._signs = weights, foresight, signs_of(candidates)
        self._known = {name: standardised(column(candidates, name)) for name in FEATURES if name not in foresight.lines}

    def shares(self, scores: Mapping[str, Column]) -> tuple[Table, Column]:
        """What each feature adds to the expected final scores, (candidates, FEATURES), and their spread, (candidates,).

        Args:
            scores: of each of `Foresight.scorers`, (candidates,); not a number where it has not read.
        """
        added, variance = [], np.zeros(len(self._signs))
        for name in FEATURES:
            weight = self._weights.get(name, 0.0)
            if name in self._foresight.lines:
                expected, uncertain = self._foretold(name, scores)
                # As if all had been read: the spread that is to be expected of all scores holds that of those that are not known.
                spread = math.sqrt(expected.var() + uncertain.mean())
                added.append(weight * (expected - expected.mean()) / spread if spread > 1e-9 else np.zeros(len(expected)))
                variance += weight**2 * uncertain / max(spread, 1e-9) ** 2
            else:
                added.append(weight * self._known[name])
        return np.stack(added, axis=1), np.sqrt(variance)

    def _foretold(self, name: str, scores: Mapping[str, Column]) -> tuple[Column, Column]:
        """The score of each candidate, known or expected, and its variance, 0 where it is known; each (candidates,)."""
        expected, uncertain = _foretell(self._foresight.lines[name], self._signs, scores[name])
        if FAST in scores:
            read = ~np.isnan(scores[FAST])
            signs = np.concatenate([self._signs[read], scores[FAST][read, None]], axis=1)
            expected[read], uncertain[read] = _foretell(self._foresight.after[name], signs, scores[name][read])
        return expected, uncertain

    def expected(self, scores: Mapping[str, Column]) -> Expected:
        """The final scores, as far as they can be told."""
        table, spread = self.shares(scores)
        return Expected(table.sum(axis=1), spread)


def chances(rivals: Expected, edge: float) -> Column:
    """The chance of each candidate to end above a final score, (candidates,). Scores scatter as a logistic distribution, because single
    ones lie further out than a normal one has them."""
    distance = (rivals.finals - edge) / np.maximum(rivals.spread, 1e-9)
    return np.asarray(1 / (1 + np.exp(-np.clip(math.pi / math.sqrt(3) * distance, -60, 60))))


def signs_of(candidates: Sequence[Hit]) -> Table:
    """What the cheaper stages say of one question's candidates, standardised, (candidates, SIGNS)."""
    return np.stack([standardised(column(candidates, name)) for name in SIGNS], axis=1)


def fit(rankings: Sequence[Sequence[Hit]], scorers: Sequence[str], fast: bool = False) -> dict[str, Line]:
    """A Line for each scorer.

    Args:
        rankings: of each question the candidates, all read by all scorers; a question with fewer than two says nothing.
        scorers: of SCORERS.
        fast: whether all were read by FAST, too, and that is among the signs.
    """
    several = [ranking for ranking in rankings if len(ranking) > 1]
    signs = [signs_of(ranking) for ranking in several]  # each (C, S)
    if fast:
        signs = [np.column_stack([sign, column(ranking, FAST)]) for sign, ranking in zip(signs, several, strict=True)]
    return {name: _fit(signs, [column(ranking, name) for ranking in several]) for name in scorers} if several else {}


def _fit(signs: Sequence[Table], scores: Sequence[Column]) -> Line:
    """Slopes within questions, then the level of each question that they leave."""
    x, y = (np.concatenate([one - one.mean(axis=0) for one in several]) for several in (signs, scores))  # (N, S), (N,)
    slopes = np.linalg.solve(x.T @ x + RIDGE * np.eye(x.shape[1]), x.T @ y)  # (S,)
    levels = np.array([one.mean() - sign.mean(axis=0) @ slopes for sign, one in zip(signs, scores, strict=True)])
    return Line(
        slopes={name: float(slope) for name, slope in zip(_names(x), slopes, strict=True)},
        level=float(levels.mean()),
        scatter=float(levels.std()),
        noise=float((y - x @ slopes).std()),
    )


def _foretell(line: Line, signs: Table, scores: Column) -> tuple[Column, Column]:
    """The score of each candidate, known or expected, and its variance, 0 where it is known; each (candidates,). `signs` are those of
    SIGNS, and the score of FAST where there is one more, (candidates, signs)."""
    foretold = signs @ np.array([line.slopes.get(name, 0.0) for name in _names(signs)])
    read = ~np.isnan(scores)
    between, within, seen = line.scatter**2, line.noise**2, int(read.sum())
    trust = seen * between / (seen * between + within) if between > 0 else 0.0  # in what this question's own scores say of its level
    level = line.level + trust * (float((scores - foretold)[read].mean()) - line.level) if seen else line.level
    left = between * (1 - trust)
    return np.where(read, scores, level + foretold), np.where(read, 0.0, within + left)


def _names(signs: Table) -> tuple[str, ...]:
    """Of the signs in a table, (candidates, signs): SIGNS, and FAST where there is one more."""
    return (*SIGNS, FAST)[: signs.shape[1]]
