"""Which index holds how many rows, and how a stored one is opened again by its kind."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol

from bicross.errors import Damaged
from bicross.indexes.exact import Content, ExactIndex
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


class StoredIndex(Index, Protocol):
    """An Index that says its kind, which `open_index` needs beside its files."""

    @property
    def kind(self) -> str: ...


def build_index(space: Space, keys: Keys, vectors: Vectors) -> StoredIndex:
    """An index of n rows, (n,) and (n, dim): exact up to `EXACT_ROWS`, beyond them 4-bit codes with exact refinement.

    Raises:
        SpaceMismatch: the vectors have another width.
        InputError: a key is negative or stands twice, or a vector is refused by `check_vectors`.
    """
    index = ExactIndex(space) if len(keys) <= EXACT_ROWS else _pq()(space)
    index.add(keys, vectors)
    return index


def open_index(space: Space, kind: str, files: Mapping[str, Content]) -> StoredIndex:
    """The index of that kind that `save` wrote, mapped where it can be. The files' hashes must have been checked.

    Raises:
        Damaged: the kind is unknown, or the files do not fit it or the space.
    """
    if kind == ExactIndex.kind:
        return ExactIndex.load(space, files)
    if kind == "pq":
        return _pq().load(space, files)
    raise Damaged(f"The index is of kind {kind!r}, which this version does not know (exact, pq); build it again.")


def _pq() -> type[PQIndex]:
    from bicross.indexes.faiss import PQIndex  # here, because faiss takes 0.2 s to import and small collections never need it

    return PQIndex
