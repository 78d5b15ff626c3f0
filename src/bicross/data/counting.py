"""How many documents a source may hold, before it is read: for progress and time left."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bicross.data import ir_datasets
from bicross.data.arrow import count_rows
from bicross.data.files import is_document, walk
from bicross.data.rows import JSONL, TABLES
from bicross.data.tables import find_table
from bicross.errors import InputError

_BLOCK = 1 << 20


def count_documents(sources: Sequence[Path]) -> int:
    """An estimate: lines of files, rows of tables, files of folders that are documents, what ir_datasets says of its ids.

    What is of another kind or cannot be read counts 0.
    """
    return sum(map(_count, sources))


def _count(source: Path) -> int:
    try:
        if (source / "corpus.jsonl").is_file():
            return _lines(source / "corpus.jsonl")
        if (name := ir_datasets.dataset_id(source)) is not None:
            return ir_datasets.count_documents(name)
        if (table := find_table(source, "documents")) is not None:
            return count_rows(table)
        if source.is_dir():
            return sum(is_document(name) for name in walk(source, []))
        if source.suffix.lower() in JSONL + TABLES:
            return _lines(source) if source.is_file() else 0
        return int(source.is_file() and is_document(source.name))
    except (OSError, InputError):
        return 0


def _lines(path: Path) -> int:
    with path.open("rb") as handle:
        return sum(block.count(b"\n") for block in iter(lambda: handle.read(_BLOCK), b""))
