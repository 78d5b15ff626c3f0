"""What a search costs is learnt, and from it how deep the next one can go."""

from __future__ import annotations

from bicross.serving.pace import SPARE, Pace


def test_as_long_as_nothing_is_known_all_is_tried() -> None:
    pace = Pace()
    pace.took(3, 0, {"recall": 0.3})
    assert pace.depth(20, 1, 0.001) == 20


def test_the_depth_is_what_fits_beside_recall() -> None:
    pace = Pace()
    pace.took(2, 40, {"encode": 0.1, "recall": 0.1, "rerank": 0.4})  # 0.1 s a question, 0.01 s a pair
    assert pace.depth(20, 1, 10.0) == 20
    assert pace.depth(20, 1, (0.1 + 0.055) / SPARE) == 5
    assert pace.depth(20, 2, (0.2 + 0.105) / SPARE) == 5
    assert pace.depth(20, 1, 0.01) == pace.depth(20, 1, -1.0) == 0


def test_a_slower_machine_is_noticed_and_one_slow_search_is_not_believed_at_once() -> None:
    pace = Pace()
    pace.took(1, 10, {"rerank": 0.1})
    pace.took(1, 10, {"rerank": 1.0})
    assert 0 < pace.depth(100, 1, 1.0) < 80
    for _ in range(50):
        pace.took(1, 10, {"rerank": 1.0})
    assert pace.depth(100, 1, 1.0) == 8
