"""A mean over questions that never stands without its interval and the number of questions behind it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bicross.evaluation.compare import bootstrap_interval
from bicross.evaluation.metrics import mean

RESAMPLES = 2000


@dataclass(frozen=True, slots=True)
class Mean:
    """The mean of one value a question, and its interval over questions."""

    mean: float
    confidence: tuple[float, float]
    questions: int


def mean_of(values: Sequence[float], bounds: tuple[float, float] = (0.0, 1.0), confidence: float = 0.95) -> Mean:
    """The mean and its interval (`compare.bootstrap_interval`), which does not leave the `bounds` of a value.

    Raises:
        InputError: there are no values.
    """
    interval = bootstrap_interval(values, confidence, RESAMPLES, bounds=bounds)
    return Mean(mean(values), interval, len(values))
