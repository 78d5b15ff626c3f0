"""`bicross check` and `bicross judge` from the command line: what is printed, piped and refused."""

from __future__ import annotations

import io
import re
import subprocess
import sys
from pathlib import Path
from urllib.request import urlopen

import pytest

from bicross.data.questions import read_qrels
from tests.cli.world import Run, refused, write


@pytest.fixture
def queries(tmp_path: Path) -> Path:
    return write(tmp_path / "queries.jsonl", [{"_id": "q1", "text": "reset the printer?"}, {"_id": "q2", "text": "请问红色按钮在哪儿？"}])


def piped(monkeypatch: pytest.MonkeyPatch, keys: str) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(keys))


def test_check_says_what_each_number_means(run: Run, made: Path, queries: Path) -> None:
    said = run("check", made, "--queries", queries)
    assert said.code == 0
    for words in (
        "2 of 2 questions asked",
        "lexical, dense",
        "What the reranker moves",
        "plain words",
        "typo",
        "only judgements tell",
        "95 %",
    ):
        assert words in said.out, words
    found = run("check", made, "--queries", queries, "--json", "--sample", "1").json
    assert found["asked"] == 1 and found["stages"][0]["overlap"]["confidence"] and "stability" in found["meanings"]


def test_keys_from_a_pipe_become_judgements(run: Run, made: Path, queries: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    into = tmp_path / "judged.tsv"
    piped(monkeypatch, "3\n0\n q")
    said = run("judge", made, "--queries", queries, "--into", into)
    assert said.code == 0 and "2 of " in said.out and "1 skipped" in said.out and "run the same command to go on" in said.out
    assert "[0] does not answer" in said.err and "saved: 3" in said.err
    assert sum(map(len, read_qrels(into).values())) == 2
    piped(monkeypatch, "u3333333")
    found = run("judge", made, "--queries", queries, "--into", into, "--json").json
    assert found["counts"]["left"] == 0 and found["counts"]["skipped"] == 0 and found["complete"] == 2
    assert found["verdict"].startswith("Too few to say") and found["qrels"] == str(into)
    assert run("evaluate", made, "--queries", queries, "--qrels", into).code == 0


def test_what_cannot_be_done_is_said_in_one_line(
    run: Run, made: Path, queries: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    piped(monkeypatch, "")
    table = tmp_path / "judged.tsv"
    judge = ("judge", made, "--queries", queries, "--into")
    refused(run(*judge, table, "--pairs", "0"), "pairs")
    refused(run(*judge, table, "--per-question", "101"), "per_question")
    refused(run(*judge, tmp_path / "no" / "x.tsv"), "folder that exists")
    refused(run(*judge, queries), "not made here")
    refused(run("check", made, "--queries", tmp_path / "no.jsonl"), "cannot be read")
    refused(run("check", made, "--queries", queries, "--sample", "0"), "sample")
    assert run(*judge, table, "--web", "--port", "99999").code == 2


def test_the_page_is_served_until_it_is_ended(made: Path, queries: Path, tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "bicross.cli.main",
        "judge",
        made,
        "--queries",
        queries,
        "--into",
        tmp_path / "j.tsv",
        "--web",
        "--json",
    ]
    running = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert running.stderr is not None
    found = next(address for line in running.stderr if (address := re.search(r"http://127\.0\.0\.1:\d+/\S+/", line)))
    with urlopen(found[0], timeout=10) as page:
        assert b"bicross judge" in page.read()
    running.send_signal(2)  # Ctrl-C
    out, _ = running.communicate(timeout=20)
    assert running.returncode == 0 and '"judged": 0' in out
