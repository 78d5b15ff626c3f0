"""What a reader sees: one snapshot of the truth a search, with the indexes of a generation and the tail written since.

The index proposes, the truth disposes: whatever an index finds is joined to live rows before it leaves, and where that
takes hits away, more are fetched. A stale index can cost time, never show a document that was deleted or changed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from heapq import nsmallest
from pathlib import Path
from threading import RLock
from typing import Any, Self
from weakref import finalize

import numpy as np

from bicross.collection import generations, lookup, spaces, truth
from bicross.collection.facts import Facts, State
from bicross.collection.matching import Memory
from bicross.collection.sides import DenseSide, LexicalSide, Source
from bicross.errors import Damaged, SpaceMismatch
from bicross.filters import Filter
from bicross.records import Passage, Space
from bicross.vectors import Keys, Scores, Vectors


class View:
    """A reader of one space. It follows what the writer commits and folds; several threads take turns.

    Raises:
        InputError: nothing was indexed yet.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._turn = RLock()
        self._depth = 0
        self._db = truth.open_to_read(path)
        self._close = finalize(self, self._db.close)  # also where an error loses the View before anyone could close it
        self._space: Space | None = None
        self._stamp: generations.Stamp = None
        self._choice = generations.Choice(None, ())
        self._dense: DenseSide | None = None
        self._lexical: LexicalSide | None = None
        self.matching = Memory()
        """What filters found; and how long they may look."""
        try:
            with self.snapshot():
                pass
        except BaseException:
            self._close()
            raise

    @property
    def space(self) -> Space:
        """The space whose vectors `nearest` expects."""
        return self._state.searched(self.path)

    @property
    def facts(self) -> Facts:
        """What the collection said at the last snapshot."""
        return self._state.facts

    @property
    def revision(self) -> int:
        """How many documents had been written at the last snapshot, deletions counted: another number, other documents."""
        return self._state.seq

    def digest(self) -> str:
        """A hash of all documents, their ids and contents."""
        found = hashlib.sha256()
        with self.snapshot():
            for doc_id, content in self._db.execute("SELECT id, sha256 FROM documents ORDER BY id"):
                found.update(hashlib.sha256(doc_id.encode()).digest() + content)
        return found.hexdigest()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the files."""
        self._close()

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """All calls inside see one state of the truth. Each method opens one by itself where none is open.

        Raises:
            SpaceMismatch: the collection was moved to another space since this View was opened.
        """
        with self._turn, truth.explained(self.path):
            if self._depth:
                yield
                return
            # Read before the snapshot begins: what was current then covers no more than the snapshot shows.
            stamp = generations.stamp(self.path)
            self._db.execute("BEGIN")
            self._depth = 1
            try:
                self._follow(stamp)
                yield
            finally:
                self._depth = 0
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")

    def nearest(self, vectors: Vectors, k: int, where: Filter | None = None) -> tuple[Keys, Scores]:
        """The k live passages nearest to each vector (queries, dim): keys and scores, both (queries, k), best first, ties by key.

        Beyond the last, the key is -1 and the score -inf. Given `where`, only passages of documents that it lets through, however rare.

        Raises:
            SpaceMismatch: the vectors have another width, or the collection was moved to another space.
            Damaged: a vector is not what was written; the message names its document.
        """
        with self.snapshot():
            if self._dense is None:
                self._dense = DenseSide(self.space, self._state.number, self._choice.generation)
            try:
                return self._best(self._dense.sources(self._db, vectors), len(vectors), k, where)
            except Damaged:  # by a row that the index had not read before, or of the truth, which raises again
                self._dense = DenseSide(self.space, self._state.number, None)
                return self._best(self._dense.sources(self._db, vectors), len(vectors), k, where)

    def lexical(self, texts: Sequence[str], k: int, where: Filter | None = None) -> tuple[Keys, Scores]:
        """The k best live passages by BM25 for each text, as `nearest` gives them; only those that share a word with it."""
        with self.snapshot():
            if self._lexical is None:
                self._lexical = LexicalSide(self._choice.generation)
            return self._best(self._lexical.sources(self._db, texts), len(texts), k, where)

    def owners(self, keys: Iterable[int]) -> dict[int, str]:
        """Key -> id of its document, of live passages; no document is read. Raises Damaged, naming the document."""
        with self.snapshot():
            return lookup.owners(self._db, keys)

    def passages(self, keys: Iterable[int]) -> dict[int, Passage]:
        """Key -> passage, live ones only, in the order asked. Raises Damaged, naming the document."""
        with self.snapshot():
            return {key: passage for key, (passage, _) in lookup.passages(self._db, keys).items()}

    def titles(self, ids: Iterable[str]) -> dict[str, str]:
        """Id -> title, of those documents that exist, in the order asked."""
        with self.snapshot():
            return lookup.titles(self._db, ids)

    def metas(self, ids: Iterable[str]) -> dict[str, dict[str, Any]]:
        """Id -> meta, of those documents that exist, in the order asked."""
        with self.snapshot():
            return lookup.metas(self._db, ids)

    def of_documents(self, ids: Iterable[str]) -> dict[str, tuple[Passage, ...]]:
        """Id -> its passages in the order of the text, of those documents that exist, in the order asked. Raises Damaged."""
        with self.snapshot():
            return lookup.passages_of(self._db, ids)

    def vectors(self, space: Space) -> tuple[Keys, Vectors]:
        """Keys (n,) and vectors (n, dim) of all live passages in a registered space, active or not.

        Raises:
            SpaceMismatch: it is not registered. Damaged: a passage has no whole vector in it; the message names its document.
        """
        with self.snapshot():
            return lookup.vectors_after(self._db, space, spaces.registered(self._db, self.path, space), 0)

    def sample(self, count: int) -> list[str]:
        """What a model reads of up to `count` live passages, evenly spread over all."""
        with self.snapshot():
            keys = [key for (key,) in self._db.execute("SELECT key FROM passages ORDER BY key")]
            return list(lookup.readings(self._db, keys[:: max(1, len(keys) // count)][:count]).values())

    def draw(self, count: int, seed: int) -> list[str]:
        """Ids of up to `count` documents that have passages, drawn at random by seed and ids alone; another document changes one."""
        with self.snapshot():
            found = (doc_id for (doc_id,) in self._db.execute("SELECT DISTINCT doc_id FROM passages ORDER BY doc_id"))
            return nsmallest(count, found, key=lambda doc_id: hashlib.blake2b(f"{seed} {doc_id}".encode(), digest_size=8).digest())

    def _follow(self, stamp: generations.Stamp) -> None:
        """Take notice of what was committed and folded since the last snapshot."""
        self._state = State.of(self._db, self.path)
        space = self._state.searched(self.path)
        if self._space not in (None, space):
            raise SpaceMismatch(
                f"{self.path} was moved to space {space.fingerprint[:12]}, of {self.facts.encoder}, while it was open; open it again."
            )
        if self._space is None or stamp != self._stamp:
            self._choice = generations.choose(self.path, space, self._state.seq, self._state.last_key)
            self._dense, self._lexical = None, None
        self._space, self._stamp = space, stamp

    def _best(self, sources: Sequence[Source], queries: int, k: int, where: Filter | None) -> tuple[Keys, Scores]:
        """The k best live proposals of all sources together, both (queries, k)."""
        wanted = None if where is None else self.matching.keys(self._db, self.revision, where)
        if wanted is not None and not len(wanted):
            return np.full((queries, k), -1, dtype=np.int64), np.full((queries, k), -np.inf, dtype=np.float32)
        found = [self._live(source, k, wanted) for source in sources] if k else []
        keys = np.concatenate([np.empty((queries, 0), dtype=np.int64), *(keys for keys, _ in found)], axis=1)
        scores = np.concatenate([np.empty((queries, 0), dtype=np.float32), *(scores for _, scores in found)], axis=1)
        order = np.lexsort((keys, -scores), axis=-1)[:, :k]  # (queries, k)
        return np.take_along_axis(keys, order, axis=1), np.take_along_axis(scores, order, axis=1)

    def _live(self, source: Source, k: int, wanted: Keys | None) -> tuple[Keys, Scores]:
        """At least the k best live proposals of one source, both (queries, k or more): as many are fetched as that takes. `wanted` are the
        live keys that may be found; None for all."""
        count = k if wanted is None else _share(k, len(wanted), source.size)
        while True:
            keys, scores = source.best(count)  # (queries, count)
            live = np.isin(keys, lookup.live_keys(self._db, np.unique(keys[keys >= 0])) if wanted is None else wanted)  # (queries, count)
            satisfied = (live.sum(axis=1) >= k) | (keys[:, -1] < 0)  # (queries,)
            if satisfied.all() or count >= source.size:
                return np.where(live, keys, -1), np.where(live, scores, np.float32(-np.inf))
            count = min(2 * count, source.size)


def _share(k: int, wanted: int, size: int) -> int:
    """How many of `size` passages to fetch first for the k best of those that are wanted, which stand anywhere among them; at least k."""
    return max(k, min(size, k * size // max(wanted, 1)))
