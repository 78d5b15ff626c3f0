"""How far probabilities can be believed: the expected calibration error, the reliability diagram, and thresholds, with intervals.

All intervals are percentiles of the bootstrap over questions, because the pairs of one question hang together. Those of shares reach at
least as far as Wilson's (Journal of the American Statistical Association, 1927), which does not shrink to nothing at a share of 0 or 1.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bicross.evaluation.calibration import Numbers, Pair

BINS = 15
FEWEST = 20  # pairs in a bin, and above a threshold: of fewer no share can be told
RESAMPLES = 1000
WORLDS = 200  # in which the probabilities are right, to see what chance alone does to the error
ENDS, Z = (0.025, 0.975), 1.959964  # of a 95 % interval
Wish = Literal["precision", "recall"]
Interval = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Bin:
    """Pairs of about equal probability, from `low` to `high`: the mean of the probabilities, the share that is relevant, its interval."""

    pairs: int
    low: float
    high: float
    probability: float
    relevant: float
    confidence: Interval


@dataclass(frozen=True, slots=True)
class Reliability:
    """`error`: the expected calibration error over bins of equally many pairs, which is never 0: `by_chance` is what right probabilities
    would show with these pairs."""

    error: float
    confidence: Interval
    by_chance: float
    bins: tuple[Bin, ...]


@dataclass(frozen=True, slots=True)
class Share:
    """A share and its 95 % interval."""

    value: float
    confidence: Interval


@dataclass(frozen=True, slots=True)
class Threshold:
    """The probability from on which hits are kept, so that `wished` is at least `value`; None where no threshold separates so well.

    `precision`: the share of the kept hits that is relevant; `recall`: of the relevant hits that it is about, the share that is kept;
    `answered`: of the questions, the share that keeps a hit.
    `best` is the highest precision of FEWEST kept hits or more, and `best_probability` its threshold.
    """

    wished: Wish
    value: float
    probability: float | None
    confidence: Interval | None
    precision: Share | None
    recall: Share | None
    answered: Share | None
    best: float
    best_probability: float
    verdict: str


class _Sorted(NamedTuple):
    """Pairs, the most probable first; all but `queries` are (pairs,). A threshold can lie where equally probable pairs end, at `ends`."""

    chances: Numbers
    relevant: Numbers
    rows: NDArray[np.intp]  # of the question
    ends: NDArray[np.bool_]
    queries: int


def reliability(pairs: Sequence[Pair], chances: Numbers, seed: int = 0) -> Reliability:
    """Of the probabilities of the pairs, (pairs,). Method: Naeini, Cooper and Hauskrecht, AAAI 2015, with bins of equal mass (Kumar, Liang
    and Ma, NeurIPS 2019); equal probabilities share a bin. Needs one pair or more.

    The bootstrap adds noise to the noise that is there, so its distribution of the error is moved to where the error is.
    """
    given = _sorted(pairs, chances)
    inner = np.linspace(0, 1, max(1, min(BINS, len(pairs) // FEWEST)) + 1)[1:-1]
    places = np.searchsorted(np.unique(np.quantile(given.chances, inner)), given.chances, side="right")
    bins, places = np.unique(places, return_inverse=True)

    def sums(values: Numbers) -> Numbers:
        table = np.zeros((given.queries, len(bins)))
        np.add.at(table, (given.rows, places), values)
        return table  # (queries, bins)

    count, relevant, expected = (sums(values) for values in (np.ones(len(pairs)), given.relevant, given.chances))
    error = float(np.abs((relevant - expected).sum(axis=0)).sum() / len(pairs))
    errors, rates = [], []
    for drawn in _resampled(given.queries, seed):
        errors.append(np.abs(drawn @ (relevant - expected)).sum() / max(1.0, (drawn @ count).sum()))
        rates.append(drawn @ relevant / np.maximum(1.0, drawn @ count))
    low, high = np.quantile(errors, ENDS) - (np.mean(errors) - error)
    found = []
    for place, drawn_rates in enumerate(np.array(rates).T):
        inside = given.chances[places == place]
        share = _share(float(relevant[:, place].sum()), len(inside), drawn_rates)
        ends = float(inside.min()), float(inside.max())
        found.append(Bin(len(inside), *ends, float(inside.mean()), share.value, share.confidence))
    return Reliability(error, (max(0.0, float(low)), float(high)), _by_chance(given.chances, places, seed), tuple(found))


def best_hits(pairs: Sequence[Pair], chances: Numbers) -> NDArray[np.intp]:
    """Rows of the most probable hit of each question, (questions,), of equals the first: it decides whether the question is answered."""
    best: dict[str, int] = {}
    for row, pair in enumerate(pairs):
        if pair.query not in best or chances[row] > chances[best[pair.query]]:
            best[pair.query] = row
    return np.array(list(best.values()), dtype=np.intp)


def threshold(pairs: Sequence[Pair], chances: Numbers, wished: Wish, value: float, what: str = "hits", seed: int = 0) -> Threshold:
    """The threshold for a wished precision or recall, chosen on cross-fitted probabilities, (pairs,). `what` names the pairs for people.

    For precision it is the lowest that reaches it and keeps FEWEST hits or more, for recall the highest that reaches it. What it brings is
    measured on the same pairs: one number is chosen on them, which in simulated worlds promises 0.02 too much precision with 40 questions
    and 0.005 with 100 (docs/calibration.md); choosing it on other folds promises 0.03 and 0.02 too little, with wider intervals.
    """
    given = _sorted(pairs, chances)
    chosen = _choose(given, np.ones(len(pairs)), wished, value)
    drawn = (_choose(given, weights[given.rows], wished, value) for weights in _resampled(given.queries, seed))
    low, high = np.quantile([1.0 if cut is None else cut for cut in drawn], ENDS)
    best, at = _best(given)
    cut = None if chosen is None else math.floor(chosen * 1e4) / 1e4
    interval = None if cut is None else (float(low), float(high))
    precision, recall, answered = brought(pairs, chances, math.inf if cut is None else cut, seed)
    found = Threshold(wished, value, cut, interval, precision, recall, answered, best, at, "")
    return replace(found, verdict=_verdict(found, given, what))


def _sorted(pairs: Sequence[Pair], chances: Numbers) -> _Sorted:
    order = np.argsort(-chances, kind="stable")
    number = {query: row for row, query in enumerate(dict.fromkeys(pair.query for pair in pairs))}
    rows = np.array([number[pair.query] for pair in pairs])[order]
    relevant = np.array([pair.relevant for pair in pairs], dtype=np.float64)[order]
    falling = chances[order]
    ends = np.append(falling[1:] < falling[:-1], True)
    return _Sorted(falling, relevant, rows, ends, len(number))


def _resampled(queries: int, seed: int) -> Iterator[Numbers]:
    """How often each question is drawn, (queries,), RESAMPLES times."""
    rng = np.random.default_rng(seed)
    for _ in range(RESAMPLES):
        yield np.bincount(rng.integers(0, queries, queries), minlength=queries).astype(np.float64)


def _by_chance(chances: Numbers, places: NDArray[np.intp], seed: int) -> float:
    """The mean calibration error where each pair is relevant with just the probability that it was given."""
    rng = np.random.default_rng(seed)
    errors = []
    for _ in range(WORLDS):
        gaps = np.bincount(places, (rng.random(len(chances)) < chances) - chances)  # (bins,)
        errors.append(np.abs(gaps).sum() / len(chances))
    return float(np.mean(errors))


def _choose(given: _Sorted, weights: Numbers, wished: Wish, value: float) -> float | None:
    """The threshold where each pair counts `weights` times, (pairs,); None where none brings what is wished."""
    kept, relevant = np.cumsum(weights), np.cumsum(weights * given.relevant)  # each (pairs,)
    if wished == "recall":
        reached = np.flatnonzero(given.ends & (relevant >= value * relevant[-1] - 1e-9))
        return float(given.chances[reached[0]]) if relevant[-1] else None
    reached = np.flatnonzero(given.ends & (kept >= FEWEST) & (relevant >= value * kept - 1e-9))
    return float(given.chances[reached[-1]]) if len(reached) else None


def _best(given: _Sorted) -> tuple[float, float]:
    """The highest precision, and from which probability on; of all pairs, if there are fewer than FEWEST."""
    kept = np.arange(1, len(given.chances) + 1)
    allowed = given.ends & (kept >= min(FEWEST, len(kept)))
    precision = np.where(allowed, np.cumsum(given.relevant) / kept, -1.0)
    place = int(np.argmax(precision))
    return float(precision[place]), float(given.chances[place])


def brought(pairs: Sequence[Pair], chances: Numbers, cut: float, seed: int = 0) -> tuple[Share | None, Share | None, Share | None]:
    """Precision, recall and the share of questions that keep a hit, where hits are kept from the probability `cut` on; None where there is
    nothing to divide by."""
    given = _sorted(pairs, chances)
    kept = given.chances >= cut

    def by_query(values: Numbers) -> Numbers:
        return np.bincount(given.rows, values, minlength=given.queries).astype(np.float64)

    chosen, found, relevant = by_query(kept.astype(np.float64)), by_query(kept * given.relevant), by_query(given.relevant)
    parts = ((found, chosen), (found, relevant), ((chosen > 0) * 1.0, np.ones(given.queries)))
    shares: list[list[float]] = [[], [], []]
    for drawn in _resampled(given.queries, seed):
        for values, (above, below) in zip(shares, parts, strict=True):
            if whole := drawn @ below:
                values.append(float(drawn @ above / whole))
    measured = [
        _share(float(above.sum()), float(below.sum()), values) if below.sum() else None
        for values, (above, below) in zip(shares, parts, strict=True)
    ]
    return measured[0], measured[1], measured[2]


def _share(part: float, whole: float, resampled: Sequence[float] | Numbers) -> Share:
    low, high = np.quantile(resampled, ENDS)
    spread = Z * math.sqrt(part * (whole - part) / whole + Z * Z / 4)
    wilson = ((part + Z * Z / 2 - spread) / (whole + Z * Z), (part + Z * Z / 2 + spread) / (whole + Z * Z))
    return Share(part / whole, (max(0.0, min(float(low), wilson[0])), min(1.0, max(float(high), wilson[1]))))


def _verdict(found: Threshold, given: _Sorted, what: str) -> str:
    """One sentence for people."""
    wished = f"a {found.wished} of {found.value:g}"
    if found.probability is None or found.confidence is None:
        return (
            f"No clean separation: no probability parts relevant {what} from the others with {wished} on {given.queries} questions; the "
            f"highest precision of {min(FEWEST, len(given.chances))} {what} or more is {found.best:.3f}, from probability "
            f"{found.best_probability:.3f} on."
        )
    low, high = found.confidence
    parts = (("precision", found.precision), ("recall", found.recall), ("questions that keep one", found.answered))
    told = [f"{name} {part.value:.3f} [{part.confidence[0]:.3f}, {part.confidence[1]:.3f}]" for name, part in parts if part]
    return (
        f"For {wished} keep {what} from probability {found.probability:.4f} on (95 % interval [{low:.3f}, {high:.3f}]). On {given.queries} "
        f"questions, with a calibration that they had no part in: {', '.join(told)}."
    )
