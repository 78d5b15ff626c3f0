"""What changed between two sets of values of the same questions, measure by measure, with Holm's correction over the measures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from bicross.evaluation.compare import RESAMPLES, differences, paired
from bicross.evaluation.metrics import Values, mean
from bicross.settings import EvaluateSettings

Shown = Literal["better", "worse", "no difference shown"]


@dataclass(frozen=True, slots=True)
class Change:
    """A measure over the same questions, `before` and `after`. `difference` is after minus before, `confidence` its interval.

    `p_value` is the two-sided paired randomisation test's; `adjusted` the same after Holm's correction over the measures tested together.
    `shown` is better or worse only where `adjusted` says so and the interval does not hold 0.
    """

    measure: str
    queries: int
    before: float
    after: float
    difference: float
    confidence: tuple[float, float]
    p_value: float
    adjusted: float
    wins: int
    losses: int
    ties: int
    shown: Shown


def changes(before: Values, after: Values, settings: EvaluateSettings) -> tuple[Change, ...]:
    """What changed in each measure that both have, over the questions of `after`, which `before` must have too.

    A measure in which no question changed cannot be shown to differ, so it is no hypothesis to correct for (Tarone, "A modified Bonferroni
    method for discrete data", Biometrics 46, 1990: whether the test can reject at all depends only on the sizes of the differences).

    Raises:
        InputError: there are no questions.
    """
    found = [_change(name, before[name], after[name], settings) for name in after if name in before]
    tested = [change for change in found if change.wins or change.losses]
    adjusted = dict(zip((change.measure for change in tested), holm([change.p_value for change in tested]), strict=True))
    corrected = (replace(change, adjusted=adjusted.get(change.measure, 1.0)) for change in found)
    return tuple(replace(change, shown=_shown(change, settings.confidence)) for change in corrected)


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjusted p-values, in the order given (Holm, "A simple sequentially rejective multiple test procedure", 1979).

    The k-th smallest of m is multiplied by m - k + 1, and none is less than those before it. To reject what is below a level keeps the
    chance of even one false rejection below that level, however the tests depend on each other.
    """
    adjusted, highest = [0.0] * len(p_values), 0.0
    for before, place in enumerate(sorted(range(len(p_values)), key=lambda place: p_values[place])):
        highest = max(highest, min(1.0, (len(p_values) - before) * p_values[place]))
        adjusted[place] = highest
    return adjusted


def said(p_value: float) -> str:
    """A p-value in words; no test here can tell those below a ten-thousandth apart."""
    return f"p = {p_value:.4f}" if p_value >= 0.0001 else "p < 0.0001"


def _change(measure: str, before: Mapping[str, float], after: Mapping[str, float], settings: EvaluateSettings) -> Change:
    moved = differences(before, after)
    found = paired(moved, settings.confidence, settings.resamples, RESAMPLES, settings.seed)
    old, new = mean(before[query] for query in after), mean(after.values())
    both = (found.p_value, found.p_value)
    counts = (found.wins, found.losses, found.ties)
    return Change(measure, len(moved), old, new, mean(moved), found.confidence, *both, *counts, "no difference shown")


def _shown(change: Change, confidence: float) -> Shown:
    low, high = change.confidence
    if change.adjusted < 1 - confidence and (low > 0 or high < 0):
        return "better" if change.difference > 0 else "worse"
    return "no difference shown"
