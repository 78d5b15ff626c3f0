"""Groups of texts: communities around a text that many are close to, the levels of a hierarchy, and what hangs together by pairs."""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from bicross.analysis.neighbours import Pairs, Rows
from bicross.vectors import Vectors, unit

Groups = list[list[int]]
"""Row numbers of each group, the most typical first; the largest group first."""
FINE = 2_000  # groups that a hierarchy begins with where there are more rows


def communities(vectors: Vectors, pairs: Pairs, least: int) -> Groups:
    """Groups of at least `least` rows, each of which is near one row, the centre; each row is in one group at most.

    The row with the most near rows that are in no group yet is the next centre, as in the fast clustering of sentence-transformers,
    which counts before it takes rows away.
    """
    count = len(vectors)
    one, other = np.concatenate([pairs.left, pairs.right]), np.concatenate([pairs.right, pairs.left])
    order = np.argsort(one, kind="stable")
    near, ends = other[order], np.searchsorted(one[order], np.arange(count + 1))
    free = np.ones(count, dtype=bool)
    waiting = [(-int(size), row) for row, size in enumerate(np.diff(ends)) if size + 1 >= least]
    heapq.heapify(waiting)
    found: Groups = []
    while waiting:
        expected, centre = heapq.heappop(waiting)
        if not free[centre]:
            continue
        members = near[ends[centre] : ends[centre + 1]]
        members = members[free[members]]
        if len(members) + 1 < least:
            continue
        if len(members) < -expected:  # some were taken since; others may have more now
            heapq.heappush(waiting, (-len(members), centre))
            continue
        group = np.append(members, centre)
        free[group] = False
        found.append(typical_first(vectors, group))
    return sorted(found, key=lambda group: (-len(group), group[0]))


def hierarchy(vectors: Vectors, count: int | None, threshold: float, least: int, seed: int = 0) -> Groups:
    """`count` groups by average linkage of cosines, or else those whose members have a mean cosine of about `threshold`; those of at least
    `least` rows.

    Of more than `FINE` rows, fine groups are made by spherical k-means first, and the linkage joins their centres.
    """
    from scipy.cluster.hierarchy import fcluster, linkage  # here, because scipy takes 0.2 s to import

    fine, points = np.arange(len(vectors)), vectors
    if len(vectors) > FINE:
        from bicross.indexes.faiss import centres

        points = centres(vectors, FINE, seed)
        parts = range(0, len(vectors), FINE)
        fine = np.concatenate([(vectors[start : start + FINE] @ points.T).argmax(axis=1) for start in parts])
    if len(points) < 2:
        labels = np.ones(len(points), dtype=np.int64)
    else:
        tree = linkage(points, method="average", metric="cosine")
        labels = fcluster(tree, count, "maxclust") if count else fcluster(tree, 1 - threshold, "distance")
    return _split(vectors, labels[fine], least)


def linked(vectors: Vectors, left: Sequence[int] | Rows, right: Sequence[int] | Rows) -> Groups:
    """Rows that a chain of pairs links, at least two each."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    matrix = coo_array((np.ones(len(left), dtype=bool), (np.asarray(left), np.asarray(right))), shape=(len(vectors), len(vectors)))
    return _split(vectors, connected_components(matrix, directed=False)[1], 2)


def typical_first(vectors: Vectors, rows: Rows) -> list[int]:
    """The rows by their similarity to the mean of all, highest first; the first stands for the group."""
    rows = np.sort(rows)
    scores = vectors[rows] @ unit(vectors[rows].mean(axis=0, keepdims=True))[0]
    return [int(row) for row in rows[np.argsort(-scores, kind="stable")]]


def _split(vectors: Vectors, labels: NDArray[np.int64], least: int) -> Groups:
    order = np.argsort(labels, kind="stable")
    parts = np.split(order, np.flatnonzero(np.diff(labels[order])) + 1)
    found = [typical_first(vectors, part) for part in parts if len(part) >= least]
    return sorted(found, key=lambda group: (-len(group), group[0]))


def layout(vectors: Vectors, groups: Groups, rounds: int = 400) -> Iterator[tuple[float, float, float]]:
    """A circle for each group, x, y and radius: area by size, places by how alike the groups are, none over another.

    Places are the principal coordinates of the groups' means (Gower, "Some distance properties of latent root and vector methods", 1966),
    then circles that overlap are pushed apart.
    """
    means = unit(np.stack([vectors[group].mean(axis=0) for group in groups]))  # (groups, dim)
    centred = means - means.mean(axis=0)
    left, sizes, _ = np.linalg.svd(centred, full_matrices=False)
    places = np.zeros((len(groups), 2))
    places[:, : min(2, left.shape[1])] = (left * sizes)[:, :2]
    radii = np.sqrt([len(group) for group in groups])
    spread = np.abs(places).max() or 1.0
    places *= 1.2 * math.sqrt(float((radii**2).sum())) / spread
    places += 1e-3 * np.random.default_rng(0).normal(size=places.shape)  # groups with one mean must not stay on each other
    for _ in range(rounds):
        apart = places[:, None] - places[None]  # (groups, groups, 2)
        distances = np.sqrt((apart**2).sum(axis=2)) + np.eye(len(groups))
        lacking = np.maximum(0, 1.06 * (radii[:, None] + radii[None]) - distances) * (1 - np.eye(len(groups)))
        if not lacking.any():
            break
        places += 0.5 * (apart / distances[:, :, None] * lacking[:, :, None]).sum(axis=1) / 2
    yield from ((float(x), float(y), float(radius)) for (x, y), radius in zip(places, radii, strict=True))
