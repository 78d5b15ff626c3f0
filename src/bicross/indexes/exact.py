"""The exact scan: matrix products over all rows. The reference for every other index, and the fastest on few rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from bicross.errors import Damaged, InputError
from bicross.records import Space
from bicross.vectors import Keys, Scores, Vectors, check_vectors, similarities, top_columns

Content = bytes | memoryview
Item = TypeVar("Item", bound=np.generic)
QUERY_CHUNK, ROW_CHUNK = 256, 32_768  # one block of scores takes at most 32 MB


class ExactIndex:
    """Rows in the order of their keys, in memory or mapped from a file; scores are exact float32 products."""

    kind = "exact"
    recall = None  # it finds all

    def __init__(self, space: Space) -> None:
        self._space = space
        self._hold(np.empty(0, dtype=np.int64), np.empty((0, space.dim), dtype=np.float32))

    @property
    def space(self) -> Space:
        return self._space

    @property
    def rows(self) -> tuple[Keys, Vectors]:
        """Keys, ascending, (n,), and their vectors, (n, dim)."""
        return self._rows

    def __len__(self) -> int:
        return len(self._rows[0])

    def add(self, keys: Keys, vectors: Vectors) -> None:
        """Add rows, (n,) and (n, dim); all of them, or on an error none.

        Raises:
            SpaceMismatch: the vectors have another width.
            InputError: a key is negative, stands twice or is here already; or a vector is refused by `check_vectors`.
        """
        keys, vectors = checked_rows(keys, vectors, self._space)
        held, _ = self._rows
        present = keys[np.isin(keys, held, assume_unique=True)]
        if len(present):
            raise InputError(f"Key {present[0]} is in the index already; remove it first, or use a key that was never used.")
        order = np.argsort(keys)
        if len(keys) and len(held) and keys[order[0]] < held[-1]:
            keys, vectors = np.concatenate([held, keys]), np.concatenate([self._rows[1], vectors])
            order = np.argsort(keys)
            self._hold(keys[order], vectors[order])
        elif len(keys):
            self._append(keys[order], vectors[order])

    def remove(self, keys: Keys) -> None:
        """Remove rows by key, (n,); all of them, or on an error none.

        Raises:
            InputError: a key is not in the index, or stands twice. Ignoring it would hide that index and collection disagree.
        """
        gone = self.positions(keys)
        kept = np.ones(len(self), dtype=bool)
        kept[gone] = False
        self._hold(self._rows[0][kept], self._rows[1][kept])

    def positions(self, keys: Keys) -> NDArray[np.int64]:
        """Row numbers of keys, (n,). Raises InputError for a key that is not here or stands twice."""
        keys = np.asarray(keys, dtype=np.int64)
        held, _ = self._rows
        unknown = keys[~np.isin(keys, held)]
        if len(unknown):
            raise InputError(f"Key {unknown[0]} is not in the index of {len(held)} rows; remove only keys that were added.")
        if len(np.unique(keys)) < len(keys):
            raise InputError("A key stands twice in one removal; name each key once.")
        return np.searchsorted(held, keys)

    def search(self, vectors: Vectors, k: int) -> tuple[Keys, Scores]:
        """Keys and scores of the k nearest rows of each vector, both (queries, k), best first, ties by key.

        Where fewer than k rows exist, the key is -1 and the score -inf.

        Raises:
            SpaceMismatch: the vectors have another width.
            InputError: k is negative, or a vector is refused by `check_vectors`.
        """
        vectors = checked_queries(vectors, k, self._space)
        rows = self._rows
        found_keys, found_scores = nothing_found(len(vectors), k)
        width = min(k, len(rows[0]))
        for start in range(0, len(vectors) if width else 0, QUERY_CHUNK):
            part = slice(start, start + QUERY_CHUNK)
            found_keys[part, :width], found_scores[part, :width] = _scan(vectors[part], *rows, width, self._space)
        return found_keys, found_scores

    def save(self) -> dict[str, Content]:
        """Files by name, little-endian: keys int64 and vectors float32, in the order of the keys. Nothing is copied."""
        keys, vectors = self._rows
        return {"keys.i64": _bytes(keys.astype("<i8", copy=False)), "vectors.f32": _bytes(vectors.astype("<f4", copy=False))}

    @classmethod
    def load(cls, space: Space, files: Mapping[str, Content]) -> Self:
        """The index that `save` wrote. Nothing is copied: the rows stay where `files` has them.

        Raises:
            Damaged: a file is missing, or the sizes do not fit each other and the space.
        """
        try:
            keys = np.frombuffer(files["keys.i64"], dtype="<i8")  # (n,)
            vectors = np.frombuffer(files["vectors.f32"], dtype="<f4").reshape(len(keys), space.dim)  # (n, dim)
        except (KeyError, ValueError) as error:
            raise Damaged(
                f"The index's keys and vectors do not fit a space of {space.dim} dimensions ({error}); build it again."
            ) from error
        index = cls(space)
        index._hold(keys, vectors)
        return index

    def _hold(self, keys: Keys, vectors: Vectors) -> None:
        self._key_room, self._vector_room = keys, vectors
        self._rows = keys, vectors

    def _append(self, keys: Keys, vectors: Vectors) -> None:
        count, total = len(self), len(self) + len(keys)
        if total > len(self._key_room):  # at least doubled, so that adding rows one by one takes linear time
            room = max(total, 2 * count)
            self._key_room = _moved(self._key_room[:count], room)
            self._vector_room = _moved(self._vector_room[:count], room)
        self._key_room[count:total] = keys
        self._vector_room[count:total] = vectors
        self._rows = self._key_room[:total], self._vector_room[:total]  # one assignment: a search sees all new rows or none


def checked_rows(keys: Keys, vectors: Vectors, space: Space) -> tuple[Keys, Vectors]:
    """Keys and vectors as `add` stores them, (n,) and (n, dim). Raises as `ExactIndex.add` does."""
    keys = np.asarray(keys, dtype=np.int64)
    vectors = np.ascontiguousarray(vectors, dtype=np.float32)
    if len(keys) != len(vectors):
        raise InputError(f"Found {len(keys)} keys for {len(vectors)} vectors; expected one key for each.")
    if len(keys) and keys.min() < 0:
        raise InputError(f"Key {keys.min()} is negative; keys count from 0.")
    if len(np.unique(keys)) < len(keys):
        values, counts = np.unique(keys, return_counts=True)
        raise InputError(f"Key {values[counts > 1][0]} stands twice in one call; keys are unique.")
    for start in range(0, max(1, len(keys)), ROW_CHUNK):  # in parts, for the check squares what it is given
        part = slice(start, start + ROW_CHUNK)
        check_vectors(vectors[part], space, [f"key {key}" for key in keys[part]])
    return keys, vectors


def checked_queries(vectors: Vectors, k: int, space: Space) -> Vectors:
    """Query vectors as a search reads them, (queries, dim). Raises as `ExactIndex.search` does."""
    if k < 0:
        raise InputError(f"k is {k}; expected 0 or more.")
    vectors = np.ascontiguousarray(vectors, dtype=np.float32)
    check_vectors(vectors, space, [f"query {row}" for row in range(len(vectors))])
    return vectors


def nothing_found(queries: int, k: int) -> tuple[Keys, Scores]:
    """Results before any is known: keys -1 and scores -inf, both (queries, k)."""
    return np.full((queries, k), -1, dtype=np.int64), np.full((queries, k), -np.inf, dtype=np.float32)


def _scan(queries: Vectors, keys: Keys, vectors: Vectors, k: int, space: Space) -> tuple[Keys, Scores]:
    """The k best of n >= k rows, both (queries, k): the best of each chunk of rows meet the best so far."""
    best_keys, best_scores = nothing_found(len(queries), 0)
    for start in range(0, len(keys), ROW_CHUNK):
        scores = similarities(queries, vectors[start : start + ROW_CHUNK], space)  # (queries, chunk)
        columns = top_columns(scores, k)  # (queries, min(k, chunk))
        # Keys ascend from chunk to chunk, so a stable sort leaves equal scores in the order of their keys.
        best_keys = np.concatenate([best_keys, keys[start + columns]], axis=1)
        best_scores = np.concatenate([best_scores, np.take_along_axis(scores, columns, axis=1)], axis=1)
        order = np.argsort(-best_scores, axis=1, kind="stable")[:, :k]
        best_keys, best_scores = np.take_along_axis(best_keys, order, axis=1), np.take_along_axis(best_scores, order, axis=1)
    return best_keys, best_scores


def _bytes(array: NDArray[Item]) -> memoryview:
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8).data


def _moved(array: NDArray[Item], length: int) -> NDArray[Item]:
    room = np.empty((length, *array.shape[1:]), dtype=array.dtype)
    room[: len(array)] = array
    return room
