"""A gate for the search of others: rules such as `nDCG@10 drops 0.01`, judged against a baseline.

A rule has three answers, because a fall that is not shown is not thereby shown to be none:

    failed        the mean fell by more than the amount, and chance does not explain that it fell
    passed        the interval of the difference excludes a fall by more than the amount
    cannot tell   neither

Where all questions moved alike, above all where none moved, n of them exclude a fall by more than about 3 / n (the rule of three).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import ceil, log
from typing import Literal, NamedTuple

from bicross.errors import InputError
from bicross.evaluation.changes import Change, holm, said
from bicross.evaluation.compare import ROUNDING
from bicross.evaluation.gate import needed_queries
from bicross.evaluation.metrics import parse_measure
from bicross.settings import EvaluateSettings

_RULE = re.compile(r"\s*(\S+(?:\([^()]*\)\S*)?)\s+drops\s+([0-9]*\.?[0-9]+)\s*")
State = Literal["failed", "passed", "cannot tell"]


class Rule(NamedTuple):
    """`measure` must not fall by more than `amount`."""

    measure: str
    amount: float

    def __str__(self) -> str:
        return f"{self.measure} drops {self.amount:g}"


@dataclass(frozen=True, slots=True)
class Check:
    """A rule and its answer. `p_value` is one-sided, of a fall, after Holm's correction over the rules.

    `needed`: about how many questions would show a fall by the amount four times in five, or, where all moved alike, would exclude it if
    none moved; None where the answer is certain, and of a single question.
    """

    rule: str
    state: State
    difference: float
    confidence: tuple[float, float]
    p_value: float
    queries: int
    needed: int | None
    reason: str


def parse_rule(text: str) -> Rule:
    """The rule that a text says.

    Raises:
        InputError: it is not `MEASURE drops AMOUNT`, the measure is unknown, or the amount is not between 0 and 1.
    """
    found = _RULE.fullmatch(text)
    if found is None or not 0 < float(found[2]) < 1:
        raise InputError(
            f"The rule {text!r} is not understood; expected MEASURE drops AMOUNT with an amount between 0 and 1, such as "
            "'nDCG@10 drops 0.01'."
        )
    parse_measure(found[1])
    return Rule(found[1], float(found[2]))


def judge(
    rules: Sequence[Rule], changes: Sequence[Change], moved: Mapping[str, Sequence[float]], settings: EvaluateSettings
) -> tuple[Check, ...]:
    """The answer to each rule. `changes` and `moved`, the differences of the questions, have every rule's measure.

    A rule fails if the mean fell by more than its amount and p < 1 - confidence. p is the one-sided paired randomisation test's, of a fall
    at all, with Holm's correction over the measures of the rules: where nothing changed, the gate fails in at most 1 - confidence of runs.
    """
    by_measure = {change.measure: change for change in changes}
    measures = list(dict.fromkeys(rule.measure for rule in rules))
    one_sided = [_falls(by_measure[measure]) for measure in measures]
    p_values = dict(zip(measures, holm(one_sided), strict=True))
    return tuple(_judged(rule, by_measure[rule.measure], p_values[rule.measure], moved[rule.measure], settings) for rule in rules)


def _falls(change: Change) -> float:
    """One-sided p-value of a fall: signs are drawn alike, so one side is half of both."""
    return change.p_value / 2 if change.difference < 0 else 1 - change.p_value / 2


def _judged(rule: Rule, change: Change, p_value: float, moved: Sequence[float], settings: EvaluateSettings) -> Check:
    low, _ = change.confidence
    fell = -change.difference > rule.amount + ROUNDING
    state: State = "failed" if fell and p_value < 1 - settings.confidence else "passed" if low >= -rule.amount else "cannot tell"
    alike = len(moved) > 1 and max(moved) - min(moved) < ROUNDING
    needed = None
    if state == "cannot tell" and len(moved) > 1:
        few = ceil(-log(1 - settings.confidence) / rule.amount)  # as many as exclude it where none of them moves
        needed = few if alike else needed_queries(moved, rule.amount, confidence=2 * settings.confidence - 1)
    found = Check(str(rule), state, change.difference, change.confidence, p_value, change.queries, needed, "")
    return replace(found, reason=_reason(found, rule, change, alike, settings))


def _reason(found: Check, rule: Rule, change: Change, alike: bool, settings: EvaluateSettings) -> str:
    low, high = change.confidence
    size = f"by {abs(change.difference):.4f}"
    moved = f"fell {size}" if change.difference < 0 else f"rose {size}" if change.difference > 0 else "did not move"
    seen = (
        f"{rule.measure} {moved}, from {change.before:.4f} to {change.after:.4f}, over {change.queries} questions "
        f"({settings.confidence * 100:g}% interval [{low:+.4f}, {high:+.4f}], one-sided {said(found.p_value)})"
    )
    if found.state == "failed":
        return f"failed: {seen}; more than {rule.amount:g} is not allowed"
    if found.state == "passed":
        return f"passed: {seen}; a fall by more than {rule.amount:g} is excluded"
    text = f"cannot tell: {seen}; a fall by more than {rule.amount:g} is neither shown nor excluded"
    if alike:
        return f"{text}: all questions moved alike, and of {found.needed} that did not move it would be excluded (the rule of three)"
    if found.needed and found.needed > change.queries:
        text += f"; about {found.needed} questions would show one four times in five"
    return text
