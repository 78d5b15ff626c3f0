"""How long it takes to read a candidate, learnt from those before, so that no more are begun than can be read in the time that is left."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

NEW = 0.2  # what the newest measurement counts in the moving mean
OUTLIER, MOMENT = 4, 0.001  # times the mean that one measurement counts at most, and the seconds that a mean counts at least in that
TRY = 8  # where there is time for none, every so many times one is tried: what was slow once may be slow no more
SPARE = 0.8  # share of the time left that is planned with: the rest is for what was not foreseen
UNKNOWN = 4  # candidates that are read to learn the pace


class Pace:
    """Moving means of the seconds that one pair takes, by what reads it."""

    def __init__(self) -> None:
        self._pair: dict[str, float] = {}
        self._without = 0

    @contextmanager
    def timing(self, what: str, pairs: int) -> Iterator[None]:
        """Learn from the block, in which so many pairs are read."""
        start = time.perf_counter()
        yield
        self.took(what, pairs, time.perf_counter() - start)

    def took(self, what: str, pairs: int, seconds: float) -> None:
        """Learn from so many pairs that were read together."""
        if pairs:
            newest = seconds / pairs
            mean = self._pair.get(what, newest)
            self._pair[what] = mean + NEW * (min(newest, OUTLIER * max(mean, MOMENT)) - mean)

    def fits(self, what: str, seconds_left: float) -> int:
        """How many pairs can be read in the time left; UNKNOWN as long as nothing is known. Where there is time left and for none, 1 now
        and then, for what is never tried is never learnt.
        """
        left = SPARE * seconds_left
        if left <= 0:
            return 0
        if what not in self._pair:
            return UNKNOWN
        fits = int(left / max(self._pair[what], 1e-9))
        if fits:
            return fits
        self._without += 1
        return int(self._without % TRY == 0)
