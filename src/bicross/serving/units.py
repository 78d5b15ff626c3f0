"""What waits in the queue: requests cut into units, and what is known of how fast they are computed."""

from __future__ import annotations

import asyncio
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

BATCH = 0.2  # seconds that a batch should take: long enough to fill the processor, short enough to wait for
LONGEST = 0.6  # seconds of a batch where each costs much whatever it holds
WORTH = 3.0  # a batch takes so many times as long as what it costs whatever it holds
FIRST_BATCH = 2000  # tokens of a batch, until a rate is measured
SMOOTHING = 0.1  # the share that a new measurement has in what is known
VARIED = 0.01  # variance of batches' tokens, by the square of their mean, from which on it tells one cost from the other
UNFORESEEN = 4.0  # a batch that took so many times what was expected counts as that: it may have met something else


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
    """What batches of one kind of work take: some seconds whatever they hold, and some for each token, by a line through the batches
    so far, of which older ones count less. Until one is measured it is nothing: no work is refused for it.
    """

    def __init__(self) -> None:
        self._weight = self._tokens = self._seconds = self._tokens_squared = self._products = 0.0
        self.fixed = self.token = 0.0

    @property
    def batch(self) -> float:
        """Seconds that a full batch should take."""
        return min(LONGEST, max(BATCH, WORTH * self.fixed))

    @property
    def budget(self) -> float:
        """Tokens of a full batch."""
        return max(0.0, self.batch - self.fixed) / self.token if self.token else FIRST_BATCH

    def seconds(self, tokens: float) -> float:
        """What so many tokens take in full batches, of which they may be a part."""
        return tokens * self.batch / self.budget if self.token else 0.0

    def alone(self, tokens: float) -> float:
        """What a batch of so many tokens takes."""
        return self.fixed + tokens * self.token

    def learn(self, tokens: int, seconds: float) -> None:
        """From one batch."""
        if self.token:
            seconds = min(seconds, UNFORESEEN * self.alone(tokens))
        kept = 1 - SMOOTHING
        self._weight = kept * self._weight + 1
        self._tokens = kept * self._tokens + tokens
        self._seconds = kept * self._seconds + seconds
        self._tokens_squared = kept * self._tokens_squared + tokens * tokens
        self._products = kept * self._products + tokens * seconds
        mean_tokens, mean_seconds = max(1.0, self._tokens) / self._weight, max(1e-6, self._seconds / self._weight)
        variance = self._tokens_squared / self._weight - mean_tokens**2
        steepest = mean_seconds / mean_tokens
        if variance > VARIED * mean_tokens**2:
            slope = (self._products / self._weight - mean_tokens * mean_seconds) / variance
            self.token = min(steepest, max(slope, steepest / 20))
        else:
            self.token = steepest if not self.token else min(steepest, self.token)
        self.fixed = mean_seconds - self.token * mean_tokens


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
