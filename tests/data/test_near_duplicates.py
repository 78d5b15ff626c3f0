"""Likeness and groups, against plain sets and against every pair."""

import random
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bicross.data.near_duplicates import LONGEST, groups, likeness, shingles


def plain_likeness(left: str, right: str) -> float:
    """The definition, for texts of lower-case words without punctuation."""
    sets = []
    for text in (left, right):
        content = f" {text} ".encode()
        sets.append({content[start : start + 6] for start in range(max(1, len(content) - 5))})
    return len(sets[0] & sets[1]) / len(sets[0] | sets[1])


def plain_groups(texts: Sequence[str], alike: float) -> list[int]:
    """Every pair is compared."""
    numbers = list(range(len(texts)))
    for right in range(len(texts)):
        for left in range(right):
            if plain_likeness(texts[left], texts[right]) >= alike:
                numbers = [numbers[left] if number == numbers[right] else number for number in numbers]
    order: dict[int, int] = {}
    return [order.setdefault(number, len(order)) for number in numbers]


def variants(count: int, seed: int) -> list[str]:
    """Questions of both languages, each in a few versions with a word changed, added or left out."""
    draw = random.Random(seed)
    words = [
        "reset",
        "device",
        "warranty",
        "cable",
        "charge",
        "screen",
        "update",
        "broken",
        "how",
        "the",
        "重置",
        "设备",
        "保修",
        "屏幕",
        "更新",
    ]
    texts = []
    for _ in range(count):
        question = [draw.choice(words) for _ in range(draw.randint(5, 14))]
        for _ in range(draw.randint(1, 4)):
            version = list(question)
            version[draw.randrange(len(version))] = draw.choice(["", "new", "旧", draw.choice(words)])
            texts.append(" ".join(" ".join(version).split()))
    draw.shuffle(texts)
    return texts


WORDS = st.text(st.sampled_from("ab 保修"), max_size=30).map(lambda text: " ".join(text.split()))


@given(WORDS, WORDS)
def test_likeness_is_the_jaccard_index_of_sets_of_six_bytes(left: str, right: str) -> None:
    assert likeness(left, right) == pytest.approx(plain_likeness(left, right), abs=1e-12)


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("How do I reset it?", "how do i RESET it"),
        ("如何重置？", "如何重置!"),
        ("ＡＢＣ\t１２３", "abc 123"),
        ("", " \n"),
        ("...", "..."),
        ("a", "A."),
    ],
)
def test_case_width_and_punctuation_do_not_count(left: str, right: str) -> None:
    assert likeness(left, right) == 1
    assert groups([left, right], 1.0) == [0, 0]


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("how long does the warranty of this device last", "how long does the guarantee of this device last"),
        ("这台打印机的保修期到底有多长时间呢", "这台打印机的质保期到底有多长时间呢"),
    ],
)
def test_a_word_changed_weighs_about_the_same_in_both_languages(left: str, right: str) -> None:
    assert 0.5 < likeness(left, right) < 0.7


def test_texts_of_punctuation_or_few_characters_are_told_apart() -> None:
    texts = ["", "?", "!!", "a", "b", "保", "修", "🙂", "🙁", "no", "on"]
    assert groups(texts, 0.7) == list(range(len(texts)))
    assert groups(["a", "b", "A", "", "b?", ""], 0.5) == [0, 1, 0, 2, 1, 2]
    assert groups([], 0.7) == []


@pytest.mark.parametrize("alike", [0.4, 0.6, 0.7, 0.8, 1.0])
def test_groups_are_those_of_every_pair_compared(alike: float) -> None:
    texts = variants(120, seed=1)
    assert groups(texts, alike) == plain_groups(texts, alike)


def test_a_long_text_costs_bounded_work() -> None:
    text = "".join(chr(0x4E00 + (place * 7919) % 20000) for place in range(1_000_000))
    assert len(shingles(text)) <= 3 * LONGEST
    assert likeness(text, text[:LONGEST] + "another end") == 1
    assert groups([text, "x" * 1_000_000, text], 0.7) == [0, 1, 0]


def test_near_duplicates_are_found_among_many_texts_of_one_template() -> None:
    names = [f"{place * 7919 % 100_003:05d}{place % 89}" for place in range(400)]
    texts = [f"what are the symptoms of {name} and is {name} or {name[::-1]} treated" for name in names]
    found = groups([*texts, *(f"{text} now" for text in texts)], 0.85)
    assert found[:400] == found[400:]
    assert len(set(found)) > 300
