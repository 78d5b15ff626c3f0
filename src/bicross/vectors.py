"""The only place that knows what "closer" means and how ties break."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from bicross.errors import InputError, SpaceMismatch
from bicross.records import Hit, Space

Vectors = NDArray[np.float32]
Scores = NDArray[np.float32]
Keys = NDArray[np.int64]
T = TypeVar("T")


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


def top_columns(scores: Scores, k: int) -> NDArray[np.int64]:
    """Columns of the k best scores of each row, best first, ties by column, (rows, min(k, columns))."""
    k = min(k, scores.shape[1])
    if k == 0:
        return np.zeros((len(scores), 0), dtype=np.int64)
    if k < scores.shape[1]:
        # The k-th best score; everything above it is in, and ties at it are broken by column below.
        kth = -np.partition(-scores, k - 1, axis=1)[:, k - 1 : k]  # (rows, 1)
        best = np.empty((len(scores), k), dtype=np.int64)
        for row, (values, edge) in enumerate(zip(scores, kth[:, 0], strict=True)):
            columns = np.flatnonzero(values >= edge)
            best[row] = columns[np.argsort(-values[columns], kind="stable")][:k]
        return best
    return np.argsort(-scores, axis=1, kind="stable")


def best_first(hits: Iterable[Hit]) -> tuple[Hit, ...]:
    """Higher scores first; equal scores break by id, so that a ranking is the same on every machine."""
    return tuple(sorted(hits, key=lambda hit: (-hit.score, hit.doc_id)))
