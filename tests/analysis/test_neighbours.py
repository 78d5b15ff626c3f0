"""Pairs above a threshold, against the full matrix."""

from __future__ import annotations

import numpy as np
import pytest

from bicross.analysis import neighbours
from bicross.analysis.neighbours import pairs_above, unrelated
from bicross.vectors import Vectors, unit


def silent(what: str, done: int, total: int) -> None: ...


def families(count: int, of: int = 4, dim: int = 32, seed: int = 0) -> Vectors:
    """`count` rows in families of `of`, whose members are close."""
    random = np.random.default_rng(seed)
    heads = np.repeat(random.normal(size=(-(-count // of), dim)), of, axis=0)[:count]
    return unit((heads + 0.25 * random.normal(size=(count, dim))).astype(np.float32))


def full(vectors: Vectors, threshold: float) -> dict[tuple[int, int], float]:
    scores = vectors @ vectors.T
    left, right = np.nonzero(np.triu(scores >= threshold, 1))
    return {(int(a), int(b)): float(scores[a, b]) for a, b in zip(left, right, strict=True)}


@pytest.mark.parametrize("blocks", [(1_024, 8_192), (7, 11)])
def test_the_triangle_finds_all_pairs_best_first(monkeypatch: pytest.MonkeyPatch, blocks: tuple[int, int]) -> None:
    monkeypatch.setattr(neighbours, "BLOCK", blocks[0])
    monkeypatch.setattr(neighbours, "COLUMNS", blocks[1])
    vectors = families(200)
    found, expected = pairs_above(vectors, 0.8, 10_000, silent), full(vectors, 0.8)
    assert dict.fromkeys(zip(found.left.tolist(), found.right.tolist(), strict=True)) == dict.fromkeys(
        sorted(expected, key=lambda pair: (-round(expected[pair], 5), pair))
    )
    assert (np.diff(found.scores) <= 0).all() and found.recall == 1.0 and found.compared == 200 * 199 // 2


def test_the_best_are_kept_where_there_are_too_many() -> None:
    vectors = families(2_000)
    expected = sorted(full(vectors, 0.0).values(), reverse=True)[:300]
    found = pairs_above(vectors, 0.0, 300, silent)
    assert found.scores == pytest.approx(expected, abs=1e-6)
    assert found.threshold == pytest.approx(expected[-1], abs=1e-6)


def test_lists_find_what_the_triangle_finds_with_fewer_comparisons(monkeypatch: pytest.MonkeyPatch) -> None:
    vectors = families(6_000)
    expected = full(vectors, 0.85)
    monkeypatch.setattr(neighbours, "EXACT_ROWS", 1_000)
    found = pairs_above(vectors, 0.85, 100_000, silent)
    mine = set(zip(found.left.tolist(), found.right.tolist(), strict=True))
    assert len(mine) == len(found) and mine <= expected.keys()
    assert len(mine) >= 0.99 * len(expected) and found.recall >= 0.99
    assert found.compared < 6_000 * 5_999 / 4


def test_where_lists_would_not_do_all_rows_are_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    vectors = unit(np.random.default_rng(0).normal(size=(1_500, 32)).astype(np.float32))
    monkeypatch.setattr(neighbours, "EXACT_ROWS", 1_000)
    found = pairs_above(vectors, 0.2, 10**6, silent)
    assert (len(found), found.recall) == (len(full(vectors, 0.2)), 1.0)


def test_rows_that_are_equal_and_rows_that_are_few() -> None:
    assert len(pairs_above(np.ones((3, 1), dtype=np.float32), 0.9, 10, silent)) == 3
    assert len(pairs_above(families(2), 1.1, 10, silent)) == 0
    assert unrelated(np.repeat(families(1), 5, axis=0)) == pytest.approx(1.0)
    assert abs(unrelated(families(3_000))) < 0.05
