"""From scores to the probability that a hit is relevant, fitted to the hits that a search shows for judged questions.

A final score means nothing across questions: it is standardised over one question's candidates. So what is calibrated are the scores that
each hit has by itself: BM25, cosine, late interaction, the cross-encoder's logit. None of them can count less the higher it is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bicross.records import Calibration, Ranking, Term, read_score

FOLDS = 5
ENOUGH = 1000  # pairs from which on a free monotone curve is tried
KNOTS = 50  # of such a curve, at most
PENALTY = 1e-4  # on squared slopes per standard deviation: so small that it only decides between scores that say the same
MAY_MISS = ("lexical", "dense")  # searches of their own, which may not have found what the other one found
SCORES = (*MAY_MISS, "late", "rerank")
CERTAIN = 1e-6  # a probability counts as no nearer to 0 or 1, so that no single pair costs more than 14 nats
Numbers = NDArray[np.float64]


class Pair(NamedTuple):
    """A question and a hit that is shown for it. `fold` is the question's. A hit that nobody judged is not relevant; `judged` tells."""

    query: str
    fold: int
    scores: Mapping[str, float]
    relevant: bool
    judged: bool


class _Design(NamedTuple):
    """`columns`, (pairs, 2 * names): what each score is above its lowest, 0 where it is missing, and whether it is there."""

    names: tuple[str, ...]
    lowest: Numbers  # (names,)
    columns: Numbers


def pairs_of(rankings: Mapping[str, Ranking], qrels: Mapping[str, Mapping[str, int]], fold_of: Mapping[str, int]) -> list[Pair]:
    """Each hit of each ranking."""
    return [
        Pair(
            query,
            fold_of[query],
            {name: hit.stages[name].score for name in SCORES if name in hit.stages},
            qrels[query].get(hit.doc_id, 0) > 0,
            hit.doc_id in qrels[query],
        )
        for query, ranking in rankings.items()
        for hit in ranking
    ]


def fit(pairs: Sequence[Pair]) -> Calibration:
    """Logistic regression on the scores, with slopes that are never negative and Platt's targets, which keep it finite where the scores
    tell all answers from all else ("Probabilistic outputs for support vector machines", 1999). From ENOUGH pairs on a monotone curve over
    its logit (`isotonic`) takes the place of the logistic function, if its log loss is lower on folds that neither was fitted to, by more
    than the standard error of the paired difference over questions: where both are as good, the curve's ends rest on few pairs.

    All scores but those of MAY_MISS have to be there in every pair, or in none. Needs one pair or more.
    """
    logistic = _logistic(pairs)
    folds = sorted({pair.fold for pair in pairs})
    if len(pairs) < ENOUGH or len(folds) < 2:
        return logistic
    gains = np.concatenate([_gains(*parted(pairs, fold)) for fold in folds])  # (questions,)
    surely = gains.mean() > gains.std() / np.sqrt(len(gains))
    return _with_knots(logistic, pairs) if surely else logistic


def _gains(rest: Sequence[Pair], left_out: Sequence[Pair]) -> Numbers:
    """How much less log loss the curve has than the logistic function, a sum for each question that was left out, (questions,)."""
    straight = _logistic(rest)
    with_logistic, with_curve = (log_losses(probabilities(one, left_out), left_out) for one in (straight, _with_knots(straight, rest)))
    return by_question(with_logistic - with_curve, left_out)


def by_question(values: Numbers, pairs: Sequence[Pair]) -> Numbers:
    """The sum of the pairs' values for each question, (questions,)."""
    number = {query: row for row, query in enumerate(dict.fromkeys(pair.query for pair in pairs))}
    return np.bincount([number[pair.query] for pair in pairs], values).astype(np.float64)


def cross_fitted(pairs: Sequence[Pair]) -> Numbers:
    """The probability of each pair, (pairs,), by a calibration that was chosen and fitted without any pair of its question's fold."""
    found = np.zeros(len(pairs))
    for fold in {pair.fold for pair in pairs}:
        rest, left_out = parted(pairs, fold)
        found[[pair.fold == fold for pair in pairs]] = probabilities(fit(rest), left_out)
    return found


def base_rates(pairs: Sequence[Pair]) -> Numbers:
    """For each pair, (pairs,), the share of relevant pairs in the other folds: what can be said without any score."""
    inside = Counter(pair.fold for pair in pairs)
    relevant = Counter(pair.fold for pair in pairs if pair.relevant)
    rest = {fold: (relevant.total() - relevant[fold]) / (len(pairs) - inside[fold]) for fold in inside}
    return np.array([rest[pair.fold] for pair in pairs])


def parted(pairs: Sequence[Pair], fold: int) -> tuple[list[Pair], list[Pair]]:
    """The pairs of the other folds, and those of this one."""
    return [pair for pair in pairs if pair.fold != fold], [pair for pair in pairs if pair.fold == fold]


def probabilities(calibration: Calibration, pairs: Sequence[Pair]) -> Numbers:
    """The probability of each pair, (pairs,), NaN where a score is missing that must be there."""
    found = [calibration.probability(pair.scores) for pair in pairs]
    return np.array([np.nan if value is None else value for value in found])


