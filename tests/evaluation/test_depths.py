"""The depth that the data support, in worlds where it is planted."""

from __future__ import annotations

import numpy as np
import pytest

from bicross.evaluation.compare import FEW
from bicross.evaluation.depths import MARGIN, depth_curve, steps, timed_steps
from bicross.settings import EvaluateSettings

SETTINGS = EvaluateSettings(measures=("nDCG@10",), resamples=500)


def values(numbers: list[float]) -> dict[str, float]:
    return {f"q{number}": value for number, value in enumerate(numbers)}


def saturating(questions: int, from_depth: int, gain: float) -> dict[int, dict[str, float]]:
    """Every question gains evenly up to a depth, and nothing beyond it."""
    base = np.random.default_rng(0).random(questions) / 2
    return {depth: values((base + gain * min(depth, from_depth) / from_depth).tolist()) for depth in steps(50)}


def test_the_depths_are_round_and_end_with_the_deepest() -> None:
    assert steps(0) == (0,) and steps(3) == (0, 3) and steps(20) == (0, 5, 10, 20) and steps(37) == (0, 5, 10, 20, 30, 37)
    assert timed_steps(0) == (0,) and timed_steps(3) == (3, 0) and timed_steps(20) == (20, 0, 10) and timed_steps(100) == (100, 0, 50)


def test_the_smallest_depth_that_is_as_good_as_the_deepest_is_found() -> None:
    found = depth_curve("nDCG@10", saturating(700, 20, 0.2), {}, SETTINGS)
    assert (found.supported, found.sure, found.queries) == (20, 20, 700)
    assert [point.depth for point in found.points] == [0, 5, 10, 20, 30, 50]
    assert found.points[0].difference == pytest.approx(-0.2) and found.points[-1].difference == 0
    assert found.sentence.startswith("The data support depth 20: every shallower one is shown to lose more than 0.005 nDCG@10")
    assert found.points[0].seconds is None


def test_a_curve_that_still_rises_supports_the_deepest() -> None:
    found = depth_curve("nDCG@10", saturating(100, 50, 0.2), {}, SETTINGS)
    assert found.supported == found.sure == 50 and "More may be better still" in found.sentence


def test_reranking_that_brings_nothing_supports_none_at_all() -> None:
    found = depth_curve("nDCG@10", saturating(2000, 20, MARGIN / 2), {}, SETTINGS)
    assert (found.supported, found.sure) == (0, 0)
    assert "Depth 0 is as good as depth 50" in found.sentence and "over 2000 questions" in found.sentence


def test_questions_that_all_moved_alike_show_only_what_their_number_shows() -> None:
    found = depth_curve("nDCG@10", saturating(100, 20, 0.2), {}, SETTINGS)
    assert (found.supported, found.sure) == (20, 50) and "Shown to lose no more is only depth 50 itself" in found.sentence
    found = depth_curve("nDCG@10", saturating(30, 20, 0.05), {}, SETTINGS)
    assert (found.supported, found.sure) == (None, 50), "30 that lose 0.05 each do not show that others lose"


@pytest.mark.parametrize("count", [1, 2, FEW - 1])
def test_few_questions_are_too_few_to_tell_depths_apart(count: int) -> None:
    found = depth_curve("nDCG@10", saturating(count, 50, 0.4), {}, SETTINGS)
    assert (found.supported, found.sentence) == (None, f"{count} questions are too few to tell depths apart; ask 25 or more.")
    assert found.points[-1].confidence == (0, 0) and all(low < -MARGIN for low, _ in (one.confidence for one in found.points[:-1]))


def test_noise_tells_no_depths_apart() -> None:
    rng = np.random.default_rng(1)
    found = depth_curve("nDCG@10", {depth: values(rng.random(30).tolist()) for depth in (0, 5, 10)}, {}, SETTINGS)
    assert found.supported is None and found.sure > 0
    assert found.sentence.startswith("The data do not tell depths apart: even depth 0") and "over 30 questions" in found.sentence


def test_a_depth_that_is_not_shown_worse_may_not_be_shown_as_good_either() -> None:
    rng = np.random.default_rng(2)
    deep = rng.random(40)
    near = deep - np.where(np.arange(40) % 8 == 0, 0.1, 0.0) + rng.normal(0, 0.05, 40)
    found = depth_curve("nDCG@10", {0: values((deep - 0.3).tolist()), 5: values(near.tolist()), 10: values(deep.tolist())}, {}, SETTINGS)
    assert (found.supported, found.sure) == (5, 10)
    assert "Shown to lose no more is only depth 10 itself." in found.sentence


def test_times_between_measured_depths_lie_on_a_line() -> None:
    seconds = {20: [0.5, 0.5, 0.7], 0: [0.1], 10: [0.3, 0.3]}
    found = depth_curve("nDCG@10", {depth: values([0.5, 0.6]) for depth in (0, 5, 10, 20)}, seconds, SETTINGS)
    assert [point.seconds for point in found.points] == pytest.approx([0.1, 0.2, 0.3, 0.5])
    assert [point.timed for point in found.points] == [1, 0, 2, 3]


def test_one_depth_is_no_curve() -> None:
    found = depth_curve("nDCG@10", {0: values([0.5, 0.6])}, {0: [0.1]}, SETTINGS)
    assert found.supported == 0 and found.sentence == "Nothing was reranked, so there is one depth only."
