"""A reader of a collection that needs no index: documents by id, how many there are, and what answers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

from bicross import durable
from bicross.collection import generations, lookup, truth
from bicross.collection.facts import State
from bicross.collection.matching import predicate
from bicross.collection.rows import read_document
from bicross.errors import Damaged
from bicross.filters import Filter
from bicross.records import Document


@dataclass(frozen=True, slots=True)
class Counts:
    """Documents and passages; `tail` passages were written since the current generation and are searched without an index."""

    documents: int
    passages: int
    tail: int


class Shelf:
    """Opens in a millisecond, also where nothing was indexed yet. Several threads take turns, each for a moment.

    Raises:
        InputError, StoreError, Damaged: as `Collection.open`.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._turn = Lock()
        self._db = truth.open_to_read(path)

    def close(self) -> None:
        """Let go of the file."""
        with self._turn:
            self._db.close()

    def state(self) -> State:
        """What answers now."""
        with self._snapshot():
            return State.of(self._db, self.path)

    def documents(self, ids: Iterable[str]) -> dict[str, Document]:
        """Id -> document, of those that exist, in the order asked. Raises Damaged, naming the document."""
        with self._snapshot():
            return lookup.documents(self._db, ids)

    def matching(self, where: Filter | None = None) -> list[Document]:
        """The documents that a filter lets through, or all, in the order in which they came first.

        Raises:
            Damaged: a document is not what was written; the message names it.
        """
        fits = None if where is None else predicate(where)
        with self._snapshot():
            rows = map(read_document, self._db.execute("SELECT id, title, text, meta, sha256 FROM documents ORDER BY rowid"))
            return [document for document in rows if fits is None or fits(document.meta)]

    def present(self, ids: Iterable[str]) -> set[str]:
        """Those of the ids that a document has, damaged or not."""
        with self._snapshot():
            return set(lookup.titles(self._db, ids))

    def counts(self) -> Counts:
        """How much there is."""
        covered = 0
        with suppress(Damaged):  # the next fold replaces it
            if name := generations.current(self.path):
                covered = int(durable.read_manifest(self.path / name)["covers_key"])
        with self._snapshot():
            asked = ("SELECT count(*) FROM documents", "SELECT count(*) FROM passages", "SELECT count(*) FROM passages WHERE key > ?")
            return Counts(*(self._db.execute(query, (covered,) * query.count("?")).fetchone()[0] for query in asked))

    @contextmanager
    def _snapshot(self) -> Iterator[None]:
        with self._turn, truth.explained(self.path):
            self._db.execute("BEGIN")
            try:
                yield
            finally:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
