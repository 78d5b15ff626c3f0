"""Batches against the definition: rows in order, each batch taking what does not clash, until all are taken."""

from __future__ import annotations

import random
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bicross.errors import InputError
from bicross.records import Example
from bicross.training.batches import compose, filled

NUMBERS = st.integers(0, 12)


@st.composite
def rows(draw: st.DrawFn) -> list[Example]:
    """Rows over a few documents, some without ids; one text may stand under two ids, and a question may have two answers."""
    found = []
    for number in range(draw(st.integers(0, 30))):
        documents = draw(st.lists(NUMBERS, min_size=1, max_size=4))
        texts = [f"text {document // 2}" for document in documents]
        ids = tuple(f"id {document}" for document in documents) if draw(st.booleans()) else ()
        answers = frozenset(f"id {document}" for document in draw(st.lists(NUMBERS, max_size=2)))
        query = f"question {draw(st.integers(0, number))}"
        found.append(Example(query, texts[0], tuple(texts[1:]), query_id=query, ids=ids, answers=answers))
    return found


def held(row: Example) -> set[str]:
    return {*row.ids, row.positive, *row.negatives}


def answers(row: Example) -> set[str]:
    return {*row.answers, *row.ids[:1], row.positive}


def clash(left: Example, right: Example) -> bool:
    return left.query == right.query or bool(held(left) & answers(right) or held(right) & answers(left))


def reference(examples: list[Example], size: int, seed: int) -> list[list[int]]:
    """Batch after batch, each going through all rows that wait."""
    waiting, batches = list(range(len(examples))), []
    random.Random(seed).shuffle(waiting)
    while waiting:
        batch: list[int] = []
        for number in waiting:
            if len(batch) < size and not any(clash(examples[number], examples[other]) for other in batch):
                batch.append(number)
        batches.append(batch)
        waiting = [number for number in waiting if number not in batch]
    return batches


@settings(max_examples=150)
@given(rows(), st.integers(1, 8), st.integers(0, 3))
def test_every_row_once_and_no_row_beside_another_that_it_answers(examples: list[Example], size: int, seed: int) -> None:
    batches = compose(examples, size, seed)
    assert sorted(number for batch in batches for number in batch) == list(range(len(examples)))
    assert all(1 <= len(batch) <= size for batch in batches)
    for batch in batches:
        together = [examples[number] for number in batch]
        assert not any(clash(left, right) for place, left in enumerate(together) for right in together[:place])
    assert batches == compose(examples, size, seed) == reference(examples, size, seed)


def test_without_clashes_batches_are_full_and_the_seed_shuffles() -> None:
    examples = [Example(f"q{number}", f"d{number}", (f"n{number}",)) for number in range(70)]
    first, second = compose(examples, 32, 0), compose(examples, 32, 1)
    assert [len(batch) for batch in first] == [32, 32, 6]
    assert first != second


def test_a_shared_negative_is_no_clash() -> None:
    examples = [Example(f"q{number}", f"d{number}", ("everybody's",)) for number in range(8)]
    assert len(compose(examples, 8, 0)) == 1


def test_a_text_under_two_ids_is_one_document() -> None:
    left = Example("q1", "same text", ("other",), ids=("a", "b"), answers=frozenset({"a"}))
    right = Example("q2", "answer", ("same text",), ids=("c", "d"), answers=frozenset({"c"}))
    assert len(compose([left, right], 8, 0)) == 2


def test_rows_that_all_clash_are_a_batch_each() -> None:
    examples = [Example("one question", f"d{number}") for number in range(50)]
    assert sorted(compose(examples, 16, 0)) == [[number] for number in range(50)]


def test_twenty_thousand_rows_take_a_second_or_two_even_if_all_share_an_answer() -> None:
    """Looking at each waiting row for each batch took minutes of processor time."""
    shared = [Example(f"q{number}", "the answer", (f"n{number}",)) for number in range(20_000)]
    normal = [Example(f"q{number}", f"d{number % 2000}", (f"d{(7 * number + 1) % 2000}",)) for number in range(20_000)]
    start = time.process_time()
    assert len(compose(shared, 32, 0)) == 20_000
    assert len(compose(normal, 32, 0)) < 640
    assert time.process_time() - start < 10


@settings(max_examples=150)
@given(rows(), st.integers(0, 4), st.integers(0, 3))
def test_filled_rows_have_enough_negatives_and_none_answers_them(examples: list[Example], count: int, seed: int) -> None:
    try:
        found = filled(examples, count, seed)
    except InputError:
        lacking = [row for row in examples if len(row.negatives) < count]
        assert any(not (fitting(examples, row) - {row.positive, *row.negatives}) for row in lacking)
        return
    assert found == filled(examples, count, seed)
    for row, before in zip(found, examples, strict=True):
        if len(before.negatives) >= count:
            assert row == before
            continue
        joined = row.negatives[len(before.negatives) :]
        assert len(row.negatives) == count and row.negatives[: len(before.negatives)] == before.negatives
        assert set(joined) <= fitting(examples, before)
        assert len(row.ids) in (0, 1 + count) and row.ids[: len(before.ids)] == before.ids


def fitting(examples: list[Example], row: Example) -> set[str]:
    """Texts of positives that answer no row with the same question, by text or id."""
    avoided = set[str]().union(*(answers(other) for other in examples if other.query == row.query))
    return {other.positive for other in examples if not {other.positive, *other.ids[:1]} & avoided and bool(other.ids) == bool(row.ids)}


def test_a_question_without_negatives_gets_the_other_questions_answers() -> None:
    lonely = Example("q0", "a0", scores=(5.0,), ids=("0",), answers=frozenset({"0", "2"}))
    others = [Example(f"q{n}", f"a{n}", ("x", "y"), (4.0, float(n), -n), ids=(str(n), "8", "9")) for n in range(1, 5)]
    found = filled([lonely, *others], 2, 0)
    assert found[1:] == others
    assert len(set(found[0].negatives)) == 2 and set(found[0].negatives) <= {"a1", "a3", "a4"}
    assert found[0].ids == ("0", *(text[1:] for text in found[0].negatives))
    assert found[0].scores == (5.0, -4.0, -4.0)  # the lowest that any negative has
    assert len({filled([lonely, *others], 2, seed)[0].negatives for seed in range(20)}) > 1
    assert filled([lonely, others[1], others[0]], 3, 0)[0].negatives == ("a1", "a1", "a1")  # a2 may be an answer, so a1 is taken again


def test_scores_are_all_or_none() -> None:
    rows_without = [Example(f"q{n}", f"a{n}", scores=(1.0,)) for n in range(3)]
    assert all(row.scores == () and len(row.negatives) == 1 for row in filled(rows_without, 1, 0))


def test_what_cannot_be_filled_is_named() -> None:
    with pytest.raises(InputError, match="'q0' has 0 negatives, expected 2"):
        filled([Example("q0", "shared"), Example("q1", "shared")], 2, 0)
    assert filled([Example("q0", "shared")], 0, 0) == [Example("q0", "shared")] and filled([], 2, 0) == []
