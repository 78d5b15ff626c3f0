"""The command line in this process, a source, a collection and judged questions."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from bicross.cli import main as cli
from tests.cli.world import PAIR, ROWS, Run, Said, write


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """The command line in this process, as the console script calls it."""

    def call(*arguments: str | Path) -> Said:
        monkeypatch.setattr(sys, "argv", ["bicross", *map(str, arguments)])
        capsys.readouterr()
        code = 0
        try:
            cli.main()
        except SystemExit as stop:
            code = stop.code if isinstance(stop.code, int) else 0 if stop.code is None else 1
        out, err = capsys.readouterr()
        return Said(code, out, err)

    return call


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return write(tmp_path / "documents.jsonl", ROWS)


@pytest.fixture
def made(tmp_path: Path, source: Path, run: Run) -> Path:
    assert run("index", source, "--into", tmp_path / "made", *PAIR).code == 0
    return tmp_path / "made"


@pytest.fixture
def judged(tmp_path: Path) -> tuple[Path, Path]:
    queries = [{"_id": "q1", "text": "reset the printer"}, {"_id": "q2", "text": "红色按钮"}]
    (tmp_path / "qrels.tsv").write_text("query-id\tcorpus-id\tscore\nq1\tprinter\t1\nq2\t打印机\t1\nq2\tabsent\t1\n", "utf-8")
    return write(tmp_path / "queries.jsonl", queries), tmp_path / "qrels.tsv"
