"""Overlaps against rankings whose likeness can be counted, and against the definition summed term by term."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bicross.evaluation.overlap import PERSISTENCE, overlap, rank_biased_overlap

ranked = st.lists(st.sampled_from("abcdefghijkl"), unique=True, max_size=12)


def summed(left: list[str], right: list[str], p: float = PERSISTENCE) -> float:
    """The sum over all depths, where what lies beyond a list is taken to agree as the list did."""
    short, long = sorted((left, right), key=len)
    total = 0.0
    for depth in range(1, 1000):
        at = min(depth, len(long))
        shared = len(set(short[:at]) & set(long[:at]))
        beyond = len(set(short) & set(long[: len(short)])) / len(short) * max(0, at - len(short))
        total += (1 - p) * p ** (depth - 1) * (shared + beyond) / at
    return total


def test_overlap_counts_what_both_have() -> None:
    assert overlap("abcd", "dcba", 4) == 1
    assert overlap("abcd", "abxy", 4) == 0.5
    assert overlap("abcd", "abxy", 2) == 1
    assert overlap("abc", "a", 10) == pytest.approx(1 / 3)
    assert overlap("", "", 10) == 1
    assert overlap("a", "", 10) == 0


def test_the_first_ranks_weigh_most() -> None:
    assert rank_biased_overlap("abcd", "abdc") > rank_biased_overlap("abcd", "bacd") > rank_biased_overlap("abcd", "dcba")
    assert rank_biased_overlap("ab", "ba") == pytest.approx(0.9)  # nothing shared at depth 1, whose weight is 1 - 0.9
    assert rank_biased_overlap("abc", "xyz") == 0
    assert (rank_biased_overlap("", ""), rank_biased_overlap("a", "")) == (1, 0)


@given(ranked.filter(bool), ranked.filter(bool))
def test_it_is_the_sum_over_all_depths(left: list[str], right: list[str]) -> None:
    found = rank_biased_overlap(left, right)
    assert found == pytest.approx(summed(left, right), abs=1e-9)
    assert found == pytest.approx(rank_biased_overlap(right, left))
    assert -1e-9 <= found <= 1 + 1e-9


@given(ranked.filter(bool), st.integers(1, 12))
def test_a_ranking_agrees_with_its_own_beginning(ranking: list[str], length: int) -> None:
    assert rank_biased_overlap(ranking, ranking[:length]) == pytest.approx(1)
