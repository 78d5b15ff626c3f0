"""How many documents a source may hold, before it is read: for progress and time left."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bicross.data.files import TEXTS
from bicross.data.rows import JSONL, TABLES

_BLOCK = 1 << 20


def count_documents(sources: Sequence[Path]) -> int:
    """An estimate: lines of JSONL and tables, files of folders. What does not exist or is of another kind counts 0."""
    return sum(map(_count, sources))


def _count(source: Path) -> int:
    if (source / "corpus.jsonl").is_file():
        return _lines(source / "corpus.jsonl")
    if source.is_dir():
        return sum(_count(path) for path in source.rglob("*") if path.is_file())
    if source.suffix.lower() in JSONL + TABLES and source.is_file():
        return _lines(source)
    return int(source.suffix.lower() in TEXTS)


def _lines(path: Path) -> int:
    with path.open("rb") as handle:
        return sum(block.count(b"\n") for block in iter(lambda: handle.read(_BLOCK), b""))
