"""Sentence ends, told by eye, and what holds for any text."""

import time
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bicross.data.sentences import Break, cut, pieces, sentences

MARKED = st.text(alphabet='ab中文。！；…\n\r\t #-1.!?,，"”）()　\u200b', max_size=60)


def parts(text: str) -> list[str]:
    return [text[span.start : span.end] for span in sentences(text)]


@pytest.mark.parametrize(
    "expected",
    [
        ["他说：“你好。”", "然后走了！", "真的吗？", "不是；", "对……", "好。"],
        ["真的?", "不是!", "好"],
        ["（见第三条。）", "第四条。"],
    ],
)
def test_chinese_sentences(expected: list[str]) -> None:
    assert parts("".join(expected)) == expected


@pytest.mark.parametrize(
    "expected",
    [
        ["Dr. Smith paid 3.14 dollars, e.g. to J. R. Tolkien.", "See fig. 3 and no. 5."],
        ["The answer is no.", "Then he left (really!).", "Good"],
        ["U.S. troops came at 5 p.m. today.", "v1.2.3 is out.", "See www.a.com now"],
        ["a wing in a slipstream .", "an experimental study ."],
        ['He said "stop!"', "Why?!", "Because..."],
        ["wrapped\nin the middle.", "End"],
    ],
)
def test_english_sentences(expected: list[str]) -> None:
    assert parts(" ".join(expected)) == expected


def test_markdown() -> None:
    text = "intro\n# Title\n\n## Sub\nOne. Two.\nThree.\n\n- item\n1. first. more\n"
    found = [(text[span.start : span.end], span.opens) for span in sentences(text)]
    assert found == [
        ("intro", Break.PARAGRAPH),
        ("# Title", Break.HEADING),
        ("## Sub", Break.UNDER_HEADING),
        ("One.", Break.UNDER_HEADING),
        ("Two.", Break.SENTENCE),
        ("Three.", Break.LINE),
        ("- item", Break.PARAGRAPH),
        ("1. first.", Break.LINE),
        ("more", Break.SENTENCE),
    ]


def test_a_sentence_is_cut_at_clauses_or_spaces() -> None:
    text = "1,000 men, few; 一，二、三 x\ny"
    (span,) = sentences(text)
    assert [text[part.start : part.end] for part in cut(text, span, Break.CLAUSE)] == ["1,000 men,", "few;", "一，", "二、", "三 x", "y"]
    assert [text[part.start : part.end] for part in cut(text, span, Break.SPACE)] == ["1,000", "men,", "few;", "一，二、三", "x", "y"]


@given(MARKED)
def test_sentences_hold_every_character_once_and_begin_and_end_with_one(text: str) -> None:
    spans = sentences(text)
    assert "".join(parts(text)).split() == "".join(text[span.start : span.end] for span in spans).split()
    covered = [position for span in spans for position in range(span.start, span.end)]
    assert covered == sorted(set(covered))
    assert {position for position, character in enumerate(text) if not character.isspace()} <= set(covered)
    assert all(part == part.strip() and part for part in parts(text))


@pytest.mark.parametrize("text", [".", ".!x", '!"', "\n", "\n  ", "。”", " ", "# ", "\n- ", "a. ", "1. ", "(", "-"])
def test_no_text_takes_more_than_linear_time(text: str) -> None:
    start = time.perf_counter()
    sentences(text * 100_000)
    assert time.perf_counter() - start < 5


# --- pieces -----------------------------------------------------------------------------------------------------------


def pieced(text: str, most: int = 24) -> list[str]:
    return [text[span.start : span.end] for span in pieces(text, most)]


def test_pieces_are_sentences_cut_at_the_ends_of_lines() -> None:
    assert pieced("标题\n第一句。第二句。") == ["标题", "第一句。", "第二句。"]
    assert pieced("The title\nFirst one. Second,\nand its end.") == ["The title", "First one.", "Second,", "and its end."]


def test_a_text_of_one_or_two_sentences_is_cut_into_clauses() -> None:
    assert pieced("按住电源键，等十秒，再松开。") == ["按住电源键，", "等十秒，", "再松开。"]
    assert pieced("Hold it, wait ten seconds, let go.") == ["Hold it,", "wait ten seconds,", "let go."]
    assert pieced("short") == ["short"]
    assert pieced(" \n ") == []


def test_too_many_pieces_are_joined_the_shortest_first() -> None:
    text = "A long sentence that says much. No. Yes. Another sentence that is long."
    assert pieced(text, 3) == ["A long sentence that says much.", "No. Yes.", "Another sentence that is long."]


@given(MARKED, st.integers(1, 6))
def test_pieces_hold_every_character_in_order(text: str, most: int) -> None:
    found = pieces(text, most)
    assert len(found) <= most
    assert all(left.end <= right.start for left, right in pairwise(found))
    assert "".join("".join(text[span.start : span.end] for span in found).split()) == "".join(text.split())


def test_a_long_text_is_cut_quickly() -> None:
    text = "One sentence. 一句话。" * 50_000
    start = time.perf_counter()
    assert len(pieces(text)) == 24
    assert time.perf_counter() - start < 20
