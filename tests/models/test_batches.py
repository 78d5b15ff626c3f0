"""Batches: every text once, longest first, within the budget."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bicross.models.batches import padded, token_batches

LENGTHS = st.lists(st.integers(1, 600), max_size=80)


@given(LENGTHS, st.integers(1, 8), st.integers(1, 2048))
def test_every_position_stands_once_and_longest_first(lengths: list[int], streams: int, budget: int) -> None:
    batches = token_batches(lengths, streams, budget)
    order = [position for batch in batches for position in batch]
    assert sorted(order) == list(range(len(lengths)))
    assert [lengths[position] for position in order] == sorted(lengths, reverse=True)
    assert all(batches)


@given(LENGTHS, st.integers(1, 8), st.integers(1, 2048))
def test_a_batch_padded_to_its_longest_is_within_the_budget_or_one_text(lengths: list[int], streams: int, budget: int) -> None:
    for batch in token_batches(lengths, streams, budget):
        assert len(batch) == 1 or len(batch) * padded(max(lengths[position] for position in batch)) <= budget


def test_lengths_are_padded_to_few_steps_and_by_little() -> None:
    steps = [padded(length) for length in range(1, 513)]
    assert len(set(steps)) == 56
    assert all(length <= step <= length + length // 8 for length, step in enumerate(steps, 1))


@given(st.integers(1, 8), st.integers(1, 4), st.integers(1, 500))
def test_little_work_gives_every_stream_some(streams: int, rows: int, length: int) -> None:
    assert len(token_batches([length] * (streams * rows), streams)) >= streams


def test_by_hand() -> None:
    assert token_batches([3, 8, 4, 4], budget=12) == [[1], [2, 3], [0]]
    assert token_batches([300, *[30] * 40]) == [[0], list(range(1, 35)), list(range(35, 41))]
    assert token_batches([300, *[30] * 20], budget=65_536) == [[0, 1], list(range(2, 21))]  # full, not ended for a step
    assert token_batches([]) == []


def test_equal_lengths_keep_their_order() -> None:
    assert token_batches([5] * 6, budget=10) == [[0, 1], [2, 3], [4, 5]]
