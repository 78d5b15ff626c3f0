"""Estimates that can be worked out by hand."""

from __future__ import annotations

import pytest

from bicross.judging.draw import discount
from bicross.judging.estimate import dcg
from tests.judging.world import pair

STAGES = ["fused", "reranked"]


def test_a_gain_counts_for_one_over_its_probability() -> None:
    pairs = [pair("q", "a", 0.5, fused=1, reranked=2), pair("q", "b", 1.0, reranked=1)]
    found = dcg(["q"], pairs, {("q", "a"): 3, ("q", "b"): 1}, STAGES)
    assert found == {"q": {"fused": pytest.approx(2), "reranked": pytest.approx(2 * discount(2) + 1 / 3)}}


def test_only_questions_that_are_judged_whole_count_and_one_without_pairs_is_zero() -> None:
    pairs = [pair("q1", "a", fused=1), pair("q1", "b", fused=2), pair("q2", "a", fused=1)]
    assert dcg(["q1", "q2", "q3"], pairs, {("q1", "a"): 3, ("q2", "a"): 0}, STAGES) == {
        "q2": {"fused": 0, "reranked": 0},
        "q3": {"fused": 0, "reranked": 0},
    }
