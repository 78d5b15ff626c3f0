"""What people read: facts in words, rounded, and nothing that a terminal would obey."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest

from bicross import __version__
from bicross.cli import show
from bicross.cli.plain import printable
from bicross.collection.check import Job, Status
from bicross.records import Hit, Passage, Skip, Space
from bicross.results import Answer, Answers
from tests.cli.world import Run, refused

SPACE = Space("0123456789abcdef", 64)
FRESH = Status(3, 5, 0, "gen-1", ("gen-1",), (), SPACE, "hashed", 7, 1_234_567, None)


def said(lines: Iterable[str]) -> str:
    return "\n".join(lines)


def test_status_in_words() -> None:
    assert said(show.status(FRESH)) == (
        "3 documents, 5 passages, 1.2 MB\nencoder hashed, space 0123456789ab (64 dimensions, cosine)\nindex gen-1"
    )
    job = Job("index", "interrupted", {"sources": ["a.jsonl", "b"]}, 1_700_000_000.0)
    text = said(show.status(Status(0, 0, 4, None, (), ("gen-1: keys.i64 is not what was written",), None, "hashed", 0, 0, job)))
    for words in (
        "no space yet",
        "no index in use",
        "4 passages are not in the index",
        "not used: gen-1: keys.i64",
        "not finished: index (interrupted), begun 2023-11-1",
        "sources a.jsonl, b. Run the same command again",
    ):
        assert words in text


def test_facts_of_a_model_are_lines_without_reprs() -> None:
    facts = {
        "name": "a",
        "prompt": "",
        "card": None,
        "notes": {"weights": {"rank": 1.0, "late": 2.0}, "languages": ("en", "zh")},
        "more": {},
    }
    assert list(show.fields(facts)) == [
        "name                a",
        "prompt              none",
        "card                none",
        "notes.weights.rank  1.0",
        "notes.weights.late  2.0",
        "notes.languages     en, zh",
        "more                none",
    ]


def test_what_a_terminal_would_obey_is_replaced(capsys: pytest.CaptureFixture[str]) -> None:
    bad = "\x1b\x07\x9b\u2028\u2029\u202e\u2066\u200f\x7f\ud800"
    assert printable(f"a\t{bad}\n文 é\u200d") == f"a\t{chr(0xFFFD) * len(bad)}\n文 é\u200d"
    hit = Hit("d", 1.0, Passage("p", "d", 0, 5, "red \x1b[31m\u202etext"))
    show.out(Answers((Answer("q", (hit,), {"d": "two\nlines\x1b"}, 0),), {}), False, show.answered)
    out = capsys.readouterr().out
    assert "d  two lines\ufffd\n" in out and "red \ufffd[31m\ufffdtext" in out
    assert not set(bad) & set(out)


def test_skips_are_fit_to_print(capsys: pytest.CaptureFixture[str]) -> None:
    show.out((Skip("a\x1b", "holds \u2066"),), False, show.skips)
    assert capsys.readouterr().out == "1 skipped:\n  a\ufffd: holds \ufffd\n"


def test_stages_stand_in_the_order_that_they_run_and_times_are_rounded() -> None:
    answers = Answers((), {"rerank": 130.04, "encode": 0.01234, "recall": 2.345})
    assert said(show.answered(answers)) == "encode 12 ms, recall 2.3 s, rerank 2 min"
    assert said(show.answered(Answers((), {"recall": 9000.0}))) == "recall 2.5 h"


def test_the_version(run: Run) -> None:
    found = run("--version")
    assert (found.code, found.out, found.err) == (0, f"bicross {__version__}\n", "")


def test_a_depth_that_is_no_number_and_no_measure_are_one_line(tmp_path: Path, run: Run) -> None:
    found = run("search", tmp_path, "x", "--depth", "abc")
    refused(found, "--depth is 'abc'; expected auto, or a whole number from 0 (no reranking) to 1000.")
    assert found.err.count("\n") == 1
    found = run("evaluate", tmp_path, "--queries", "q", "--qrels", "q", "--measures", "")
    refused(found, "measures: no measure is named; expected one or more, such as nDCG@10 (found ())")


def test_an_error_that_quotes_a_file_is_fit_to_print(tmp_path: Path, run: Run) -> None:
    (tmp_path / "r").write_text("\u202eq Q0 d 1 1\n")
    (tmp_path / "qrels").write_text("\x1b[31m\n")
    found = run("compare", tmp_path / "r", tmp_path / "none\x1b", "--qrels", tmp_path / "qrels")
    assert found.code == 2 and "\x1b" not in found.err and "\u202e" not in found.err
