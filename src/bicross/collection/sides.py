"""The two ways to find passages, by vectors and by words: each an index out of a generation, and a tail of what came after it.

Indexes are opened and tails are filled when first asked, so that opening a collection reads no rows and imports no engine.
A side may propose passages that are gone by now; the View sorts them out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from bicross.collection import lookup
from bicross.collection.generations import Generation
from bicross.collection.rows import chunks
from bicross.collection.truth import Database
from bicross.errors import BicrossError
from bicross.records import Space
from bicross.vectors import Keys, Scores, Vectors

if TYPE_CHECKING:  # imported where they are first needed: together they take 0.3 s
    from bicross.indexes.bm25 import BM25Index
    from bicross.protocols import Index


@dataclass(frozen=True, slots=True)
class Source:
    """One index, asked one batch of queries: `best(k)` gives keys and scores, both (queries, k), key -1 where there is none."""

    size: int
    best: Callable[[int], tuple[Keys, Scores]]


class DenseSide:
    """Nearest vectors of one space. Without an index that can be used, all of the truth's vectors are the tail."""

    def __init__(self, space: Space, number: int, generation: Generation | None) -> None:
        from bicross.indexes.exact import ExactIndex

        self._space, self._number = space, number
        self._tail = ExactIndex(space)
        self._index = open_dense(generation) if generation else None
        self._end = generation.covers_key if generation and self._index is not None else 0

    def sources(self, db: Database, vectors: Vectors) -> list[Source]:
        """What to ask for these vectors, (queries, dim), after the tail has taken in what was written."""
        keys, rows = lookup.vectors_after(db, self._space, self._number, self._end)
        if len(keys):
            self._tail.add(keys, rows)
            self._end = int(keys[-1])
        indexes: list[Index] = [self._tail] if self._index is None else [self._index, self._tail]
        return [Source(len(index), partial(index.search, vectors)) for index in indexes]


class LexicalSide:
    """BM25. Without an index that can be used, all of the truth's texts are the tail."""

    def __init__(self, generation: Generation | None) -> None:
        from bicross.indexes.bm25 import Tail
        from bicross.indexes.words import Words

        self._tail = Tail(Words())
        self._index = open_lexical(generation) if generation else None
        self._end = generation.covers_key if generation and self._index is not None else 0

    def sources(self, db: Database, texts: Sequence[str]) -> list[Source]:
        """What to ask for these texts, after the tail has taken in what was written."""
        keys = [key for (key,) in db.execute("SELECT key FROM passages WHERE key > ? ORDER BY key", (self._end,))]
        for part in chunks(keys):
            self._tail.add(np.array(part, dtype=np.int64), lookup.readings(db, part).values())
            self._end = part[-1]
        tail = Source(len(self._tail), partial(self._tail.search, texts, index=self._index))
        return [tail] if self._index is None else [Source(len(self._index), partial(self._index.search, texts)), tail]


def open_dense(generation: Generation) -> Index | None:
    """The generation's index of vectors; None where this version cannot read it, though its bytes are whole."""
    from bicross.indexes.choose import open_index

    try:
        return open_index(generation.space, generation.dense_kind, generation.part("dense"))
    except BicrossError:  # of another version: what is found is the same without it, and the next fold replaces it
        return None


def open_lexical(generation: Generation) -> BM25Index | None:
    """The generation's index of words; None where this version cannot read it, though its bytes are whole."""
    from bicross.indexes.bm25 import BM25Index
    from bicross.indexes.words import Words

    try:
        return BM25Index.load(generation.part("lexical"), Words())
    except BicrossError:
        return None
