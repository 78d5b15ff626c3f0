"""Seconds by stage, and how many are left until an answer is due."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager


class Stopwatch:
    """Adds up the wall time spent in each named stage of one search.

    `late` are the ids of the questions that were answered before enough was known, because the answer was due.
    """

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.late: set[str] = set()
        self._due = math.inf

    def begin(self, deadline: float | None) -> None:
        """The search begins now, and its answer is due after so many seconds."""
        self._due = math.inf if deadline is None else time.perf_counter() + deadline

    @property
    def left(self) -> float:
        """Seconds until the answer is due, below 0 when it is overdue; infinite without a deadline."""
        return self._due - time.perf_counter()

    @contextmanager
    def timing(self, stage: str) -> Iterator[None]:
        """Count the time of the block towards `stage`."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[stage] = self.seconds.get(stage, 0.0) + time.perf_counter() - start
