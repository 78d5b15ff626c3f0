"""Pairs of vectors that are close to each other, without a full matrix of similarities.

Up to `EXACT_ROWS` the upper triangle is computed block by block. Beyond, rows stand in the lists of their nearest centres, and each row is
compared with what stands in the lists next to it (the inverted lists of Sivic and Zisserman, "Video Google", ICCV 2003, as a join). How
many lists that takes is measured against all rows, on a sample.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bicross.protocols import Progress
from bicross.vectors import Scores, Vectors

Rows = NDArray[np.int64]
EXACT_ROWS = 30_000
BLOCK, COLUMNS = 1_024, 8_192  # rows and columns of the triangle that are compared at once: 32 MB
SAMPLE = 1_000  # rows whose pairs are looked for among all rows, half to choose by, half to measure with
ENOUGH = 0.996  # of the pairs of the sample
DRAWN = 20_000  # pairs drawn at random to learn how alike unrelated texts are


@dataclass(frozen=True, slots=True)
class Pairs:
    """Row numbers, left < right, and similarities, all (n,), best first, ties by row. `recall` is the share of all such pairs that these
    are; `threshold` the least similarity that was looked for: higher than asked where there would have been too many.
    """

    left: Rows
    right: Rows
    scores: Scores
    threshold: float
    recall: float
    compared: int

    def __len__(self) -> int:
        return len(self.left)


def unrelated(vectors: Vectors, seed: int = 0) -> float:
    """The mean similarity of two rows drawn at random: what no relation looks like in this space."""
    left, right = np.random.default_rng(seed).integers(0, len(vectors), (2, DRAWN))
    apart = left != right
    return float(np.einsum("nd,nd->n", vectors[left[apart]], vectors[right[apart]]).mean()) if apart.any() else 0.0


def pairs_above(vectors: Vectors, threshold: float, most: int, progress: Progress, seed: int = 0) -> Pairs:
    """The pairs of rows (n, dim), of length 1 each, with a cosine of at least `threshold`; of more than `most` the best."""
    kept = _Best(threshold, most, len(vectors))
    recall, compared = 1.0, len(vectors) * (len(vectors) - 1) // 2
    lists = _Lists.of(vectors, threshold, seed) if len(vectors) > EXACT_ROWS else None
    if lists is not None:
        recall, compared = lists.recall, 0
        for done, (left, right, block) in enumerate(lists.blocks(vectors), start=1):
            compared += block.size
            kept.take(left, right, block)
            progress("lists compared", done, lists.count)
    else:
        blocks = sum(-(-(len(vectors) - start) // COLUMNS) for start in range(0, len(vectors), BLOCK))
        for done, (left, right, block) in enumerate(_triangle(vectors), start=1):
            kept.take(left, right, block)
            progress("blocks compared", done, blocks)
    return kept.pairs(recall, compared)


class _Best:
    """Keeps the best pairs; where there are too many, the threshold rises."""

    def __init__(self, threshold: float, most: int, rows: int) -> None:
        self.threshold, self._most, self._rows = threshold, most, rows
        self._codes, self._scores, self._count = list[Rows](), list[Scores](), 0

    def take(self, left: Rows, right: Rows, block: Scores) -> None:
        """Similarities (len(left), len(right)) of rows by number."""
        places = np.flatnonzero(block >= self.threshold)
        one, other = left[places // block.shape[1]], right[places % block.shape[1]]
        apart = one != other
        one, other, scores = one[apart], other[apart], block.ravel()[places[apart]]
        self._codes.append(np.minimum(one, other) * self._rows + np.maximum(one, other))
        self._scores.append(scores)
        self._count += len(scores)
        if self._count > 4 * self._most:
            self._prune()

    def pairs(self, recall: float, compared: int) -> Pairs:
        codes, scores = self._prune()
        return Pairs(codes // self._rows, codes % self._rows, scores, self.threshold, recall, compared)

    def _prune(self) -> tuple[Rows, Scores]:
        codes, first = np.unique(np.concatenate([np.empty(0, np.int64), *self._codes]), return_index=True)
        scores = np.concatenate([np.empty(0, np.float32), *self._scores])[first]
        order = np.argsort(-scores, kind="stable")[: self._most]
        if len(scores) > self._most:
            self.threshold = float(scores[order[-1]])
        self._codes, self._scores, self._count = [codes[order]], [scores[order]], len(order)
        return codes[order], scores[order]


def _triangle(vectors: Vectors) -> Iterator[tuple[Rows, Rows, Scores]]:
    for start in range(0, len(vectors), BLOCK):
        left = np.arange(start, min(start + BLOCK, len(vectors)))
        for first in range(start, len(vectors), COLUMNS):
            right = np.arange(first, min(first + COLUMNS, len(vectors)))
            yield left, right, vectors[left[0] : left[-1] + 1] @ vectors[right[0] : right[-1] + 1].T


class _Lists:
    """Rows by their nearest centres: `near` (n, probes) are each row's nearest, the first its home."""

    def __init__(self, near: NDArray[np.int32], count: int, probes: int, recall: float) -> None:
        self._near, self.count, self._probes, self.recall = near, count, probes, recall

    @classmethod
    def of(cls, vectors: Vectors, threshold: float, seed: int) -> _Lists | None:
        """Lists that hold enough of the pairs; None where that takes so many that all rows are better compared with all."""
        from bicross.indexes.faiss import centres  # here, because faiss takes 0.2 s to import and few texts never need it

        count = 2 ** round(math.log2(2 * math.sqrt(len(vectors))))
        near = _nearest(vectors, centres(vectors, count, seed), count // 8)
        sample = np.sort(np.random.default_rng(seed).choice(len(vectors), min(SAMPLE, len(vectors)), replace=False))
        ranks = np.concatenate([_ranks(near, *pairs) for pairs in _pairs_of(vectors, sample, threshold)])
        if len(ranks) < 2:
            return cls(near, count, near.shape[1], 1.0)
        probes = 1 + int(np.quantile(ranks[0::2], ENOUGH, method="higher"))
        return cls(near, count, probes, float((ranks[1::2] < probes).mean())) if probes <= near.shape[1] else None

    def blocks(self, vectors: Vectors) -> Iterator[tuple[Rows, Rows, Scores]]:
        """Of each list, those that look into it beside those that are at home there."""
        near = self._near[:, : self._probes]
        order = np.argsort(near.ravel(), kind="stable")
        ends = np.searchsorted(near.ravel()[order], np.arange(self.count + 1))
        for number in range(self.count):
            places = order[ends[number] : ends[number + 1]]
            looking, home = places // self._probes, (places // self._probes)[places % self._probes == 0]
            beside = vectors[home].T
            for start in range(0, len(looking), COLUMNS):
                part = looking[start : start + COLUMNS]
                yield part, home, vectors[part] @ beside


def _nearest(vectors: Vectors, centres: Vectors, most: int) -> NDArray[np.int32]:
    """The `most` nearest centres of each row, nearest first, (n, most)."""
    near = np.empty((len(vectors), most), dtype=np.int32)
    for start in range(0, len(vectors), COLUMNS):
        scores = vectors[start : start + COLUMNS] @ centres.T  # (part, centres)
        best = np.argpartition(-scores, most - 1, axis=1)[:, :most]
        order = np.argsort(-np.take_along_axis(scores, best, axis=1), axis=1, kind="stable")
        near[start : start + COLUMNS] = np.take_along_axis(best, order, axis=1)
    return near


def _pairs_of(vectors: Vectors, sample: Rows, threshold: float) -> Iterator[tuple[Rows, Rows]]:
    """All pairs of the sampled rows with any row."""
    for start in range(0, len(vectors), COLUMNS):
        found, other = np.nonzero(vectors[sample] @ vectors[start : start + COLUMNS].T >= threshold)
        apart = sample[found] != other + start
        yield sample[found][apart], (other + start)[apart]


def _ranks(near: NDArray[np.int32], left: Rows, right: Rows) -> Rows:
    """How many lists each pair needs, less one: as many as until one row looks into the home of the other; all, where neither does."""
    ranks = np.full(len(left), near.shape[1])
    for looking, home in ((left, right), (right, left)):
        hit = near[looking] == near[home, :1]  # (pairs, most)
        ranks = np.minimum(ranks, np.where(hit.any(axis=1), hit.argmax(axis=1), near.shape[1]))
    return ranks
