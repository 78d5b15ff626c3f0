"""Signs of life of long work, so that what is slow can be told from what hangs."""

from __future__ import annotations

import threading
from collections.abc import Callable

_watched = threading.local()


def watch(told: Callable[[], None]) -> None:
    """Have `told` called whenever this thread gets further; it must be quick."""
    _watched.told = told


def made() -> None:
    """Say that this thread got further: a batch is computed. Nothing where nobody watches it."""
    told: Callable[[], None] | None = getattr(_watched, "told", None)
    if told is not None:
        told()
