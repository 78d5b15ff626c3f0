"""What a search costs is learnt, and from it how deep the next one can go."""

from __future__ import annotations

from bicross.serving.pace import SPARE, TRY, Pace


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


def test_one_stall_does_not_count_as_long_as_it_took() -> None:
    pace = Pace()
    pace.took(1, 10, {"recall": 0.01, "rerank": 0.1})
    pace.took(1, 10, {"recall": 60.0, "rerank": 60.0})
    assert pace.depth(20, 1, 0.5) == 20


def test_where_there_is_time_for_none_one_is_tried_now_and_then_until_it_is_fast_again() -> None:
    pace = Pace()
    pace.took(1, 10, {"recall": 0.01, "rerank": 100.0})
    depths = []
    for _ in range(40 * TRY):
        depths.append(pace.depth(20, 1, 1.0))
        pace.took(1, depths[-1], {"recall": 0.01, "rerank": 0.001 * depths[-1]})
    assert depths[:TRY] == [0] * (TRY - 1) + [1]
    assert depths[-1] == 20
    assert not any(pace.depth(20, 1, 0.001) for _ in range(2 * TRY))  # not even recall has time
