"""Headings and written questions, found where a reader sees them."""

import pytest

from bicross.data.headings import asked_in, html_headings, markdown_headings

MARKDOWN = """---
title: not this
---
# Printer X100 #

Some text.

## Reset  the *printer*
```
# a comment in code
```
Care and cleaning
=================

A paragraph whose last line
has a rule below
---

#hashtag

第二章 合同的订立
---
"""


def test_headings_of_markdown() -> None:
    assert list(markdown_headings(MARKDOWN)) == ["Printer X100", "Reset  the *printer*", "Care and cleaning", "第二章 合同的订立"]


def test_headings_of_a_page() -> None:
    page = "<h1>Printer&nbsp;X100 <small>new</small></h1><p>text</p><H2 class=a>如何<b>重置</b></h2><h3></h3><h7>no</h7><h4>never closed"
    found = [(heading.level, heading.text) for heading in html_headings(page)]
    assert found == [(1, "Printer X100 new"), (2, "如何重置"), (4, "never closed")]


def test_questions_with_answers() -> None:
    text = """Q: How do I reset it?
A: Press the red button.

**Question 2:** What if that fails?

**Answer 2:** Call us.
Q: Nobody answers this?
Nothing here.
问：保修期有多长？答：两年。
问题3：在哪里购买？
回答：任何商店。
FAQ: vitamin A: a list
"""
    assert list(asked_in(text)) == ["How do I reset it?", "What if that fails?", "保修期有多长？", "在哪里购买？"]


def test_long_text_without_an_answer_is_read_at_once() -> None:
    assert list(asked_in("Q: " + "why " * 200_000)) == []
    assert list(asked_in("Q: why\n" * 20_000)) == []


@pytest.mark.parametrize("filler", [*"_*# \t>A?", "_ ", "\n", " \n", "Q", "1"])
@pytest.mark.parametrize("around", ["{}", "Q:{}", "Q: why{}", "Q: why{}no", "Q: why\n{}", "{}Q: why", "# {}", "# a{}b", "---\n{}"])
def test_long_lines_of_one_kind_are_read_at_once(around: str, filler: str) -> None:
    """A pattern that goes back over what it has read would take hours for one of these."""
    text = around.format(filler * 100_000)
    assert len(list(asked_in(text))) <= 1
    assert len(list(markdown_headings(text))) <= 1


def test_a_question_has_at_most_400_characters_and_at_least_one() -> None:
    for asked, found in (("a" * 400, ["a" * 400]), ("a" * 401, []), ("**", []), ("", [])):
        assert list(asked_in(f"Q: {asked}\nA: so")) == list(asked_in(f"Q: {asked} A: so")) == found


def test_blank_lines_between_question_and_answer_do_not_count_and_others_do() -> None:
    assert list(asked_in("> **Q:** Why?**\r\n \t\r\n\r\n> **A:** So.")) == ["Why?"]
    assert list(asked_in("Q: Why?\n***\nA: So.")) == []
    assert list(asked_in("Q: Why?\nQ: How?\nA: So.\nA: And so.")) == ["How?"]
    assert list(asked_in("问：为什么？答：因为。问：何时？答：今天。")) == ["为什么？"]  # a question begins a line


def test_a_closing_row_of_marks_is_no_part_of_a_heading() -> None:
    assert list(markdown_headings("## C# and more ##\n###  a ## b\t##  \n# #")) == ["C# and more", "a ## b", ""]
