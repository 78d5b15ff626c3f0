"""What the keys mean, on the terminal and on the page, and keys as they are pressed."""

from __future__ import annotations

import io
import termios
import tty
import unicodedata
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TextIO

from bicross.judging.session import Session

GRADES: Mapping[str, int] = {"0": 0, "1": 1, "2": 2, "3": 3, "n": 0, "y": 3}
MEANINGS = ("does not answer", "touches it", "answers in part", "answers")
"""Of the grades 0 to 3; n is 0 and y is 3, for whoever does not want to grade."""
SKIP, UNDO, QUIT = " ", "u", "q"


def act(session: Session, key: str) -> str:
    """Do what a key says about the pair that is shown; the answer says what was done, and is empty for a key without meaning.

    Raises:
        StoreError: the disk refuses.
    """
    pair = session.current
    if key == UNDO:
        return "taken back" if session.undo() else "nothing to take back"
    if pair is None:
        return ""
    if key == SKIP:
        session.say(pair.query_id, pair.doc_id, None)
        return "skipped"
    if key in GRADES:
        session.say(pair.query_id, pair.doc_id, GRADES[key])
        return f"saved: {GRADES[key]}"
    return ""


@contextmanager
def pressed(stream: TextIO) -> Iterator[Iterator[str]]:
    """Keys as they are pressed; of a pipe or file, its characters but for line ends. Full-width counts as half-width, capital as small.

    On a terminal, what was typed before is dropped. The end of the input, or Ctrl-D, ends them. Ctrl-C interrupts as ever; the terminal is
    put back as it was.
    """
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(errors="replace")  # bytes that are no text are no keys
    if not stream.isatty():
        yield _characters(stream)
        return
    number = stream.fileno()
    before = termios.tcgetattr(number)
    try:
        tty.setcbreak(number)
        yield _characters(stream)
    finally:
        termios.tcsetattr(number, termios.TCSADRAIN, before)


def _characters(stream: TextIO) -> Iterator[str]:
    while (character := stream.read(1)) not in ("", "\x04"):
        if character not in "\r\n":
            yield unicodedata.normalize("NFKC", character).lower()
