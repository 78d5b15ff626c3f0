"""Documents in both languages, what a collection of them holds, and an interruption."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from bicross.models.hashed import HashedEncoder
from bicross.models.registry import HASHED
from bicross.settings import IndexSettings
from bicross.vectors import Vectors

ROOT = Path(__file__).parents[2]
SETTINGS = IndexSettings(encoder=HASHED, reranker=HASHED, passage_tokens=16)
TOPICS = ["printer", "router", "volcano", "penguin", "bread", "打印机", "火山", "企鹅"]
COUNT = 24


def row(number: int, note: str = "") -> dict[str, str]:
    """A document of two passages or three; every fourth, which has no title, has one that others have too."""
    topic = TOPICS[number % len(TOPICS)]
    text = f"Chapter {number} says how to reset the {topic} with button {number} on its side{note}. "
    text += f"Then the {topic} of kind {number} needs {number + 3} seconds before it starts again and is ready. "
    text += "The same last words stand at the end of many of these documents about all kinds of things." * (number % 4 == 0)
    return {"_id": f"d{number}", "title": f"Title {number}" * (number % 4 > 0), "text": text}


def write(path: Path, rows: Sequence[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")
    return path


def truth(path: Path) -> dict[str, list[Any]]:
    """All that the collection says of documents, passages with their keys, and vectors with their bytes."""
    db = sqlite3.connect(f"file:{path / 'truth.sqlite'}?mode=ro", uri=True)
    try:
        tables = ("documents", "passages", "vectors", "spaces")
        found = {table: db.execute(f"SELECT * FROM {table} ORDER BY rowid").fetchall() for table in tables}
    finally:
        db.close()
    found["spaces"] = [row[:5] for row in found["spaces"]]  # without the time
    return found


def vectors(path: Path) -> int:
    return len(truth(path)["vectors"]) if (path / "truth.sqlite").exists() else 0


class CountingEncoder(HashedEncoder):
    """The encoder without weights, and a memory of the documents that it was given."""

    def __init__(self) -> None:
        super().__init__()
        self.read: list[str] = []

    def encode_documents(self, texts: Sequence[str]) -> Vectors:
        self.read += texts
        return super().encode_documents(texts)


class Interruption(Exception):
    """Raised where a user would press Ctrl-C."""


def after(calls: int) -> Callable[[str, int, int], None]:
    """Progress that interrupts at its call number `calls`."""
    left = calls

    def progress(what: str, done: int, total: int) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            raise Interruption

    return progress
