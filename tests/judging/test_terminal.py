"""Judging on a terminal: what is on the screen, what keys do, keys from a pipe and from a terminal."""

from __future__ import annotations

import io
import os
import pty
import termios
from pathlib import Path

from rich.cells import cell_len
from rich.console import Console

from bicross.cli.plain import printable
from bicross.judging.draw import Pair
from bicross.judging.keys import pressed
from bicross.judging.session import Session
from bicross.judging.terminal import ask
from tests.judging.world import session, shown


def screens(of: Session, keys: str, width: int = 60, terminal: bool = False) -> str:
    """What is shown while these keys come from a pipe."""
    console = Console(file=io.StringIO(), width=width, force_terminal=terminal, highlight=False)
    with pressed(io.StringIO(keys)) as characters:
        ask(of, characters, console, printable)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_keys_grade_skip_and_take_back(tmp_path: Path) -> None:
    asked = session(tmp_path)
    out = screens(asked, "2 u\ny\r\nn3u")
    assert asked.grades == {"q1": {"a": 2, "b": 3}, "q2": {"a": 0}} and shown(asked) == ("q2", "c")
    for words in (
        "0 of 4 pairs",
        "what is q1?",
        "Title a",
        "text of a",
        "正文",
        "[0] does not answer",
        "saved: 2",
        "skipped",
        "taken back",
    ):
        assert words in out, words
    assert "All pairs are done" in out  # before the last was taken back
    assert "lexical" not in out and "1.0" not in out  # the judge is not told who found it


def test_the_end_of_the_keys_q_and_a_finished_session_end(tmp_path: Path) -> None:
    for keys, judged in (("", 0), ("1q1", 1), ("xX?1", 2), ("1111111", 4)):
        asked = session(tmp_path)
        out = screens(asked, keys)
        assert asked.counts["judged"] == judged
    assert "All pairs are done" in out
    assert "'x' means nothing here" in " ".join(screens(session(tmp_path / "other"), "x").split())


def test_full_width_keys_and_capitals_count(tmp_path: Path) -> None:
    asked = session(tmp_path)
    screens(asked, "３　ＹU")
    assert [event.grade for event in asked.events] == [3, None]


def test_wide_text_is_broken_into_lines_that_fit_and_cannot_move_the_cursor(tmp_path: Path) -> None:
    text = "个体工商户的债务，个人经营的，以个人财产承担；" * 20 + "\x1b[2J" + "word " * 50 + "\n\n\n\n\n結尾"
    wide = Pair("q", "谁偿还" * 30 + "\x1b]0;x\x07", "d", "题\u202e目", (text, "second"), 1.0, {})
    out = screens(session(tmp_path, [wide]), "", width=40)
    assert all(cell_len(line) <= 40 for line in out.splitlines())
    assert "\x1b" not in out and "\u202e" not in out
    assert "\n\n\n" not in out.replace(" ", "") and "[…]" in out and "second" in out


def test_keys_are_read_raw_from_a_terminal_which_is_put_back() -> None:
    master, slave = pty.openpty()
    before = termios.tcgetattr(slave)
    with os.fdopen(slave, "r", encoding="utf-8") as stream:
        with pressed(stream) as keys:
            os.write(master, "2u ３".encode())  # no line end: the keys are not waited for as a line
            during = termios.tcgetattr(stream.fileno())
            assert [next(keys) for _ in range(4)] == ["2", "u", " ", "3"]
            os.write(master, b"\x04")
            assert list(keys) == []
        assert not during[3] & (termios.ICANON | termios.ECHO) and during[3] & termios.ISIG
        assert termios.tcgetattr(stream.fileno()) == before
    os.close(master)


def test_bytes_that_are_no_text_are_no_keys(tmp_path: Path) -> None:
    asked = session(tmp_path)
    with pressed(io.TextIOWrapper(io.BytesIO(b"\xff\xfe2\x80"), encoding="utf-8")) as keys:
        ask(asked, keys, Console(file=io.StringIO()), printable)
    assert [event.grade for event in asked.events] == [2]
