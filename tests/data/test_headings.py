"""Headings and written questions, found where a reader sees them."""

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
    assert list(html_headings(page)) == ["Printer X100 new", "如何重置", "never closed"]


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
