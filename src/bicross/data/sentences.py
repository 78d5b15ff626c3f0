"""Where sentences end, in Chinese and English text and Markdown, and where a sentence that is too long may be cut."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from enum import IntEnum
from itertools import groupby
from typing import NamedTuple


class Break(IntEnum):
    """What stands between a span and the one before it, best place to cut first."""

    HEADING = 0  # the span is a heading
    PARAGRAPH = 1  # an empty line
    LINE = 2  # the end of a line that is the end of a sentence, or an item of a list
    SENTENCE = 3
    CLAUSE = 4  # inside a sentence, after a line or a clause
    SPACE = 5  # inside a clause
    WORD = 6  # inside a word
    UNDER_HEADING = 7  # the span before it is its heading


class Span(NamedTuple):
    """A stretch of text without white space at its ends. Code points, end exclusive; `opens` says what precedes it."""

    start: int
    end: int
    opens: Break


PIECES = 24
"""Into so many stretches at most a text is cut."""
_CLOSERS = r"""["'”’」』》〉）)】\]］｝}〕]"""
_HEADING = r"^[ \t]{0,3}\#{1,6}[ \t][^\n]*"
_ITEM = r"(?:[-*+•][ \t]|\d{1,3}[.)][ \t])"
# Possessive quantifiers and the look-behinds keep every alternative linear on runs of the same mark.
_ENDS = re.compile(
    rf"""
      (?P<heading>{_HEADING})
    | (?P<paragraph>\n(?:[^\S\n]*+\n)++)
    | (?P<line>\n(?=[ \t]*+{_ITEM}))
    | (?P<sentence>
          [。！？；…｡]++{_CLOSERS}*+
        | (?<![.!?])[.!?]++{_CLOSERS}*+(?=\s)
        | (?<![.!?])[!?]++(?=[\u4e00-\u9fff])
      )
    """,
    re.VERBOSE | re.MULTILINE,
)
_BEFORE_A_NUMBER = r"no|nos|fig|figs|eq|eqs|sec|ch|vol|pp|p|art"
_ABBREVIATION = re.compile(
    rf"""(?:^|[\s(\[{{"'“‘]) (?:
        (?-i:[A-Z]) | (?:[A-Za-z]\.)+[A-Za-z]
      | (?:mr|mrs|ms|dr|prof|st|jr|sr|vs|cf|al|approx|ca|dept|inc|ltd|corp|gen|col|sgt|rev|gov|sen|rep|capt|lt)
      | (?P<numbered>{_BEFORE_A_NUMBER})
    )$ | (?:^|\n)[ \t]*\d{{1,3}}$""",
    re.VERBOSE | re.IGNORECASE,
)
_CUTS = ((Break.CLAUSE, re.compile(r"\n|[，、：]|[,;:](?=\s)")), (Break.SPACE, re.compile(r"\s++")))


def sentences(text: str) -> list[Span]:
    """The sentences, headings and list items of a text, in order; together they hold every character that is not white space.

    A sentence ends after 。！？；… and after . ! ? before white space, with the quotes and brackets that close there; not after
    an abbreviation, an initial or the number of a list. A paragraph, a Markdown heading and an item of a list end it too.
    """
    spans: list[Span] = []
    start, opens = 0, Break.PARAGRAPH
    for end, following in _ends(text):
        trimmed = _trim(text, start, end)
        if trimmed is not None:
            spans.append(Span(*trimmed, opens))
            opens = following
        elif opens != Break.UNDER_HEADING:
            opens = min(opens, following)
        start = end
    return spans


def cut(text: str, span: Span, at: Break) -> list[Span]:
    """A span cut behind its lines and clauses (`Break.CLAUSE`) or at its spaces (`Break.SPACE`)."""
    pattern = dict(_CUTS)[at]
    ends = [match.end() for match in pattern.finditer(text, span.start, span.end)]
    pieces: list[Span] = []
    start = span.start
    for end in (*ends, span.end):
        if (trimmed := _trim(text, start, end)) is not None:
            pieces.append(Span(*trimmed, at if pieces else span.opens))
        start = end
    return pieces


def pieces(text: str, most: int = PIECES) -> list[Span]:
    """At most `most` stretches of a text that say something by themselves: its sentences, cut at the ends of lines, or where these are
    fewer than three its clauses. Where there are more, the shortest neighbours are joined.
    """
    found = [line for sentence in sentences(text) for line in _lines(text, sentence)]
    if len(found) < 3:
        found = [clause for span in found for clause in cut(text, span, Break.CLAUSE)]
    if len(found) > 4 * most:  # the search below is for few: neighbours that begin in one part of the text are joined at once
        parts = groupby(found, key=lambda span: 4 * most * span.start // len(text))
        found = [_joined(list(group)) for _, group in parts]
    while len(found) > most:
        at = min(range(len(found) - 1), key=lambda place: found[place + 1].end - found[place].start)
        found[at : at + 2] = [_joined(found[at : at + 2])]
    return found


def _joined(spans: Sequence[Span]) -> Span:
    return Span(spans[0].start, spans[-1].end, spans[0].opens)


def _lines(text: str, span: Span) -> list[Span]:
    ends = [match.end() for match in re.finditer("\n", text[span.start : span.end])]
    starts = [0, *ends]
    trimmed = [_trim(text, span.start + start, span.start + end) for start, end in zip(starts, [*ends, span.end - span.start], strict=True)]
    return [Span(*found, Break.LINE if place else span.opens) for place, found in enumerate(trimmed) if found is not None]


def _ends(text: str) -> Iterator[tuple[int, Break]]:
    """Where a sentence ends, and what the next one opens with."""
    for match in _ENDS.finditer(text):
        kind = match.lastgroup
        if kind == "heading":
            yield match.start(), Break.HEADING
            yield match.end(), Break.UNDER_HEADING
        elif kind == "paragraph":
            yield match.end(), Break.PARAGRAPH
        elif kind == "line":
            yield match.end(), Break.LINE
        elif not _abbreviated(text, match):
            yield match.end(), Break.LINE if text[match.end() : match.end() + 1] in ("\n", "\r") else Break.SENTENCE
    yield len(text), Break.PARAGRAPH


def _abbreviated(text: str, mark: re.Match[str]) -> bool:
    """Whether the full stop belongs to the word before it."""
    if mark[0] != ".":
        return False
    found = _ABBREVIATION.search(text[max(0, mark.start() - 12) : mark.start()])
    if found is None:
        return False
    return not found["numbered"] or text[mark.end() :][:3].strip()[:1].isdigit()


def _trim(text: str, start: int, end: int) -> tuple[int, int] | None:
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    return (start, end) if start < end else None
