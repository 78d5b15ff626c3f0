"""Headings of Markdown and HTML, and the questions of a text that is written as questions and answers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any

from bicross.data.outline import Heading

_FRONT_MATTER = re.compile(r"\A---[ \t]*\n.*?^---[ \t]*$", re.DOTALL | re.MULTILINE)
_FENCE = re.compile(r"[ ]{0,3}(```|~~~)")
_HEADING = re.compile(r"[ ]{0,3}(#{1,6})[ \t]+(.*)")
_UNDERLINE = re.compile(r"[ ]{0,3}(=+|-+)[ \t]*$")
_NUMBER = r"[ \t]?\d{0,4}[ \t]?[:：]"
_ANSWER = rf"(?:A|Answer|答案?|回答){_NUMBER}"
_QUESTION_LINE = re.compile(rf"[ \t>*_#-]*+(?:Q|Question|问题?|問題?){_NUMBER}", re.IGNORECASE)
_ANSWER_LINE = re.compile(rf"[ \t>*_#-]*+{_ANSWER}", re.IGNORECASE)
_ANSWER_INSIDE = re.compile(rf"(?:\s|(?<=[？?。])){_ANSWER}", re.IGNORECASE)
_EMPHASIS = "*_ \t"
_LONGEST = 400  # characters of a question


def markdown_outline(text: str) -> Iterator[Heading]:
    """The headings of Markdown in order (CommonMark 4.2, and 4.3 for paragraphs of one line), not those in fenced code."""
    front = _FRONT_MATTER.match(text)
    start = front.end() if front else 0
    fence, before, previous, beginning = "", "", "", start
    for raw in text[start:].splitlines(keepends=True):
        line = raw.rstrip("\r\n")
        if opened := _FENCE.match(line):
            fence = "" if fence == opened[1] else fence or opened[1]
            line = ""
        elif fence:
            line = ""
        elif heading := _HEADING.match(line):
            yield Heading(start, len(heading[1]), heading[2].rstrip(" \t#"))
            line = ""
        elif previous.strip() and not before.strip() and (rule := _UNDERLINE.match(line)):
            yield Heading(beginning, 1 if rule[1][0] == "=" else 2, previous.strip())
            line = ""
        before, previous, beginning = previous, line, start
        start += len(raw)


def markdown_headings(text: str) -> Iterator[str]:
    """What the headings of Markdown say."""
    return (heading.text for heading in markdown_outline(text))


def html_headings(page: str) -> Iterator[Heading]:
    """h1 to h6 in order, white space collapsed; `start` is their number, from 0."""
    reader = _Headings()
    reader.feed(page)
    reader.close()
    yield from (Heading(number, level, text) for number, (level, text) in enumerate(reader.found))


def asked_in(text: str) -> Iterator[str]:
    """The questions of lines `Q: ...` that an `A: ...` follows, in the same line or the next (in Chinese 问 and 答).

    Blank lines between do not count. No question is longer than 400 characters.
    """
    asked = ""  # in the last line that is not blank, and not answered there
    for line in text.split("\n"):
        if asked and _ANSWER_LINE.match(line):
            yield asked
        if begun := _QUESTION_LINE.match(line):
            rest = line[begun.end() :].lstrip(_EMPHASIS)
            answered = _ANSWER_INSIDE.search(rest)
            question = (rest[: answered.start()] if answered else rest).rstrip().rstrip(_EMPHASIS)
            asked = question if len(question) <= _LONGEST and not answered else ""
            if answered and 0 < len(question) <= _LONGEST:
                yield question
        elif line.strip():
            asked = ""


class _Headings(HTMLParser):
    """Collects the text inside of h1 to h6; a heading that is never closed ends where the next begins."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[tuple[int, str]] = []
        self._open: list[str] | None = None
        self._level = 0

    def handle_starttag(self, tag: str, *_: Any) -> None:
        if _is_heading(tag):
            self._end()
            self._open, self._level = [], int(tag[1])

    def handle_endtag(self, tag: str) -> None:
        if _is_heading(tag):
            self._end()

    def handle_data(self, data: str) -> None:
        if self._open is not None:
            self._open.append(data)

    def close(self) -> None:
        super().close()
        self._end()

    def _end(self) -> None:
        if self._open is not None and (text := " ".join("".join(self._open).split())):
            self.found.append((self._level, text))
        self._open = None


def _is_heading(tag: str) -> bool:
    return len(tag) == 2 and tag[0] == "h" and tag[1] in "123456"
