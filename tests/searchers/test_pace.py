"""What it costs to read a candidate is learnt, and from it how many can be read in time."""

from __future__ import annotations

from bicross.searchers.pace import SPARE, TRY, UNKNOWN, Pace


def test_as_long_as_nothing_is_known_a_few_are_tried() -> None:
    assert Pace().fits("round", 0.001) == UNKNOWN
    assert Pace().fits("round", -0.001) == 0


def test_as_many_are_read_as_fit() -> None:
    pace = Pace()
    pace.took("round", 40, 0.4)
    assert pace.fits("round", 0.055 / SPARE) == 5
    assert pace.fits("round", 0.005) == pace.fits("round", -1.0) == 0


def test_a_slower_machine_is_noticed_and_one_slow_search_is_not_believed_at_once() -> None:
    pace = Pace()
    pace.took("round", 10, 0.1)
    pace.took("round", 10, 1.0)
    assert 0 < pace.fits("round", 1.0) < 80
    for _ in range(50):
        pace.took("round", 10, 1.0)
    assert pace.fits("round", 1.0) == 8


def test_one_stall_does_not_count_as_long_as_it_took() -> None:
    pace = Pace()
    pace.took("round", 10, 0.1)
    pace.took("round", 10, 60.0)
    assert pace.fits("round", 0.5) >= 20


def test_where_there_is_time_for_none_one_is_tried_now_and_then_until_it_is_fast_again() -> None:
    pace = Pace()
    pace.took("round", 10, 100.0)
    fits = []
    for _ in range(40 * TRY):
        fits.append(pace.fits("round", 1.0))
        if fits[-1]:
            pace.took("round", fits[-1], 0.001 * fits[-1])
    assert fits[:TRY] == [0] * (TRY - 1) + [1]
    assert fits[-1] >= 20
    assert not any(pace.fits("round", -0.001) for _ in range(2 * TRY))  # there is no time at all
