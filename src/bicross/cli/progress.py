"""Progress on stderr: a bar with rate and time left on a terminal, a plain line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from bicross.pipeline import Progress

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
        task = rich.add_task("", total=None, rate="")
        start = time.monotonic()

        def update(what: str, done: int, total: int) -> None:
            rich.update(
                task, description=what, completed=done, total=total or None, rate=f"{done / max(1e-9, time.monotonic() - start):.0f}"
            )

        yield update


class _Lines:
    def __init__(self) -> None:
        self._start = self._last = time.monotonic()

    def __call__(self, what: str, done: int, total: int) -> None:
        now = time.monotonic()
        if now - self._last < EVERY:
            return
        self._last = now
        rate = done / (now - self._start)
        left = f", {max(0, total - done) / rate:.0f} s left" if total and rate else ""
        print(f"{what}: {done}{f' of {total}' if total else ''}, {rate:.0f}/s{left}", file=sys.stderr)
