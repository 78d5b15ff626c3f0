"""Whether one run is better than another, and how sure that is: paired tests over the queries.

Smucker, Allan and Carterette, "A Comparison of Statistical Significance Tests for Information Retrieval Evaluation", CIKM 2007:
the randomisation test and the bootstrap agree, and need no normal differences.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import inf, isfinite, log, sqrt
from statistics import NormalDist
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bicross.errors import InputError
from bicross.evaluation.metrics import mean, per_query
from bicross.records import Qrels, Run

RESAMPLES = 10_000
EXACT = 16  # up to so many differences all 2**16 signs are tried
FEW = 25  # queries below which the verdict warns
BLOCK = 1 << 21  # numbers drawn at once, at most 16 MB
ROUNDING = 1e-9  # a smaller difference is a tie
WITHIN = (0.0, 1.0)  # every measure that is computed here is
APART = (-1.0, 1.0)  # and so is every difference of two

Numbers = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Comparison:
    """Run B against run A over the judged queries. `difference` is B minus A; `confidence` is its interval.

    `missing_a` and `missing_b` count judged queries that a run has nothing for, which are 0 for it.
    `p_value`: how often a difference at least as large, either way, would come about if A and B were as good as each other.
    """

    measure: str
    queries: int
    mean_a: float
    mean_b: float
    difference: float
    confidence: tuple[float, float]
    p_value: float
    wins: int
    losses: int
    ties: int
    missing_a: int
    missing_b: int
    verdict: str


def compare(
    run_a: Run, run_b: Run, qrels: Qrels, measure: str, *, confidence: float = 0.95, resamples: int = RESAMPLES, seed: int = 0
) -> Comparison:
    """Compare two runs, query by query; a judged query that a run does not have is 0 for it. The verdict calls them by their names.

    The interval is the paired bootstrap's (`bootstrap_interval`); the p-value is the two-sided paired randomisation test's.

    Raises:
        InputError: the measure is unknown, the qrels are empty, or a run has none of their queries.
    """
    missing = _missing(run_a, qrels), _missing(run_b, qrels)
    (values_a,), (values_b,) = (per_query([measure], qrels, run).values() for run in (run_a, run_b))
    tested = paired(differences(values_a, values_b), confidence, resamples, resamples, seed)
    mean_a, mean_b = mean(values_a.values()), mean(values_b.values())
    names = (run_a.name, run_b.name) if run_a.name != run_b.name else (f"{run_a.name} (first)", f"{run_b.name} (second)")
    found = Comparison(measure, len(qrels), mean_a, mean_b, mean_b - mean_a, *tested, *missing, "")
    return replace(found, verdict=_verdict(found, *names, confidence))


class Paired(NamedTuple):
    """What differences of the same questions show: an interval of their mean, a p-value, and how many are above, below and at 0."""

    confidence: tuple[float, float]
    p_value: float
    wins: int
    losses: int
    ties: int


def differences(before: Mapping[str, float], after: Mapping[str, float]) -> list[float]:
    """After minus before, question by question of `after`; a difference that only rounding made is 0."""
    found = (value - before[query] for query, value in after.items())
    return [0.0 if abs(value) < ROUNDING else value for value in found]


def paired(moved: Sequence[float], confidence: float, resamples: int, draws: int, seed: int) -> Paired:
    """Differences of a measure, tested: `resamples` of the bootstrap, `draws` of signs.

    Raises:
        InputError: there are none.
    """
    interval = bootstrap_interval(moved, confidence, resamples, seed, APART)
    wins, losses = sum(value > 0 for value in moved), sum(value < 0 for value in moved)
    return Paired(interval, randomisation_test(moved, draws, seed), wins, losses, len(moved) - wins - losses)


def bootstrap_interval(
    values: Sequence[float],
    confidence: float = 0.95,
    resamples: int = RESAMPLES,
    seed: int = 0,
    bounds: tuple[float, float] = (-inf, inf),
) -> tuple[float, float]:
    """Low and high end of the mean's interval, within `bounds`.

    The percentile bootstrap, at quantiles so much further out that it is no longer too narrow for few values (Hesterberg, "What Teachers
    Should Know About the Bootstrap", The American Statistician 69, 2015, section 4.3), and reaching at least as far as Student's t:
    where most differences are 0, as between two runs, resampling alone hardly sees the others. docs/evaluation.md has what each covers.
    Where all values are the same, nothing is known of how far others lie: the share of them that `unseen` allows may lie at either of the
    bounds. Of one value that is all of them. Without bounds the interval of such values is the value itself.

    Raises:
        InputError: there are no values.
    """
    if not len(values):
        raise InputError("Found no values to take a mean of; expected one for each judged query.")
    from scipy.special import stdtrit  # slow to import

    sample = np.asarray(values, dtype=np.float64)  # (n,)
    if np.ptp(sample) < ROUNDING:
        return _alike(float(sample[0]), unseen(len(sample), confidence), bounds)
    rng, size = np.random.default_rng(seed), len(sample)
    resampled = [sample[rng.integers(0, size, (rows, size))].mean(axis=1) for rows in _blocks(resamples, size)]
    reach = float(stdtrit(size - 1, (1 + confidence) / 2))
    tail = NormalDist().cdf(-reach * sqrt(size / (size - 1)))
    low, high = np.quantile(np.concatenate(resampled), [tail, 1 - tail])
    middle, error = sample.mean(), reach * sample.std(ddof=1) / sqrt(size)
    return max(bounds[0], float(min(low, middle - error))), min(bounds[1], float(max(high, middle + error)))


def unseen(values: int, confidence: float = 0.95) -> float:
    """The share of others that may differ where so many values are all alike: the rule of three, 3 / n at a confidence of 0.95
    (Hanley and Lippman-Hand, "If nothing goes wrong, is everything all right?", JAMA 249, 1983)."""
    return min(1.0, -log(1 - confidence) / values)


def _alike(value: float, share: float, bounds: tuple[float, float]) -> tuple[float, float]:
    """The interval of a mean where a share of values may lie at one of the bounds, and the others are this one."""
    low, high = ((1 - share) * value + share * bound if isfinite(bound) else value for bound in bounds)
    return low, high


def randomisation_test(differences: Sequence[float], resamples: int = RESAMPLES, seed: int = 0) -> float:
    """Two-sided p-value of the paired randomisation test: how often random signs give a sum as far from 0.

    Exact for up to 16 differences that are not 0; else (b + 1) / (m + 1) of m random draws, which is never 0 (Davison and Hinkley, 1997).
    """
    sizes = np.abs(np.asarray([value for value in differences if value], dtype=np.float64))  # (n,)
    edge = abs(float(np.sum(differences))) - ROUNDING * max(float(sizes.sum()), 1)
    if len(sizes) <= EXACT:
        sums: Numbers = np.zeros(1)
        for size in sizes:
            sums = np.concatenate([sums - size, sums + size])  # (2 ** sizes so far,)
        return float((np.abs(sums) >= edge).mean())
    rng = np.random.default_rng(seed)
    extreme = 0
    for rows in _blocks(resamples, len(sizes)):
        signs = np.where(rng.random((rows, len(sizes))) < 0.5, -1.0, 1.0)  # (rows, n)
        extreme += int((np.abs(signs @ sizes) >= edge).sum())
    return (extreme + 1) / (resamples + 1)


def _blocks(resamples: int, width: int) -> Iterator[int]:
    """Rows to draw at once, in all `resamples`, so that a block holds no more than BLOCK numbers (or one row)."""
    rows = max(1, BLOCK // width)
    for start in range(0, resamples, rows):
        yield min(rows, resamples - start)


def _missing(run: Run, qrels: Qrels) -> int:
    """How many judged queries the run has nothing for."""
    if qrels and qrels.keys().isdisjoint(run.rankings):
        raise InputError(
            f"The run {run.name} has none of the {len(qrels)} judged queries; expected the same query ids in the run and in the qrels."
        )
    return sum(not run.rankings.get(query) for query in qrels)


def _verdict(found: Comparison, a: str, b: str, confidence: float) -> str:
    """One plain sentence about the runs of these names, and others where queries lack or are few."""
    low, high = found.confidence
    better, worse = (b, a) if found.difference > 0 else (a, b)
    # Both must say so: the verdict never calls a run better beside an interval that holds 0.
    shown = found.p_value < 1 - confidence and (low > 0 or high < 0)
    text = (
        f"{f'{better} is better than {worse}' if shown else 'no difference shown'}: "
        f"{found.measure} is {found.mean_a:.4f} for {a} and {found.mean_b:.4f} for {b}, "
        f"{found.difference:+.4f} with {confidence * 100:g}% interval [{low:+.4f}, {high:+.4f}], p = {found.p_value:.4f}, "
        f"over {found.queries} queries ({b} wins {found.wins}, loses {found.losses}, ties {found.ties})."
    )
    for name, missing in ((a, found.missing_a), (b, found.missing_b)):
        if missing:
            text += f" {name} has nothing for {missing} of them, which count as 0."
    if found.queries < FEW:
        text += f" So few questions can prove little: the interval is {high - low:.4f} wide; judge at least {FEW}."
    return text
