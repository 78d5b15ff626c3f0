"""Rows of a mapped file, each tested against its hash when it is first read: a large file is opened without reading it.

A row's hash is the sum of its 32-bit words times fixed odd 64-bit numbers, modulo 2^64 (multilinear hashing: Carter and Wegman,
"Universal classes of hash functions", 1979; Lemire and Kaser, "Strongly universal string hashing is fast", 2014). It finds what a disk or
memory does to rows; it is no defence against somebody who writes the file, whose whole hash stands in the manifest for `verify`.
"""

from __future__ import annotations

import mmap

import numpy as np
from numpy.typing import NDArray

from bicross.errors import Damaged
from bicross.vectors import Vectors

Hashes = NDArray[np.uint64]
CHUNK = 32_768  # rows hashed at once
RESIDENT = 8  # the file's share in memory that this index holds on to is one in so many
AROUND = 65_536  # bytes that the system maps around a place that is read (Linux: fault_around_bytes)


def row_hashes(rows: Vectors) -> Hashes:
    """A hash of each row, (n,)."""
    factors = np.asarray(np.random.PCG64(1979).random_raw(rows.shape[1]), dtype=np.uint64) | np.uint64(1)  # (dim,)
    hashes = np.empty(len(rows), dtype=np.uint64)
    for start in range(0, len(rows), CHUNK):
        words = np.ascontiguousarray(rows[start : start + CHUNK], dtype="<f4").view("<u4")
        hashes[start : start + CHUNK] = words.astype(np.uint64) @ factors
    return hashes


class MappedRows:
    """Rows (n, dim) of a mapped file and their hashes (n,). Threads may share it."""

    def __init__(self, content: object, rows: Vectors, hashes: Hashes) -> None:
        """`content` is what the rows lie in: where it is a view of a map, memory is given back as rows are read."""
        self._rows, self._hashes = rows, hashes
        self._tested = np.zeros(len(rows), dtype=bool)
        source = content.obj if isinstance(content, memoryview) else None
        self._map = source if isinstance(source, mmap.mmap) else None
        self._held = 0  # bytes mapped since memory was given back, at most

    def take(self, places: NDArray[np.int64]) -> Vectors:
        """Rows by number, (len(places), dim). Raises Damaged where one is not what was written."""
        rows = self._rows[places]  # (len(places), dim)
        fresh = ~self._tested[places]
        if fresh.any():
            new = places[fresh]
            wrong = row_hashes(rows[fresh]) != self._hashes[new]
            if wrong.any():
                bad = new[np.argmax(wrong)]
                raise Damaged(f"Row {bad} of the index's vectors is not what was written; index again, which replaces it.")
            self._tested[new] = True
        self._give_back(len(places))
        return rows

    def all(self) -> Vectors:
        """All rows, tested. Raises Damaged as `take`."""
        for start in range(0, len(self._rows), CHUNK):
            part = np.arange(start, min(start + CHUNK, len(self._rows)))
            if not self._tested[part].all():
                self.take(part)
        return self._rows

    def _give_back(self, count: int) -> None:
        """Unmap what was read, before it is a large share of the file; it stays in the system's cache as long as there is room."""
        self._held += count * AROUND
        if self._map is not None and self._held > self._rows.nbytes // RESIDENT:
            self._map.madvise(mmap.MADV_DONTNEED)
            self._held = 0
