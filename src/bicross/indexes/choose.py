"""Which index holds how many rows, and how a stored one is opened again by its kind."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol

from bicross.errors import Damaged
from bicross.indexes.exact import Content, ExactIndex
from bicross.indexes.recall import TESTING, Probes, Recall, sampled
from bicross.protocols import Index
from bicross.records import Space
from bicross.vectors import Keys, Vectors

if TYPE_CHECKING:
    from bicross.indexes.faiss import PQIndex

EXACT_ROWS = 50_000
"""Rows up to which the exact scan is used. There, at 384 dimensions on two cores, one query takes 4 ms (codes: 0.5) and one of
a batch 0.3 ms (codes: 0.4); with recall 1, and both far below what encoding and reranking take. The flat index of faiss
took 8 and 2 ms, so it has no place here.
"""
CODED_ROWS = 4_000_000
"""Rows up to which all codes are scanned, 2 ms a million; beyond, only the lists that are nearest to a query."""


class StoredIndex(Index, Protocol):
    """An Index that says its kind, which `open_index` needs beside its files, and what recall was measured; None where it is exact."""

    @property
    def kind(self) -> str: ...
    @property
    def recall(self) -> Recall | None: ...


def build_index(space: Space, keys: Keys, vectors: Vectors, probes: Probes | None = None) -> StoredIndex:
    """An index of n rows, (n,) and (n, dim): exact up to `EXACT_ROWS`, beyond them 4-bit codes in two steps and exact products, tuned to
    find what the exact scan finds for `probes`, or else for a sample of the rows.

    Raises:
        SpaceMismatch: the vectors have another width.
        InputError: a key is negative or stands twice, or a vector is refused by `check_vectors`.
    """
    if len(keys) <= EXACT_ROWS:
        exact = ExactIndex(space)
        exact.add(keys, vectors)
        return exact
    coded = _pq()(space, lists=lists_of(len(keys)))
    coded.add(keys, vectors)
    coded.tune(probes if probes is not None and len(probes.vectors) else sampled(vectors, "passages"))
    return coded


def lists_of(rows: int) -> int:
    """How many lists so many rows are put in; 0 where all codes are scanned."""
    return 0 if rows <= CODED_ROWS else 2 ** round(math.log2(2 * math.sqrt(rows)))


def open_index(space: Space, kind: str, files: Mapping[str, Content]) -> StoredIndex:
    """The index of that kind that `save` wrote, mapped where it can be. The files' hashes must have been checked; of the kinds
    `TESTING`, all but those of `READ_LATER`.

    Raises:
        Damaged: the kind is unknown, or the files do not fit it or the space.
    """
    if kind == ExactIndex.kind:
        return ExactIndex.load(space, files)
    if kind in TESTING:
        return _pq().load(space, files)
    raise Damaged(f"The index is of kind {kind!r}, which this version does not know (exact, pq, ivf); build it again.")


def _pq() -> type[PQIndex]:
    from bicross.indexes.faiss import PQIndex  # here, because faiss takes 0.2 s to import and small collections never need it

    return PQIndex
