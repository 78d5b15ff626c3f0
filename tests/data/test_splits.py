"""Parts of questions that share no near-duplicates."""

import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bicross.data.near_duplicates import likeness
from bicross.data.splits import folds, held_out, split
from bicross.errors import InputError
from bicross.records import Query


def questions(*sizes: int) -> list[Query]:
    """Groups of so many questions each: within a group they differ by case and punctuation alone."""
    return [
        Query(f"{group}-{number}", f"{chr(0x4E00 + group * 9) * 4} question {'?' * number}")
        for group, size in enumerate(sizes)
        for number in range(size)
    ]


def sums(sizes: list[int]) -> set[int]:
    found = {0}
    for size in sizes:
        found |= {total + size for total in found}
    return found - {0, sum(sizes)}


@given(st.lists(st.integers(1, 7), min_size=2, max_size=7), st.floats(0.05, 0.95), st.integers(0, 3))
def test_no_group_is_parted_and_no_other_sum_of_groups_is_nearer(sizes: list[int], share: float, seed: int) -> None:
    asked = questions(*sizes)
    train, dev = split(asked, share, seed)
    assert [query for query in asked if query in train] == train and [query for query in asked if query in dev] == dev
    assert len(train) + len(dev) == len(asked)
    assert not {query.id.split("-")[0] for query in train} & {query.id.split("-")[0] for query in dev}
    wished = share * len(asked)
    assert abs(len(dev) - wished) == pytest.approx(min(abs(total - wished) for total in sums(sizes)))


def test_near_duplicates_stay_together() -> None:
    texts = [
        f"how do I {verb} the {thing} of my device" for verb in ("reset", "replace", "clean") for thing in ("battery", "display", "speaker")
    ]
    asked = [Query(f"{place}{end}", text + end) for place, text in enumerate(texts) for end in ("", " now", " please")]
    train, dev = split(asked, 0.3, seed=0)
    assert train and dev
    assert max(likeness(one.text, other.text) for one in train for other in dev) < 0.7
    assert held_out(train, dev) == train
    assert held_out(asked, dev) == train


def test_order_does_not_matter_and_the_seed_does() -> None:
    asked = questions(*[1] * 40, 3, 4)
    mixed = random.Random(0).sample(asked, len(asked))
    for seed in range(3):
        assert {query.id for query in split(asked, 0.2, seed)[1]} == {query.id for query in split(mixed, 0.2, seed)[1]}
        assert folds(asked, 3, seed) == folds(mixed, 3, seed)
        assert list(folds(mixed, 3, seed)) == [query.id for query in mixed]
    assert split(asked, 0.2, 0) != split(asked, 0.2, 1)
    assert folds(asked, 3, 0) != folds(asked, 3, 1)


def test_folds_are_balanced_and_part_no_group() -> None:
    fold_of = folds(questions(6, 5, 4, *[1] * 15), k=3, seed=0)
    assert Counter(fold_of.values()) == {0: 10, 1: 10, 2: 10}
    assert all(len({fold for id, fold in fold_of.items() if id.startswith(f"{group}-")}) == 1 for group in range(3))


def test_a_share_too_small_or_too_large_leaves_no_side_empty() -> None:
    asked = questions(*[1] * 10)
    assert len(split(asked, 0.001, 0)[1]) == 1
    assert len(split(asked, 0.999, 0)[0]) == 1


@pytest.mark.parametrize("asked", [[], questions(1), questions(5)])
def test_too_few_groups_to_part_is_said(asked: list[Query]) -> None:
    with pytest.raises(InputError, match=rf"{len(asked)} questions form {min(1, len(asked))} groups .* expected 2 or more"):
        split(asked, 0.2, 0)


def test_too_few_groups_for_the_folds_is_said() -> None:
    with pytest.raises(InputError, match=r"6 questions form 3 groups .* expected 4 or more"):
        folds(questions(2, 2, 2), 4, 0)
    assert sorted(folds(questions(2, 2, 2), 3, 0).values()) == [0, 0, 1, 1, 2, 2]


def test_training_questions_that_are_all_near_development_ones_are_an_error() -> None:
    train = questions(3)
    with pytest.raises(InputError, match="Of 3 training questions none is left"):
        held_out(train, [Query("d", train[0].text.upper())])
    assert held_out(train, []) == train
