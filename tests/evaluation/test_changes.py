"""Holm's correction by hand, and changes that can be seen by eye."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bicross.errors import InputError
from bicross.evaluation.changes import changes, holm
from bicross.evaluation.compare import APART, bootstrap_interval, differences, randomisation_test
from bicross.settings import EvaluateSettings

SETTINGS = EvaluateSettings(resamples=500)


def values(*numbers: float) -> dict[str, float]:
    return {f"q{number}": value for number, value in enumerate(numbers)}


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.7]) == [1.0, 1.0] and holm([0.02]) == [0.02] and holm([]) == []


@given(st.lists(st.floats(0, 1), max_size=8))
def test_holm_never_helps_and_keeps_the_order(p_values: list[float]) -> None:
    adjusted = holm(p_values)
    assert all(before <= after <= 1 for before, after in zip(p_values, adjusted, strict=True))
    assert all(after <= len(p_values) * before + 1e-12 for before, after in zip(p_values, adjusted, strict=True))
    order = sorted(range(len(p_values)), key=lambda place: p_values[place])
    assert [adjusted[place] for place in order] == sorted(adjusted)


def test_a_change_by_eye() -> None:
    before, after = {"RR": values(*[0.5] * 40)}, {"RR": values(*[1.0] * 30, *[0.25] * 4, *[0.5] * 6)}
    (found,) = changes(before, after, SETTINGS)
    assert (found.measure, found.queries, found.wins, found.losses, found.ties) == ("RR", 40, 30, 4, 6)
    assert (found.before, found.after) == (0.5, pytest.approx(0.85)) and found.difference == pytest.approx(0.35)
    moved = differences(before["RR"], after["RR"])
    assert found.confidence == bootstrap_interval(moved, 0.95, 500, 0, APART) and found.p_value == randomisation_test(moved)
    assert found.adjusted == found.p_value and found.shown == "better"
    (back,) = changes(after, before, SETTINGS)
    assert back.shown == "worse" and back.difference == -found.difference


def test_several_measures_are_corrected_and_those_that_cannot_differ_are_no_hypothesis() -> None:
    slight = values(*[0.6] * 7, *[0.5] * 33)  # p of 7 wins is 2 ** -6
    before, after = values(*[0.5] * 40), {"one": slight, "two": slight, "same": values(*[0.5] * 40)}
    found = {one.measure: one for one in changes(dict.fromkeys(after, before), after, SETTINGS)}
    assert found["one"].p_value == 2**-6 and found["one"].adjusted == 2**-5
    assert found["same"].adjusted == 1 and found["same"].shown == "no difference shown"
    several = {str(number): slight for number in range(4)}
    assert {one.shown for one in changes(dict.fromkeys(several, before), several, SETTINGS)} == {"no difference shown"}
    assert changes({"one": before}, {"one": slight}, SETTINGS)[0].shown == "better"


def test_only_what_both_have_is_compared_and_rounding_is_no_difference() -> None:
    found = changes({"a": values(0.1, 0.2), "b": values(1.0)}, {"a": values(0.1 + 1e-15)}, SETTINGS)
    assert [(one.measure, one.queries, one.ties) for one in found] == [("a", 1, 1)]
    assert found[0].confidence == (-1, 1), "one question that did not move proves nothing"
    with pytest.raises(InputError):
        changes({"a": {}}, {"a": {}}, SETTINGS)
