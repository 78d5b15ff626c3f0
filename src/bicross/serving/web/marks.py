"""A passage with the words that mattered: spans laid over a text, cut where they begin and end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

STRENGTHS = 3


class Piece(NamedTuple):
    """A part of a text; `strength` from 0, did not matter, to 3, mattered most."""

    text: str
    strength: int


def pieces(text: str, spans: Sequence[Mapping[str, Any]]) -> tuple[Piece, ...]:
    """The whole text in pieces. `spans` are {start, end, score} in code points; a score of 0 or less did not matter.

    The strength is a span's share of the highest score, in thirds; where spans overlap, the stronger one counts.
    """
    most = max((span["score"] for span in spans), default=0.0)
    levels = [0] * len(text)
    for span in spans:
        if span["score"] > 0:
            level = min(STRENGTHS, 1 + int(STRENGTHS * span["score"] / most))
            for place in range(max(0, span["start"]), min(len(text), span["end"])):
                levels[place] = max(levels[place], level)
    made: list[Piece] = []
    begun = 0
    for place in range(1, len(text) + 1):
        if place == len(text) or levels[place] != levels[begun]:
            made.append(Piece(text[begun:place], levels[begun]))
            begun = place
    return tuple(made)


def split_title(whole: str, text: str, marked: Sequence[Piece]) -> tuple[tuple[Piece, ...], tuple[Piece, ...]]:
    """The pieces of what a model read (`records.reading`) apart: of the title and of the text, which ends it."""
    head = len(whole) - len(text)
    title: list[Piece] = []
    body: list[Piece] = []
    place = 0
    for piece in marked:
        cut = max(0, min(len(piece.text), head - place))
        for part, into in ((piece.text[:cut], title), (piece.text[cut:], body)):
            if part:
                into.append(Piece(part, piece.strength))
        place += len(piece.text)
    return tuple(title), tuple(body)
