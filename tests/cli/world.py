"""What a command answers, in this process or in one of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from bicross.models.registry import HASHED

PAIR = ("--encoder", HASHED, "--reranker", HASHED)
ROWS = [
    {"_id": "printer", "title": "Reset", "text": "To reset the printer, press the red button for ten seconds."},
    {"_id": "bread/rye", "text": "Rye bread needs sourdough, water, salt and patience."},
    {"_id": "打印机", "text": "要重置打印机，请按住红色按钮十秒钟。"},
]


@dataclass(frozen=True)
class Said:
    """What a command answered."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        assert self.out.count("\n") == 1 and self.out.endswith("\n"), self.out
        return json.loads(self.out, parse_constant=pytest.fail)  # NaN and Infinity are no JSON


Run = Callable[..., Said]


def process(*arguments: str | bytes | Path, env: dict[str, str] | None = None) -> Said:
    """The command line in a process of its own."""
    command = [sys.executable, "-m", "bicross.cli.main", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env={**os.environ, **(env or {})})
    return Said(done.returncode, done.stdout, done.stderr)


def write(path: Path, rows: Sequence[object]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return path


def refused(said: Said, *words: str) -> None:
    """Exit code 2, nothing on stdout, and one line that says what was found."""
    assert (said.code, said.out) == (2, ""), said
    assert "Traceback" not in said.err
    for word in words:
        assert word in said.err
