"""Rows of a mapped file, each tested against its hash when it is first read: a large file is opened without reading it.

A row's hash is the sum of its 32-bit words times fixed odd 64-bit numbers, modulo 2^64 (multilinear hashing: Carter and Wegman,
"Universal classes of hash functions", 1979; Lemire and Kaser, "Strongly universal string hashing is fast", 2014). It finds what a disk or
memory does to rows; it is no defence against somebody who writes the file, whose whole hash stands in the manifest for `verify`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bicross.durable import InParts
from bicross.errors import Damaged
from bicross.vectors import Vectors

Hashes = NDArray[np.uint64]
CHUNK = 32_768  # rows hashed at once


def row_hashes(rows: Vectors) -> Hashes:
    """A hash of each row, (n,)."""
    factors = np.asarray(np.random.PCG64(1979).random_raw(rows.shape[1]), dtype=np.uint64) | np.uint64(1)  # (dim,)
    hashes = np.empty(len(rows), dtype=np.uint64)
    for start in range(0, len(rows), CHUNK):
        words = np.ascontiguousarray(rows[start : start + CHUNK], dtype="<f4").view("<u4")
        np.einsum("nd,d->n", words, factors, out=hashes[start : start + CHUNK])  # its buffers stay in the cache, a converted copy does not
    return hashes


class MappedRows:
    """Rows (n, dim) of a mapped file and their hashes (n,). Threads may share it."""

    def __init__(self, content: object, rows: Vectors, hashes: Hashes) -> None:
        """`content` is what the rows lie in."""
        self._rows, self._hashes = rows, hashes
        self._tested = np.zeros(len(rows), dtype=bool)
        source = content.obj if isinstance(content, memoryview) else None
        self._file = source if isinstance(source, InParts) else None

    def take(self, places: NDArray[np.int64]) -> Vectors:
        """Rows by number, (len(places), dim). Raises Damaged where one is not what was written."""
        rows = self._rows[places] if self._file is None else self._read(self._file, places)  # (len(places), dim)
        fresh = ~self._tested[places]
        if fresh.any():
            new = places[fresh]
            wrong = row_hashes(rows if fresh.all() else rows[fresh]) != self._hashes[new]
            if wrong.any():
                bad = new[np.argmax(wrong)]
                raise Damaged(f"Row {bad} of the index's vectors is not what was written; index again, which replaces it.")
            self._tested[new] = True
        return rows

    def all(self) -> Vectors:
        """All rows, tested. Raises Damaged as `take`."""
        for start in range(0, len(self._rows), CHUNK):
            part = np.arange(start, min(start + CHUNK, len(self._rows)))
            if not self._tested[part].all():
                self.take(part)
        return self._rows

    def _read(self, file: InParts, places: NDArray[np.int64]) -> Vectors:
        width = 4 * self._rows.shape[1]
        rows = np.empty((len(places), self._rows.shape[1]), dtype="<f4")
        cut = file.read_parts(rows.reshape(-1).view(np.uint8).data, (places * width).tolist(), width)
        if cut is not None:
            raise Damaged(f"Row {cut // width} of the index's vectors cannot be read whole; index again, which replaces it.")
        return rows
