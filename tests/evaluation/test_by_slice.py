"""Slices by eye."""

from __future__ import annotations

import pytest

from bicross.evaluation.by_slice import by_slice
from bicross.evaluation.two_stage import FINE, Outcome
from bicross.settings import EvaluateSettings

SETTINGS = EvaluateSettings(resamples=200)


def test_each_part_has_its_own_mean_gain_and_interval() -> None:
    outcomes = [Outcome(f"q{number}", FINE, 1, 1, 1, 0.25, 0.5 + (number % 2) / 2, 1.0, 1.0, 1.0) for number in range(40)]
    parts = {
        "even": [f"q{number}" for number in range(0, 40, 2)],
        "few": ["q1", "q3", "unasked"],
        "none": ["unasked"],
        "all": [f"q{n}" for n in range(40)],
    }
    even, few, everything = by_slice(outcomes, parts, SETTINGS)
    assert (even.name, even.queries, even.value, even.gain, even.best) == ("even", 20, 0.5, 0.25, 1.0)
    assert even.confidence == pytest.approx((0.425, 0.575), abs=1e-3), "20 that are alike: 3 in 20 others may be anything"
    assert (few.queries, few.value, few.confidence, few.gain_confidence) == (2, 1.0, None, None)
    assert everything.value == 0.75 and everything.gain == pytest.approx(0.5)
    assert everything.confidence is not None and 0.6 < everything.confidence[0] < 0.75 < everything.confidence[1] < 0.9
