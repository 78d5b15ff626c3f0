"""The way into a collection: make it, write to it, search it, ask how it is.

A collection is a folder: `truth.sqlite` holds documents, passages and vectors; `gen-*` folders hold indexes made from it,
`CURRENT` names one of them; `lock` is held by the one writer. Opening repairs nothing by hand and never needs a doctor:
a reader uses what is whole, a writer removes what is not finished.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bicross import durable
from bicross.collection import check, truth
from bicross.collection.facts import Facts, as_meta
from bicross.collection.view import View
from bicross.collection.writer import Writer

__all__ = ["Collection", "Facts", "View", "Writer"]


class Collection:
    """A collection on disk, which `create` makes and `open` finds. It holds nothing open itself."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def create(cls, path: Path, facts: Facts) -> Collection:
        """Make an empty collection in a new or empty folder.

        Raises:
            InputError: something is there already. StoreError: the disk refuses; nothing half-made is in the way of a second try.
        """
        truth.create(path, {**as_meta(facts), "created": time.time()})
        return cls(path)

    @classmethod
    def open(cls, path: Path) -> Collection:
        """Find a collection.

        Raises:
            InputError: there is none. StoreError: it is half-made, or of a newer format. Damaged: its truth is missing or unreadable.
        """
        truth.open_to_read(path).close()
        return cls(path)

    @staticmethod
    def exists(path: Path) -> bool:
        """Whether a collection, whole or not, is at `path`: if not, `create` is the thing to do.

        Raises:
            InputError: there can be no such path. StoreError: the system refuses to look.
        """
        return truth.exists(path)

    @staticmethod
    @contextmanager
    def write(path: Path, hurry: bool = False) -> Iterator[Writer]:
        """Be the one writer of the collection at `path`. Whatever an interrupted writer left unfinished is removed.

        In a `hurry` it does not wait for readers at the end: what was committed is on the disk, but the log stays until a later writer
        takes it into the file, with it text that was deleted.

        Raises:
            Locked: another process writes; at once. InputError, StoreError, Damaged: as `open`.
        """
        truth.open_to_read(path).close()  # before the lock, which would leave a file in a folder that is none of ours
        with durable.lock(path / truth.LOCK):
            db = truth.open_to_write(path)
            try:
                writer = Writer(path, db)
            except BaseException:
                db.close()
                raise
            try:
                yield writer
            finally:
                writer.close(hurry)

    def view(self) -> View:
        """A reader's view. Raises InputError where nothing was indexed yet."""
        return View(self.path)

    def status(self) -> check.Status:
        """What it holds, which generation is used and why, and what was not finished."""
        return check.status(self.path)

    def verify(self) -> check.Findings:
        """Whether every row and file is what was written."""
        return check.verify(self.path)
