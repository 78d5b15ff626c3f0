"""Ways to search, each with its quality and its latency; those that no other beats in both; and the one that a budget buys."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from bicross.settings import StageName

NEAR = 0.001  # of the quality: points that are so near to the best are as good, and the fastest of them is taken
AIM = 0.95  # share of the budget that a measured 95th percentile may take: it is an estimate, and the next hour may be busier


@dataclass(frozen=True, slots=True)
class Way:
    """A way to search. `depth` candidates are read by the `reranker`; where `adaptive`, as many of them as each question takes, of those
    that the `fast` reranker, if there is one, has read before. `precision` is "int8" for the collection's reranker in 8-bit integers."""

    stage: StageName
    depth: int = 0
    reranker: str | None = None
    adaptive: bool = False
    fast: str | None = None
    precision: str = ""

    @property
    def name(self) -> str:
        """As people read it."""
        if not self.depth:
            return self.stage
        name = f"{'cascade' if self.fast else 'adaptive'}, up to {self.depth}" if self.adaptive else f"depth {self.depth}"
        return f"{name}, {self.precision}" if self.precision else name


@dataclass(frozen=True, slots=True)
class Point:
    """A way that was measured. `quality` is a mean over all questions, with its interval; `read` the mean number of candidates that the
    reranker reads; `p50` and `p95` are seconds of `timed` questions, each asked alone. `best`: no other way is as good and faster.
    """

    name: str
    way: Way
    quality: float
    confidence: tuple[float, float]
    read: float
    p50: float
    p95: float
    timed: int
    best: bool = False


def marked(points: Sequence[Point]) -> tuple[Point, ...]:
    """The points in the order of their latency, those of the frontier marked: each is better than all that are faster."""
    highest, found = float("-inf"), []
    for point in sorted(points, key=lambda point: (point.p95, -point.quality)):
        found.append(replace(point, best=point.quality > highest))
        highest = max(highest, point.quality)
    return tuple(found)


def bought(points: Sequence[Point], budget: float) -> Point | None:
    """The best point whose 95th percentile is within `AIM` of so many seconds: of those that are as good within NEAR, the fastest. None
    where none is within it."""
    within = [point for point in points if point.p95 <= AIM * budget]
    if not within:
        return None
    least = max(point.quality for point in within) - NEAR
    return min((point for point in within if point.quality >= least), key=lambda point: (point.p95, -point.quality))


def deepest_within(points: Sequence[Point], budget: float) -> int | None:
    """The number of candidates that would take just the budget, on the straight lines between the depths that were measured; None where
    they do not enclose it. Of plain reranking by one reranker."""
    plain = sorted((point.way.depth, point.p95) for point in points if point.way.stage in ("fused", "both") and not point.way.adaptive)
    for (left, low), (right, high) in pairwise(plain):
        if low <= AIM * budget < high:
            return left + int((right - left) * (AIM * budget - low) / (high - low))
    return None