def log_losses(chances: Numbers, pairs: Sequence[Pair]) -> Numbers:
    """-log of the probability that was given to what is the case, (pairs,), in nats."""
    sure = np.clip(chances, CERTAIN, 1 - CERTAIN)
    return np.asarray(-np.log(np.where([pair.relevant for pair in pairs], sure, 1 - sure)))


def isotonic(values: Numbers, targets: Numbers) -> list[tuple[float, float]]:
    """Knots (value, target) of the non-decreasing step function nearest to the targets, each step at the mean of its values.

    Pool adjacent violators (Ayer et al. 1955; Zadrozny and Elkan, KDD 2002). Equal values share a target. Where there are more than KNOTS
    steps, neighbours are joined that cost the least squared error.
    """
    different, place = np.unique(values, return_inverse=True)
    counts = np.bincount(place).astype(np.float64)
    steps: list[tuple[float, float, float]] = []  # weight, mean value, mean target
    for value, target, count in zip(different, np.bincount(place, targets) / counts, counts, strict=True):
        steps.append((float(count), float(value), float(target)))
        while len(steps) > 1 and steps[-2][2] >= steps[-1][2]:
            steps[-2:] = [_joined(*steps[-2:])]
    while len(steps) > KNOTS:
        costs = [a[0] * b[0] / (a[0] + b[0]) * (a[2] - b[2]) ** 2 for a, b in pairwise(steps)]
        least = int(np.argmin(costs))
        steps[least : least + 2] = [_joined(*steps[least : least + 2])]
    return [(value, target) for _, value, target in steps]


def _joined(a: tuple[float, float, float], b: tuple[float, float, float]) -> tuple[float, float, float]:
    weight = a[0] + b[0]
    return weight, (a[0] * a[1] + b[0] * b[1]) / weight, (a[0] * a[2] + b[0] * b[2]) / weight


def _logistic(pairs: Sequence[Pair]) -> Calibration:
    """See `fit`."""
    from scipy.optimize import minimize  # slow to import, and needed only to fit

    names, lowest, columns = _design(pairs)
    targets, spread = _targets(pairs), columns.std(axis=0)  # (pairs,), (2 * names,)
    scale = np.where(spread > 1e-9, spread, np.inf)  # what never varies says nothing
    scaled = np.column_stack([np.ones(len(pairs)), columns / scale])  # (pairs, 1 + 2 * names)

    def loss(weights: Numbers) -> tuple[float, Numbers]:
        margin = scaled @ weights  # (pairs,)
        slope = 1 / (1 + np.exp(-np.clip(margin, -700, 700))) - targets  # (pairs,)
        free = np.append(0.0, weights[1:])
        value = np.mean(np.logaddexp(0, margin) - targets * margin) + PENALTY * free @ free
        return float(value), scaled.T @ slope / len(pairs) + 2 * PENALTY * free

    start = np.append(np.log(targets.mean() / (1 - targets.mean())), np.zeros(columns.shape[1]))
    bounds = [(None, None), *[(0.0, None)] * columns.shape[1]]
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"ftol": 1e-12, "gtol": 1e-8}).x
    slopes, there = (found[1:] / scale).reshape(2, -1)  # each (names,)
    # What stands where a score is missing is 0 in the columns, and the lowest score less what being found is worth as a Term.
    absent = slopes * lowest - there
    terms = {
        name: Term(round(float(slope), 6), round(float(missing), 6) if name in MAY_MISS else None)
        for name, slope, missing in zip(names, slopes, absent, strict=True)
    }
    return Calibration(round(float(found[0] - absent.sum()), 6), terms)


def _design(pairs: Sequence[Pair]) -> _Design:
    found = sorted({name for pair in pairs for name in pair.scores} - set(SCORES))
    names = tuple(name for name in (*SCORES, *found) if any(name in pair.scores for pair in pairs))
    rows = [[read_score(name, pair.scores[name]) if name in pair.scores else np.nan for name in names] for pair in pairs]
    values = np.array(rows, dtype=np.float64).reshape(len(pairs), len(names))
    lowest = np.nanmin(values, axis=0) if names else np.zeros(0)
    there = ~np.isnan(values)  # (pairs, names)
    return _Design(names, lowest, np.column_stack([np.where(there, values - lowest, 0.0), there.astype(np.float64)]))


def _targets(pairs: Sequence[Pair]) -> Numbers:
    """Platt's: near 1 for the relevant and near 0 for the others, the nearer the more there are of each; (pairs,)."""
    relevant = np.array([pair.relevant for pair in pairs])
    answers, others = relevant.sum(), (~relevant).sum()
    return np.asarray(np.where(relevant, (answers + 1) / (answers + 2), 1 / (others + 2)))


def _with_knots(logistic: Calibration, pairs: Sequence[Pair]) -> Calibration:
    """The logistic calibration with a monotone curve over its logit in place of the logistic function."""
    logits = np.array([logistic.logit(pair.scores) for pair in pairs])
    knots = isotonic(logits, _targets(pairs))
    return replace(logistic, knots=tuple((round(logit, 6), round(probability, 6)) for logit, probability in knots))
