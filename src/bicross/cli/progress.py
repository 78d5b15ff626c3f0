"""Progress on stderr: a bar with rate and time left on a terminal, a plain line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from bicross.protocols import Progress

EVERY = 10.0  # seconds between plain lines


@contextmanager
def bar() -> Iterator[Progress]:
    """Something to call with (what, done, total)."""
    if not sys.stderr.isatty():
        yield _Lines()
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
    from rich.progress import Progress as Rich

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[rate]}/s"))
    with Rich(*columns, TimeElapsedColumn(), TimeRemainingColumn(), console=Console(stderr=True), transient=True) as rich:
        task, rates = rich.add_task("", total=None, rate=""), _Rates()

        def update(what: str, done: int, total: int) -> None:
            rate = rates(what, done)
            if rates.anew:  # its time and its time left too
                rich.reset(task, description=what)
            rich.update(task, completed=done, total=total or None, rate=short(rate))

        yield update


class _Rates:
    """The rate of what goes on now. Another `what`, or less that is done, begins anew; what was done before a run was resumed does not
    count."""

    def __init__(self) -> None:
        self._what, self._start, self._from, self._done = "", 0.0, 0, 0
        self.anew = False

    def __call__(self, what: str, done: int) -> float:
        """A second."""
        now = time.monotonic()
        self.anew = what != self._what or done < self._done
        if self.anew:
            self._what, self._start, self._from = what, now, done
        self._done = done
        return (done - self._from) / max(1e-9, now - self._start)


def short(rate: float) -> str:
    """A rate with the digits that say something."""
    return f"{rate:.0f}" if rate >= 10 else f"{rate:.2g}"


class _Lines:
    def __init__(self) -> None:
        self._last, self._rates = time.monotonic(), _Rates()

    def __call__(self, what: str, done: int, total: int) -> None:
        rate, now = self._rates(what, done), time.monotonic()
        if now - self._last < EVERY:
            return
        self._last = now
        speed = f", {short(rate)}/s" if rate else ""  # none is known from the first report of something
        left = f", {max(0, total - done) / rate:.0f} s left" if total and rate else ""
        print(f"{what}: {done}{f' of {total}' if total else ''}{speed}{left}", file=sys.stderr)
