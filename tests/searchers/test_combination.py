"""The fitted combination: features by hand, the gradient by finite differences, and worlds whose weights are known."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from bicross.records import Hit, Stage
from bicross.searchers.combination import FEATURES, Table, _loss, combine, features, fit

Numbers = NDArray[np.float64]


def hit(name: str, rank: int, **scores: float) -> Hit:
    stages = {stage: Stage(1, score) for stage, score in scores.items()}
    return Hit(name, 0.0, None, {**stages, "fused": Stage(rank, 0.0)})


def test_features_by_hand() -> None:
    hits = [hit("a", 1, lexical=3.0, dense=0.5), hit("b", 2, dense=0.5), hit("c", 3, lexical=1.0, dense=0.5)]
    table = features(hits)
    assert table.shape == (3, len(FEATURES))
    root = math.sqrt(2)
    assert table[:, FEATURES.index("lexical")] == pytest.approx([root, -1 / root, -1 / root]), "what is missing counts as the lowest"
    assert not table[:, FEATURES.index("dense")].any(), "what is the same for all says nothing"
    assert not table[:, FEATURES.index("late")].any(), "nor does what no candidate has"
    ranks = np.array([-math.log(rank + 5) for rank in (1, 2, 3)])
    assert table[:, FEATURES.index("rank")] == pytest.approx((ranks - ranks.mean()) / ranks.std())


@given(st.lists(st.tuples(*[st.none() | st.floats(-1e3, 1e3)] * 4), min_size=1, max_size=12))
def test_features_are_standardised_or_nothing(rows: list[tuple[float | None, ...]]) -> None:
    names = ("lexical", "dense", "late", "rerank")
    hits = [
        hit(str(number), number, **{name: value for name, value in zip(names, row, strict=True) if value is not None})
        for number, row in enumerate(rows, start=1)
    ]
    table = features(hits)
    assert np.isfinite(table).all()
    for column in table.T:
        assert column.mean() == pytest.approx(0, abs=1e-4)
        assert column.std() == pytest.approx(1, abs=1e-4) or not column.any()


def test_the_combination_is_the_weighted_sum() -> None:
    hits = [hit("a", 2, lexical=1.0, rerank=-1.0), hit("b", 1, lexical=2.0, rerank=4.0)]
    weights = {"lexical": 0.5, "rerank": 2.0, "unknown": 9.0}
    expected = features(hits) @ np.array([0.5, 0, 0, 0, 2.0])
    assert combine(hits, weights) == pytest.approx(expected)
    assert not combine(hits, {}).any()


SMALL = st.floats(-3, 3)


@settings(max_examples=50)
@given(arrays(np.float64, len(FEATURES), elements=SMALL), arrays(np.float64, (3, 4, len(FEATURES)), elements=SMALL), st.integers(0, 3))
def test_the_gradient_is_that_of_finite_differences(weights: Numbers, tables: NDArray[np.float64], best: int) -> None:
    target = np.eye(4)[best]
    lists = [(table, target) for table in tables]
    _, slope = _loss(weights, lists, 0.01)
    step = 1e-6
    for place in range(len(FEATURES)):
        up, down = (weights + sign * step * np.eye(len(FEATURES))[place] for sign in (1, -1))
        numeric = (_loss(up, lists, 0.01)[0] - _loss(down, lists, 0.01)[0]) / (2 * step)
        assert slope[place] == pytest.approx(numeric, abs=1e-6)


def test_the_loss_by_hand() -> None:
    table = np.zeros((4, len(FEATURES)))
    value, slope = _loss(np.zeros(len(FEATURES)), [(table, np.eye(4)[0])], 0.01)
    assert value == pytest.approx(math.log(4)), "four candidates of equal score"
    assert not slope.any()


def planted(signal: dict[str, float], queries: int = 300, seed: int = 0) -> tuple[list[Table], list[Numbers]]:
    """Queries of ten candidates with random features; the relevant one is drawn by the softmax of `signal`."""
    rng = np.random.default_rng(seed)
    true = np.array([signal.get(name, 0.0) for name in FEATURES])
    tables, grades = [], []
    for _ in range(queries):
        table = rng.standard_normal((10, len(FEATURES)))
        chances = np.exp(table @ true)
        tables.append(table)
        grades.append(np.eye(10)[rng.choice(10, p=chances / chances.sum())])
    return tables, grades


@pytest.mark.parametrize("seed", range(3))
def test_a_planted_weight_is_found_and_noise_gets_almost_none(seed: int) -> None:
    weights = fit(*planted({"dense": 2.0, "rerank": 1.0}, seed=seed), penalty=0.0)
    assert set(weights) == set(FEATURES)
    assert weights["dense"] == pytest.approx(2, abs=0.35)
    assert weights["rerank"] == pytest.approx(1, abs=0.3)
    assert all(0 <= weights[name] < 0.25 for name in ("lexical", "rank", "late"))


def test_the_penalty_makes_weights_smaller() -> None:
    world = planted({"dense": 2.0})
    sizes = [sum(fit(*world, penalty=penalty).values()) for penalty in (0.0, 0.01, 0.1, 1.0)]
    assert sizes == sorted(sizes, reverse=True) and sizes[-1] < sizes[0] / 2


def test_no_weight_is_ever_negative() -> None:
    weights = fit(*planted({"dense": 1.0, "late": -2.0}))
    assert weights["late"] == 0
    assert min(weights.values()) >= 0


def test_grades_count_by_their_share_and_queries_without_a_relevant_candidate_not_at_all() -> None:
    tables, grades = planted({"dense": 1.0}, queries=40)
    silent = [np.zeros(10)] * 5
    assert fit([*tables, *tables[:5]], [*grades, *silent]) == fit(tables, grades)
    assert fit(tables, [3 * grade for grade in grades]) == fit(tables, grades)
