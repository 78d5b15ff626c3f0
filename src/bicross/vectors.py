"""The only place that knows what "closer" means and how ties break."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from bicross.errors import InputError, SpaceMismatch
from bicross.records import Space

Vectors = NDArray[np.float32]
Scores = NDArray[np.float32]
Keys = NDArray[np.int64]
GROUPS = 64  # of columns, in `top_columns`


def unit(vectors: Vectors) -> Vectors:
    """Rows scaled to length 1, (n, dim). A zero row stays zero."""
    norms = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.asarray(vectors / np.maximum(norms, np.finfo(np.float32).tiny), dtype=np.float32)


def similarities(left: Vectors, right: Vectors, space: Space) -> Scores:
    """Similarity of each left row to each right row, (len(left), len(right)). Higher is closer.

    In a cosine space every vector has length 1 (`check_vectors`), so the product is the cosine.
    """
    return np.asarray(left @ right.T, dtype=np.float32)


def check_vectors(vectors: Vectors, space: Space, names: Sequence[str]) -> None:
    """Refuse vectors that would poison a search.

    Raises:
        SpaceMismatch: the width is not the space's.
        InputError: a row is not finite, is zero, or in a cosine space has not length 1; `names` names it.
    """
    if vectors.ndim != 2 or vectors.shape[1] != space.dim:
        raise SpaceMismatch(f"Vectors have shape {vectors.shape}, but space {space.fingerprint[:12]} has {space.dim} dimensions.")
    norms = np.linalg.norm(vectors, axis=1)  # (n,)
    bad = ~np.isfinite(norms) | (norms == 0)
    if space.similarity == "cosine":
        bad |= np.abs(norms - 1) > 1e-2
    if bad.any():
        row = int(np.argmax(bad))
        raise InputError(f"The model gave a vector of length {norms[row]} for {names[row]!r}; it must be finite and not zero.")


def check_scores(scores: Scores, pairs: Sequence[tuple[str, str]]) -> None:
    """Refuse scores that cannot be ordered. Raises InputError, naming the first (query, document) pair whose score is not finite."""
    bad = ~np.isfinite(scores)
    if bad.any():
        query, document = pairs[int(np.argmax(bad))]
        raise InputError(f"The model gave the score {scores[bad][0]} for {query[:60]!r} and {document[:60]!r}; its weights may be damaged.")


def top_columns(scores: Scores, k: int) -> NDArray[np.int64]:
    """Columns of the k best scores of each row, best first, ties by column, (rows, min(k, columns)).

    Only columns that can be among them are sorted: those that reach the k-th best of the maxima of disjoint groups of columns,
    which is at most the k-th best score, because k groups each hold a score that is no less.
    """
    width = scores.shape[1] // GROUPS
    if not 0 < 2 * k <= width:
        return np.argsort(-scores, axis=1, kind="stable")[:, :k]
    peaks = scores[:, : width * GROUPS].reshape(len(scores), GROUPS, width).max(axis=1)  # (rows, width)
    floors = np.partition(peaks, width - k, axis=1)[:, width - k]  # (rows,)
    best = np.empty((len(scores), k), dtype=np.int64)
    for row, (values, floor) in enumerate(zip(scores, floors, strict=True)):
        columns = np.flatnonzero(values >= floor)
        best[row] = columns[np.argsort(-values[columns], kind="stable")[:k]]
    return best


S = TypeVar("S", bound="Scored")


class Scored(Protocol):
    """A document with a score, such as a Hit."""

    @property
    def doc_id(self) -> str: ...
    @property
    def score(self) -> float: ...


def best_first(hits: Iterable[S]) -> tuple[S, ...]:
    """Higher scores first; equal scores break by id, so that a ranking is the same on every machine."""
    return tuple(sorted(hits, key=lambda hit: (-hit.score, hit.doc_id)))
