"""Position bias out of simulated logs, in which it is known."""

import numpy as np
import pytest

from bicross.data.propensities import LEAST_CLICKS, Cells, Floats, estimate

POSITIONS = 8


def world(seed: int, queries: int, searches: float, true: Floats, shuffled: float = 0.5) -> Cells:
    """Searches of a ranker that is right more often than not and whose order varies: clicks need a look and attraction."""
    rng = np.random.default_rng(seed)
    attraction = rng.choice([0.02, 0.1, 0.3, 0.7], p=[0.5, 0.2, 0.2, 0.1], size=(queries, POSITIONS))
    usual = 0.3 * np.log(attraction) + rng.normal(size=attraction.shape)
    shown = np.zeros((queries, POSITIONS, POSITIONS), dtype=np.int64)
    clicked = np.zeros_like(shown)
    for query in range(queries):
        times = rng.poisson(searches)
        order = np.argsort(-(usual[query] + shuffled * rng.normal(size=(times, POSITIONS))), axis=1)  # (searches, positions)
        clicks = (rng.random(order.shape) < true) & (rng.random(order.shape) < attraction[query][order])
        place = np.broadcast_to(np.arange(POSITIONS), order.shape)
        np.add.at(shown[query], (order, place), 1)
        np.add.at(clicked[query], (order, place), clicks)
    query, document, place = np.nonzero(shown)
    return Cells(query * POSITIONS + document, place + 1, shown[query, document, place], clicked[query, document, place])


@pytest.mark.parametrize("true", [1 / np.arange(1, POSITIONS + 1), np.array([1, 0.9, 0.8, 0.3, 0.35, 0.3, 0.25, 0.2])])
def test_planted_propensities_are_found(true: Floats) -> None:
    found = estimate(world(0, 400, 40, true), POSITIONS)
    assert found.known == tuple(range(1, POSITIONS + 1))
    assert np.abs(found.values[1:] / true - 1).max() < 0.2


def test_few_searches_a_query_do_not_bias_the_estimate() -> None:
    true = 1 / np.arange(1, POSITIONS + 1)
    found = np.mean([estimate(world(seed, 4000, 3, true), POSITIONS).values[1:] for seed in range(4)], axis=0)
    assert np.abs(found / true - 1).max() < 0.15  # expectation maximisation is off by a factor of 2 and more at the deeper positions


def test_a_log_that_never_reorders_tells_nothing() -> None:
    true = 1 / np.arange(1, POSITIONS + 1)
    found = estimate(world(0, 100, 40, true, shuffled=0), POSITIONS)
    assert found.known == ()
    assert found.values[1:] == pytest.approx(true)


def test_two_positions_by_hand() -> None:
    cells = Cells(np.array([0, 0, 1, 1, 2]), np.array([1, 2, 1, 2, 4]), np.array([100, 100, 200, 50, 10]), np.array([60, 30, 80, 10, 9]))
    found = estimate(cells, 4)
    assert found.known == (1, 2)
    assert found.values[2] == pytest.approx(0.5, abs=1e-5)
    assert found.values[3:] == pytest.approx([0.5 * 2 / 3, 0.25], abs=1e-5)  # 1/rank from the nearest that is known


def test_positions_that_nothing_links_are_not_compared() -> None:
    clicks = np.array([90, 45, LEAST_CLICKS, LEAST_CLICKS])
    found = estimate(Cells(np.array([0, 0, 1, 1]), np.array([1, 2, 3, 4]), np.full(4, 100), clicks), 4)
    assert found.known == (1, 2)
    assert found.values[1:] == pytest.approx([1, 0.5, 1 / 3, 0.25])


def test_positions_with_few_clicks_are_not_estimated() -> None:
    clicks = np.array([90, LEAST_CLICKS - 1])
    found = estimate(Cells(np.array([0, 0]), np.array([1, 2]), np.full(2, 100), clicks), 2)
    assert found.known == ()
    assert found.values[1:] == pytest.approx([1, 0.5])


def test_an_empty_log_falls_as_one_over_rank() -> None:
    none = np.empty(0, dtype=np.int64)
    assert estimate(Cells(none, none, none, none), 3).values[1:] == pytest.approx([1, 1 / 2, 1 / 3])
