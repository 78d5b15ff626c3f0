"""What waits in the queue: requests cut into units, and what is known of how fast they are computed."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

BATCH = 0.2  # seconds that a batch should take: long enough to fill the processor, short enough to wait for
FIRST_BATCH = 2000  # tokens of a batch, until a rate is measured
SMOOTHING = 0.2  # the share that a new measurement has in the rate


class Group(NamedTuple):
    """Units of one group may be computed together; a token of one `kind` takes about the same time in all its groups."""

    kind: Hashable
    key: Hashable = None


class Unit(NamedTuple):
    """A piece of work: what it is, about how many tokens the models read for it, and the characters that it holds in memory."""

    payload: Any
    tokens: int
    size: int = 0


class Done(NamedTuple):
    """The results in the order of the units, and the seconds from arrival until the first of them was begun."""

    results: list[Any]
    queued: float


@dataclass(frozen=True, slots=True)
class Limits:
    """What the queue takes: work that begins within `max_wait` seconds, as far as that can be told, and so many tokens and characters."""

    max_wait: float
    tokens: int = 4_000_000
    size: int = 64 * 1024 * 1024


class Rate:
    """Tokens a second of one kind of work, learned from its batches.

    A batch that ended early because little was there says only that the rate is no lower: what batches cost whatever they hold weighs
    more in it. So it raises the rate, and never lowers it. Until one is measured the rate is infinite: nothing is refused for it.
    """

    def __init__(self) -> None:
        self.value, self._measured = math.inf, 0

    @property
    def budget(self) -> float:
        """Tokens of a batch."""
        return self.value * BATCH if self._measured else FIRST_BATCH

    def learn(self, tokens: int, seconds: float) -> None:
        """From one batch."""
        rate = tokens / max(seconds, 1e-4)
        if self._measured and rate < self.value and seconds < BATCH and tokens < self.budget / 2:
            return
        self._measured += 1
        share = max(SMOOTHING, 1 / self._measured)
        self.value = rate if share == 1 else self.value + share * (rate - self.value)


class Request:
    """A request and what has become of it so far; `future` is done when all of it is."""

    def __init__(self, group: Group, units: Sequence[Unit], arrival: float, deadline: float, future: asyncio.Future[None]) -> None:
        self.group, self.units, self.deadline, self.future = group, units, deadline, future
        self.since = arrival  # from when its age counts
        self.waiting = sorted(range(len(units)), key=lambda place: units[place].tokens)  # the longest are begun first
        self.tokens, self.size = sum(unit.tokens for unit in units), sum(unit.size for unit in units)  # tokens: of what waits
        self.results: list[Any] = [None] * len(units)
        self.missing = len(units)
        self.began: float | None = None

    def settle(self, error: Exception | None = None) -> None:
        """Tell who asked, if nobody has and somebody still listens."""
        if self.future.done():
            return
        if error is None:
            self.future.set_result(None)
        else:
            self.future.set_exception(error)
