"""Which labels the nearest known texts have, and how strongly (weighted nearest neighbours: Dudani 1976)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bicross.vectors import Vectors, top_columns

Rows = NDArray[np.int64]
NEIGHBOURS = 20
SHARPNESS = 0.02  # cosine by which a neighbour may be farther before it counts e times less
BLOCK = 512  # texts that are compared with all known ones at once


class Candidate(NamedTuple):
    """A label with its share of the neighbours' votes, and its nearest known text: row and cosine."""

    label: int
    vote: float
    row: int
    cosine: float


def candidates(
    vectors: Vectors, known: Vectors, labels: Rows, count: int, own: Rows | None = None, without_label: bool = False
) -> list[list[Candidate]]:
    """For each vector (n, dim) up to `count` labels (known,), most voted for first, of its nearest known vectors (known, dim).

    `own` (n,) names the row that each text itself is, which is left out; `without_label` leaves out all of its label.
    """
    found = list[list[Candidate]]()
    for start in range(0, len(vectors), BLOCK):
        cosines = vectors[start : start + BLOCK] @ known.T  # (block, known)
        if own is not None:
            mine = own[start : start + BLOCK]
            cosines[np.arange(len(mine)), mine] = -np.inf
            if without_label:
                cosines[labels[None, :] == labels[mine][:, None]] = -np.inf
        best = top_columns(cosines, NEIGHBOURS)  # (block, neighbours)
        for row, columns in enumerate(best):
            near = columns[np.isfinite(cosines[row, columns])]
            found.append(_voted(near, cosines[row, near], labels)[:count])
    return found


def _voted(near: Rows, cosines: NDArray[np.float32], labels: Rows) -> list[Candidate]:
    if not len(near):
        return []
    weights = np.exp((cosines - cosines[0]) / SHARPNESS)
    votes: dict[int, Candidate] = {}
    for row, weight, cosine in zip(near.tolist(), (weights / weights.sum()).tolist(), cosines.tolist(), strict=True):
        label = int(labels[row])
        old = votes.get(label)
        votes[label] = Candidate(label, weight, row, cosine) if old is None else old._replace(vote=old.vote + weight)
    return sorted(votes.values(), key=lambda one: (-one.vote, one.row))


def numbered(labels: Sequence[str]) -> tuple[list[str], Rows]:
    """The different labels, and the number of each row's, (rows,)."""
    names = list(dict.fromkeys(labels))
    place = {name: number for number, name in enumerate(names)}
    return names, np.array([place[label] for label in labels], dtype=np.int64)
