"""Whether tuned models are promoted: they are better beyond chance, and nothing that is guarded falls."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil, floor, log2
from statistics import NormalDist, stdev
from typing import NamedTuple

from bicross.errors import InputError
from bicross.evaluation.compare import ROUNDING, Comparison, compare
from bicross.evaluation.metrics import per_query
from bicross.evaluation.slices import FEWEST
from bicross.records import Qrels, Run
from bicross.settings import GateSettings

NOISE = 0.2
"""A fall fails a guard only where chance alone brings one as large less often than this, over the number of guards of its kind (one-sided
paired randomisation test; Bonferroni's division). The slices are one kind, the general sets another: the users' tags, however many,
do not make it easier to forget. So where nothing changed, the guards of a kind block at most every fifth promotion. A fall that is let
pass is warned of. A higher level would find more and block more: the mean alone blocks most.

Measured with differences per question as the stages of search have them (stard, standard deviations 0.22 and 0.31; 500 to 1,000 slices
drawn for each figure). How often one of six guards of a kind with the limit 0.03 fails:

    questions                      20          50          100         200         300
    nothing changed            .04         .03 to .04  .03         .02 to .04  .01 to .04
      by the mean alone        .30 to .32  .17 to .24  .09 to .17  .03 to .09  .01 to .06
    answers lost, mean -0.05   .11         .17 to .25  .34 to .45  .56 to .73  .74 to .88
    answers lost, mean -0.10   .23 to .26  .49 to .64  .80 to .90  .98 to 1    1
    answers lost, mean -0.20   .58 to .67  .96 to .98  1           1           1

All guards together (two languages, short, long, a tag; two general sets of 60; 100 to 600 questions; two fifths of the differences
are not 0, with the same standard deviations; 300 drawn for each): they block .17 to .23 where nothing changed, and .09 to .14 where
every slice gained 0.05 or 0.08 and the general sets nothing.
"""
ENOUGH = 100  # judged questions below which a decision warns
LATENCY = "latency"

General = tuple[Run, Run, Qrels]
"""What the models before and after found on questions of other data, and the judgements."""


@dataclass(frozen=True, slots=True)
class Guard:
    """Something that must not fall. `limit` is how far it may get worse, in the unit of `before` and `after`.

    `queries`, `before` and `after` are judged questions and means of the measure; of the guard "latency" 0 and median seconds.
    """

    name: str
    queries: int
    before: float
    after: float
    difference: float
    limit: float
    passed: bool


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether to promote, why in one sentence, and what that rests on. In `comparison`, A is before and B is after."""

    promoted: bool
    reason: str
    comparison: Comparison
    guards: tuple[Guard, ...]
    warnings: tuple[str, ...]


def decide(
    before: Run,
    after: Run,
    qrels: Qrels,
    slices: Mapping[str, Sequence[str]],
    general: Mapping[str, General],
    latency: tuple[float, float],
    settings: GateSettings,
) -> Decision:
    """Promote if the measure is better on the judged questions (`better`) and every guard passes.

    `slices` and `general` give one guard a name: its mean must not fall by more than the limit, unless chance explains the fall (NOISE).
    One with fewer than FEWEST judged questions is not judged, and a warning says so. `latency` is the median seconds of a search before
    and after.

    Raises:
        InputError: as `compare`, for the questions and for each general set.
    """
    found = compare(before, after, qrels, settings.measure, confidence=settings.confidence)
    warnings = _few(before, after, qrels, found, settings)
    families = _slices(before, after, qrels, slices, settings), _general(general, settings)
    guards: list[Guard] = []
    for family in families:
        judged, falls = _guards(family, settings)
        guards += judged
        warnings += falls
    guards.append(_latency(*latency, settings.latency))
    if small := [f"{group.name} ({len(group.qrels)})" for family in families for group in family if len(group.qrels) < FEWEST]:
        warnings.append(f"Fewer than {FEWEST} judged questions, so not judged: {', '.join(small)}.")
    promoted = better(found, settings) and all(guard.passed for guard in guards)
    return Decision(promoted, _reason(found, guards, settings), found, tuple(guards), tuple(warnings))


def general_guards(general: Mapping[str, General], settings: GateSettings) -> tuple[Guard, ...]:
    """The guards of the general sets alone, as `decide` judges them, whatever slices there are: a look ahead at what tuning forgot."""
    return tuple(_guards(_general(general, settings), settings)[0])


def better(found: Comparison, settings: GateSettings) -> bool:
    """B is better than A: p < 1 - confidence, and the interval's low end is above the margin (and so the difference above 0).

    Of two equal models the later one is called better in at most (1 - confidence) / 2 of all cases.
    """
    return found.p_value < 1 - settings.confidence and found.confidence[0] > settings.margin


def needed_queries(differences: Sequence[float], effect: float, power: float = 0.8, confidence: float = 0.95) -> int:
    """How many questions show a true mean difference of `effect` with probability `power`, if they spread as `differences` do.

    ((z of 1 - (1 - confidence) / 2 + z of power) * standard deviation / effect) squared, rounded up (Cohen, "Statistical Power Analysis
    for the Behavioral Sciences", 1988, chapter 2), and no fewer than the paired randomisation test needs to reach that confidence at all.

    Raises:
        InputError: fewer than two differences, or an effect of 0.
    """
    if len(differences) < 2 or not effect:
        raise InputError(
            f"Found {len(differences)} differences and an effect of {effect:g}; expected two or more, and an effect other than 0."
        )
    normal = NormalDist()
    errors = normal.inv_cdf((1 + confidence) / 2) + normal.inv_cdf(power)
    fewest = floor(1 - log2(1 - confidence)) + 1  # of n differences of one sign p is 2 ** (1 - n)
    return max(fewest, ceil((errors * stdev(differences) / effect) ** 2))


class _Group(NamedTuple):
    """Questions whose mean must not fall by more than `limit`."""

    name: str
    before: Run
    after: Run
    qrels: Qrels
    limit: float


def _slices(before: Run, after: Run, qrels: Qrels, slices: Mapping[str, Sequence[str]], settings: GateSettings) -> list[_Group]:
    # A run may leave out a question that it found nothing for; a slice of such questions is a fall to 0, and no error.
    old, new = (Run(run.name, {query: run.rankings.get(query, ()) for query in qrels}) for run in (before, after))
    judged = {name: {query: qrels[query] for query in ids if query in qrels} for name, ids in slices.items()}
    return [_Group(name, old, new, part, settings.slice_limit) for name, part in judged.items()]


def _general(general: Mapping[str, General], settings: GateSettings) -> list[_Group]:
    return [_Group(f"general {name}", *measured, settings.general_limit) for name, measured in general.items()]


def _guards(family: Sequence[_Group], settings: GateSettings) -> tuple[list[Guard], list[str]]:
    """A guard for each group of the family that has enough questions, and warnings of the falls that chance explains."""
    groups = [group for group in family if len(group.qrels) >= FEWEST]
    guards, warnings = [], []
    for name, before, after, qrels, limit in groups:
        found = compare(before, after, qrels, settings.measure, confidence=settings.confidence)
        fell, chance = -found.difference > limit + ROUNDING, found.p_value / 2  # signs are drawn alike, so one side is half of both
        passed = not fell or chance >= NOISE / len(groups)
        guards.append(Guard(name, found.queries, found.mean_a, found.mean_b, found.difference, limit, passed))
        if fell and passed:
            among = f"among {len(groups)} guards of its kind this may be chance (one-sided p = {chance:.4f})."
            warnings.append(f"{_fall(guards[-1], settings)}; {among}")
    return guards, warnings


def _latency(before: float, after: float, factor: float) -> Guard:
    return Guard(LATENCY, 0, before, after, after - before, (factor - 1) * before, after <= factor * before)


def _few(before: Run, after: Run, qrels: Qrels, found: Comparison, settings: GateSettings) -> list[str]:
    """A warning where the questions are few: how wide the interval is, and how many would show the gain that was seen."""
    if found.queries >= ENOUGH:
        return []
    (low, high), gain = found.confidence, found.difference - settings.margin
    text = (
        f"So few judged questions ({found.queries}) can hardly prove a gain: the {settings.confidence * 100:g}% interval is "
        f"{high - low:.4f} wide"
    )
    if found.queries > 1 and gain > ROUNDING:
        old, new = (per_query([settings.measure], qrels, run)[settings.measure] for run in (before, after))
        needed = needed_queries([new[query] - old[query] for query in qrels], gain, confidence=settings.confidence)
        if needed > found.queries:
            text += f"; if the gain of {found.difference:.4f} is real, about {needed} would show it, four times in five"
    return [f"{text}."]


def _reason(found: Comparison, guards: Sequence[Guard], settings: GateSettings) -> str:
    (low, high), failed = found.confidence, [guard for guard in guards if not guard.passed]
    moved = "rose" if found.difference > 0 else "fell"
    gain = (
        f"{found.measure} {moved} by {abs(found.difference):.4f}, from {found.mean_a:.4f} to {found.mean_b:.4f}, over {found.queries} "
        f"questions ({settings.confidence * 100:g}% interval [{low:+.4f}, {high:+.4f}], p = {found.p_value:.4f})"
    )
    if not found.wins and not found.losses:
        return (
            f"Nothing better was found: {found.measure} is {found.mean_a:.4f} before and after, equal on each of {found.queries} questions."
        )
    if not better(found, settings):
        if found.difference <= 0:
            return f"Nothing better was found: {gain}."
        lacks = f"is not surely above the margin of {settings.margin:g}" if settings.margin else "may be chance"
        return f"Nothing better was found: the gain {lacks}: {gain}."
    if failed:
        return f"Not promoted, because {' and '.join(_fall(guard, settings) for guard in failed)}; {gain}."
    return f"Promoted: {gain}, and no guard failed."


def _fall(guard: Guard, settings: GateSettings) -> str:
    if guard.name == LATENCY:
        return f"a search takes {guard.after:.4f} s instead of {guard.before:.4f} s, more than {settings.latency:g} times as long"
    return (
        f"{settings.measure} of {guard.name!r} fell by {-guard.difference:.4f}, from {guard.before:.4f} to {guard.after:.4f}, over "
        f"{guard.queries} questions, more than the limit of {guard.limit:g}"
    )
