"""Judging on a terminal: a pair on the screen, a key, the next one. Works over ssh, and with keys from a pipe."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import groupby

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.rule import Rule
from rich.text import Text

from bicross.judging.draw import Pair
from bicross.judging.keys import MEANINGS, QUIT, act
from bicross.judging.session import Session, progress
from bicross.judging.wrapping import wrapped

MARGIN = 2  # columns on each side
WIDEST = 100  # columns of text: longer lines are hard to read
HELP = "  ".join(f"[{grade}] {meaning}" for grade, meaning in enumerate(MEANINGS)) + "\n[space] skip  [u] undo  [q] quit; y is 3, n is 0"


def ask(session: Session, keys: Iterator[str], console: Console, fit: Callable[[str], str]) -> None:
    """Show the pairs of a session and act on keys, until there is none left, or no key, or `q`.

    `fit` takes out of a text what could move the cursor.
    """
    said = ""
    while True:
        pair = session.current
        _show(session, pair, console, fit, said)
        key = next(keys, QUIT)
        if key == QUIT or (pair is None and key != "u"):
            return
        said = act(session, key) or f"{fit(key)!r} means nothing here"


def _show(session: Session, pair: Pair | None, console: Console, fit: Callable[[str], str], said: str) -> None:
    if console.is_terminal:
        console.clear()
    width = min(WIDEST, console.width)
    console.print(Text(f"{progress(session, session.counts)}   {said}", "dim"))
    if pair is None:
        console.print(Text("All pairs are done.  [u] take the last one back  [any other key] end"))
        return
    inside = width - 2 * MARGIN
    text = _paragraphs(fit("\n\n[…]\n\n".join(pair.passages)))
    body: list[RenderableType] = [Text(wrapped(fit(" ".join(pair.question.split())), inside), "bold"), Rule(style="dim")]
    if pair.title:
        body.append(Text(wrapped(fit(" ".join(pair.title.split())), inside), "italic"))
    console.print(Padding(Group(*body, Text(wrapped(text, inside))), (1, MARGIN)), width=width)
    console.print(Text(HELP, "dim"), width=width)


def _paragraphs(text: str) -> str:
    """Without runs of empty lines, which would push the question off the screen."""
    lines = [line.strip() for line in text.splitlines()]
    return "\n".join("\n".join(row) if full else "" for full, row in groupby(lines, key=bool)).strip()
