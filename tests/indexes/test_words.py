"""Words: worlds whose answer can be seen by eye, in both languages and mixed."""

from __future__ import annotations

import time
import unicodedata
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bicross.indexes.words import Words

WORDS = Words()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("The Wings of newton's aircraft were heated.", ["wing", "newton", "aircraft", "heat"]),
        ("Newton’s wing", ["newton", "wing"]),
        ("costs 3.14 or 1,000,000 at 192.168.0.1", ["cost", "3.14", "1000000", "192.168.0.1"]),
        ("gpt-4o", ["gpt", "4o"]),
        ("C++ and C# and c", ["c++", "c#", "c"]),
        ("a.user@example.com", ["a", "user", "exampl", "com"]),
        ("snake_case", ["snake", "case"]),
        ("ＧＰＴ－４ ３．１４", ["gpt", "4", "3.14"]),
        ("专利法", ["专利", "专利法", "专利", "利法"]),
        ("法", ["法"]),
        ("用 Bicross 搜索", ["用", "搜索", "搜索", "bicross"]),
        ("维生素A", ["维生", "维生素", "维生", "生素", "a"]),
        ("", []),
        (" \n\t。，!?\x00\ud800", []),
        ("the of and", []),
    ],
)
def test_words_by_eye(text: str, words: list[str]) -> None:
    assert Counter(WORDS(text)) == Counter(words)


@pytest.mark.parametrize("text", ["vitamin a", "the who", "it", "will", "not", "may"])
def test_words_that_can_be_the_topic_are_kept(text: str) -> None:
    assert WORDS(text)


def test_traditional_text_shares_words_with_a_question_about_it() -> None:
    assert {"梵語", "學術"} <= set(WORDS("梵語的學術研究")) & set(WORDS("誰開創了對梵語的學術討論？"))


def test_a_long_chinese_word_is_found_by_its_parts() -> None:
    assert set(WORDS("人民")) <= set(WORDS("中华人民共和国"))


def test_a_word_without_end_is_cut_where_its_copy_is_cut() -> None:
    blob = "x9" * 500
    assert max(map(len, WORDS(blob))) <= 64
    assert WORDS(blob) == WORDS(f"see {blob}!")[1:]


@pytest.mark.parametrize("unit", ["中", "中华人民共和国专利法", "a", "1", "1,", "1.", "a'", "wing ", "c++", "\ud800", "é中1."])
def test_a_million_characters_take_seconds(unit: str) -> None:
    start = time.perf_counter()
    WORDS(unit * (1_000_000 // len(unit)))
    assert time.perf_counter() - start < 5


@given(st.lists(st.text(st.characters(exclude_categories=())), max_size=5))
def test_a_batch_is_its_texts_one_by_one(texts: list[str]) -> None:
    assert list(WORDS.batch(texts)) == [WORDS(text) for text in texts]


@given(st.text(st.characters(exclude_categories=())))
def test_words_are_normal_and_not_empty(text: str) -> None:
    words = WORDS(text)
    assert "" not in words
    assert words == WORDS(unicodedata.normalize("NFKC", text))
    assert not set("".join(words)) & set(" \n\t,。，")
