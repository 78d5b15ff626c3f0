"""Adaptive depth, validated: whether reading no more than is needed keeps what reading all candidates gives, on held-out questions.

What a stop rule would have read is replayed on candidates that were all read, so that every limit is tried without asking a model again.
No question is judged by a model or a limit that it had a part in: lines are fitted to the other folds, and so is the limit chosen.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean
from typing import NamedTuple

import numpy as np

from bicross.evaluation.compare import APART, FEW, bootstrap_interval
from bicross.records import Ranking
from bicross.searchers.foresight import FAST, SCORERS, Foresight, fit
from bicross.searchers.reading import Reading

# Changes among the first TOP that are still expected. Lower limits read many times as much and keep no more.
LIMITS = (0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0)
KEEP = 0.99  # of the quality of full depth, on held-out questions
WORTH = 0.9  # share of the candidates: where more than that are read, reading all of them is as good and simpler
Value = Callable[[Mapping[str, Ranking]], Mapping[str, float]]
"""Query id -> value of its ranking."""


@dataclass(frozen=True, slots=True)
class Adapted:
    """How the stop rule does on questions that it has not seen: `kept` is the share of full depth's quality, with its interval, and `read`
    the mean number of the `depth` candidates that are read, `read_fast` of those that the `fast` one reads before. `foresight` is what to
    search with, fitted to all questions, and None where it is refused: `reason` says why.
    """

    depth: int
    fast: str | None
    kept: float
    confidence: tuple[float, float]
    read: float
    read_fast: float
    values: Mapping[str, float]
    foresight: Foresight | None
    reason: str


class Stop(NamedTuple):
    """Where a search would stop: the order then, and how many candidates were read, and by the fast one before."""

    ranking: Ranking
    read: int
    read_fast: int


def adapt(
    candidates: Mapping[str, Ranking], weights: Mapping[str, float], fold_of: Mapping[str, int], value: Value, full: Mapping[str, float],
    fast: str | None = None,
) -> Adapted:  # fmt: skip
    """Fit and validate a stop rule.

    Args:
        candidates: of each question, in the order of recall, all read by each scorer that has a weight, and by the `fast` one.
        weights: of the combination.
        fold_of: query id -> fold; near-duplicate questions are in one.
        value: what a ranking is worth.
        full: the same of the rankings when all candidates are read.
    """
    depth = max(map(len, candidates.values()), default=0)
    scorers = [name for name in SCORERS if weights.get(name)]
    folds = sorted({fold_of[query] for query in candidates})
    others = {fold: [ranking for query, ranking in candidates.items() if fold_of[query] != fold] for fold in folds}
    fitted = {fold: _foresight(others[fold], scorers, fast, min(LIMITS)) for fold in folds}
    played = {query: replay(ranking, weights, scorers, fitted[fold_of[query]]) for query, ranking in candidates.items()}
    valued = {limit: value({query: stops[limit].ranking for query, stops in played.items()}) for limit in LIMITS}
    chosen = {fold: _limit(valued, full, [query for query in full if fold_of[query] != fold]) for fold in folds}
    values = {query: valued[chosen[fold_of[query]]][query] for query in full}
    stops = [played[query][chosen[fold_of[query]]] for query in full]
    read, read_fast = fmean(stop.read for stop in stops), fmean(stop.read_fast for stop in stops)
    found = Adapted(depth, fast, *_kept(values, full), read, read_fast, values, None, "")
    if reason := _refusal(found, len(full)):
        return replace(found, reason=reason)
    return replace(found, foresight=_foresight(list(candidates.values()), scorers, fast, _limit(valued, full, list(full))))


def replay(ranking: Ranking, weights: Mapping[str, float], scorers: Sequence[str], foresight: Foresight) -> dict[float, Stop]:
    """For each of LIMITS where a search with it would stop, of a ranking that was all read. What is read next does not depend on the limit,
    only when that ends."""
    reading, found = Reading(_without(ranking, (*scorers, FAST)), weights, scorers, foresight), dict[float, Stop]()
    while (wanted := reading.next()).places:
        by, places = wanted
        told = (FAST,) if by == FAST else scorers
        reading.told(by, places, {name: [ranking[place].stages[name].score for place in places] for name in told})
        if reached := [limit for limit in LIMITS if limit not in found and reading.changes <= limit]:
            found |= dict.fromkeys(reached, _stop(reading))
    return {limit: found.get(limit) or _stop(reading) for limit in LIMITS}


def _stop(reading: Reading) -> Stop:
    return Stop(reading.ranking(), reading.read, reading.read_fast)


def _foresight(rankings: Sequence[Ranking], scorers: Sequence[str], fast: str | None, limit: float) -> Foresight:
    return Foresight(fit(rankings, scorers), limit, fit(rankings, scorers, fast=True) if fast else {})


def _without(ranking: Ranking, stages: Sequence[str]) -> Ranking:
    return tuple(replace(hit, stages={name: stage for name, stage in hit.stages.items() if name not in stages}) for hit in ranking)


def _limit(valued: Mapping[float, Mapping[str, float]], full: Mapping[str, float], queries: Sequence[str]) -> float:
    """The highest limit up to which, and at which, these questions keep KEEP of their quality though one more of them had lost half of
    its own; the lowest there is where none does. So the fewer there are to choose by, the less is risked. What they gain is chance."""
    best, mean = LIMITS[0], fmean(full[query] for query in queries)
    for limit in LIMITS:
        lost = sum(full[query] - valued[limit][query] for query in queries)
        if max(0.0, lost) + mean / 2 > (1 - KEEP) * mean * (len(queries) + 1):
            break
        best = limit
    return best


def _share(values: Sequence[float], full: Sequence[float]) -> float:
    return sum(values) / total if (total := sum(full)) else 1.0


def _kept(values: Mapping[str, float], full: Mapping[str, float]) -> tuple[float, tuple[float, float]]:
    """The share of quality that is kept, and its interval: that of the paired difference, as a share of full depth's mean."""
    mean = float(np.mean(list(full.values()))) or 1.0
    low, high = bootstrap_interval([values[query] - full[query] for query in full], bounds=APART)
    return _share(list(values.values()), list(full.values())), (1 + low / mean, 1 + high / mean)


def _refusal(found: Adapted, questions: int) -> str:
    if questions < FEW:
        return f"{questions} questions are too few to validate it; ask {FEW} or more. Always rerank all candidates."
    if found.kept < KEEP:
        kept = f"on held-out questions it keeps {found.kept:.2%} of full depth, expected {KEEP:.0%}"
        return f"{kept}. Always rerank all {found.depth} candidates."
    if found.read > WORTH * found.depth:
        return f"it would read {found.read:.0f} of {found.depth} candidates, so it saves nothing. Always rerank all of them."
    return ""
