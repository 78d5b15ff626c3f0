"""Quality and latency against the number of candidates that are read again, and the depth that the data support."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from bicross.evaluation.compare import APART, FEW, bootstrap_interval, differences
from bicross.evaluation.metrics import mean
from bicross.settings import EvaluateSettings

STEPS = (0, 5, 10, 20, 30, 50, 100, 200, 500)
MARGIN = 0.005  # of the measure: a depth that loses no more is as good as the deepest


@dataclass(frozen=True, slots=True)
class DepthPoint:
    """`depth` candidates read, `value` the measure's mean. `difference` is from the deepest point, over the same questions.

    `seconds` is the median of single questions, None where nothing was timed; `timed` says how many were, 0 where it lies on the straight
    line between two depths that were.
    """

    depth: int
    value: float
    difference: float
    confidence: tuple[float, float]
    seconds: float | None
    timed: int


@dataclass(frozen=True, slots=True)
class DepthCurve:
    """`supported`: the smallest depth that is not shown to lose more than MARGIN against the deepest; None where none is told apart from
    it, as where there are fewer than FEW questions. `sure`: the smallest depth that is shown to lose no more. `sentence` says both.
    """

    measure: str
    queries: int
    points: tuple[DepthPoint, ...]
    supported: int | None
    sure: int
    sentence: str


def steps(deepest: int) -> tuple[int, ...]:
    """The depths of a curve: round ones, and the deepest that was read."""
    return (*(depth for depth in STEPS if depth < deepest), deepest)


def timed_steps(deepest: int) -> tuple[int, ...]:
    """The depths that are timed: none, about half, and the deepest, each once."""
    inner = [depth for depth in steps(deepest) if depth < deepest]
    half = min(inner, key=lambda depth: abs(depth - deepest / 2), default=0)
    return tuple(dict.fromkeys((deepest, 0, half)))


def depth_curve(
    measure: str, values: Mapping[int, Mapping[str, float]], seconds: Mapping[int, Sequence[float]], settings: EvaluateSettings
) -> DepthCurve:
    """The curve of depth -> question -> value, the same questions at every depth, and depth -> seconds of single questions.

    The intervals are of paired differences, which are far narrower than those of the means: it is the same questions with the same
    candidates. They are not corrected for the number of depths.
    """
    deepest = max(values)
    medians = {depth: float(np.median(times)) for depth, times in sorted(seconds.items()) if len(times)}
    points = [_point(depth, deepest, values, medians, settings) for depth in sorted(values)]
    points = [replace(point, timed=len(seconds.get(point.depth, ()))) for point in points]
    worse = [point.depth for point in points if point.confidence[1] < -MARGIN]
    supported = min(point.depth for point in points if point.depth not in worse)
    sure = min(point.depth for point in points if point.confidence[0] >= -MARGIN)
    told = not deepest or (len(values[deepest]) >= FEW and (supported > 0 or sure == 0))
    found = DepthCurve(measure, len(values[deepest]), tuple(points), supported if told else None, sure, "")
    return replace(found, sentence=_sentence(found, settings))


def _point(
    depth: int,
    deepest: int,
    values: Mapping[int, Mapping[str, float]],
    medians: Mapping[int, float],
    settings: EvaluateSettings,
) -> DepthPoint:
    moved = differences(values[deepest], values[depth])
    interval = bootstrap_interval(moved, settings.confidence, settings.resamples, settings.seed, APART) if depth < deepest else (0.0, 0.0)
    seconds = float(np.interp(depth, list(medians), list(medians.values()))) if medians else None
    return DepthPoint(depth, mean(values[depth].values()), mean(moved), interval, seconds, 0)


def _sentence(found: DepthCurve, settings: EvaluateSettings) -> str:
    points = {point.depth: point for point in found.points}
    deepest, sure = found.points[-1].depth, _pair(points[found.sure], settings)
    over = f"over {found.queries} questions"
    if not deepest:
        return "Nothing was reranked, so there is one depth only."
    if found.queries < FEW:
        return f"{found.queries} questions are too few to tell depths apart; ask {FEW} or more."
    if found.supported is None:
        first = _pair(found.points[0], settings)
        return (
            f"The data do not tell depths apart: even depth {found.points[0].depth} is not shown to lose more than {MARGIN:g} "
            f"{found.measure} against depth {deepest}, nor to lose less ({first}, {over})."
        )
    if found.supported == 0:
        return (
            f"Depth 0 is as good as depth {deepest}: without reranking, {found.measure} is at most {MARGIN:g} lower ({sure}, {over}). "
            "Reranking brings nothing on these questions."
        )
    if found.supported == deepest:
        return (
            f"The data support all {deepest} candidates that were read: every shallower depth is shown to lose more than {MARGIN:g} "
            f"{found.measure} against them, {over}. More may be better still: read on with a greater --depth."
        )
    text = (
        f"The data support depth {found.supported}: every shallower one is shown to lose more than {MARGIN:g} {found.measure} against "
        f"depth {deepest}, and it is not ({_pair(points[found.supported], settings)}, {over})."
    )
    if found.sure > found.supported:
        shown = f"depth {found.sure} ({sure})" if found.sure < deepest else f"depth {deepest} itself"
        return f"{text} Shown to lose no more is only {shown}."
    return text


def _pair(point: DepthPoint, settings: EvaluateSettings) -> str:
    low, high = point.confidence
    return f"{point.difference:+.4f}, {settings.confidence * 100:g}% interval [{low:+.4f}, {high:+.4f}]"
