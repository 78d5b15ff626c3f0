"""Reads of the truth in which every row's checksum is tested. Pieces of SQL that readers and the writer share."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from bicross.collection.rows import checksum, chunks, damaged_document, marks, read_document, vector_is_whole
from bicross.collection.truth import Database
from bicross.records import Document, Passage, Space, reading
from bicross.vectors import Keys, Vectors

PASSAGE_COLUMNS = "p.key, p.id, p.doc_id, p.start, p.end, p.reading_sha256, p.crc32"


@dataclass(frozen=True, slots=True)
class Span:
    """A row of `passages`: where a passage stands, without its text."""

    key: int
    id: str
    doc_id: str
    start: int
    end: int
    reading_sha256: bytes


def read_span(row: tuple[object, ...]) -> Span:
    """The span in a row of `PASSAGE_COLUMNS`. Raises Damaged, naming the document, where it is not what was written."""
    if checksum(*row[:-1]) != row[-1]:  # type: ignore[arg-type]  # whatever types damage left, their text is hashed
        raise damaged_document(row[2])
    return Span(*row[:-1])  # type: ignore[arg-type]  # the checksum says that they are as written


def live_keys(db: Database, keys: Keys) -> Keys:
    """Those of the keys (n,) that are live passages, ascending, (live,)."""
    live = [key for part in chunks(keys.tolist()) for (key,) in db.execute(f"SELECT key FROM passages WHERE key IN ({marks(part)})", part)]
    return np.sort(np.array(live, dtype=np.int64))


def spans(db: Database, keys: Iterable[int]) -> dict[int, Span]:
    """Key -> span, live passages only, in the order asked. Raises Damaged."""
    asked = list(keys)
    query = f"SELECT {PASSAGE_COLUMNS} FROM passages p WHERE key IN "
    found = {row[0]: read_span(row) for part in chunks(asked) for row in db.execute(f"{query} ({marks(part)})", part)}
    return {key: found[key] for key in asked if key in found}


def owners(db: Database, keys: Iterable[int]) -> dict[int, str]:
    """Key -> id of the document, of live passages. No document is read. Raises Damaged."""
    return {key: span.doc_id for key, span in spans(db, keys).items()}


def documents(db: Database, ids: Iterable[str]) -> dict[str, Document]:
    """Id -> document, those that exist, in the order asked. Raises Damaged."""
    asked = list(ids)
    query = "SELECT id, title, text, meta, sha256 FROM documents WHERE id IN "
    found = {row[0]: read_document(row) for part in chunks(asked) for row in db.execute(f"{query} ({marks(part)})", part)}
    return {key: found[key] for key in asked if key in found}


def titles(db: Database, ids: Iterable[str]) -> dict[str, str]:
    """Id -> title of those documents that exist, in the order asked; for showing beside passages, whose documents were checked."""
    asked = list(ids)
    query = "SELECT id, title FROM documents WHERE id IN "
    found = {row[0]: row[1] for part in chunks(asked) for row in db.execute(f"{query} ({marks(part)})", part)}
    return {key: found[key] for key in asked if key in found}


def metas(db: Database, ids: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Id -> meta of those documents that exist, in the order asked; as `titles`."""
    asked = list(ids)
    query = "SELECT id, meta FROM documents WHERE id IN "
    found = {row[0]: json.loads(row[1]) for part in chunks(asked) for row in db.execute(f"{query} ({marks(part)})", part)}
    return {key: found[key] for key in asked if key in found}


def passages(db: Database, keys: Iterable[int]) -> dict[int, tuple[Passage, Document]]:
    """Key -> passage, its text cut from its document, and the document; live ones only, in the order asked. Raises Damaged."""
    located = spans(db, keys)
    owners = documents(db, dict.fromkeys(span.doc_id for span in located.values()))
    cut = {}
    for key, span in located.items():
        if span.doc_id not in owners:
            raise damaged_document(span.doc_id)
        document = owners[span.doc_id]
        text = document.text[span.start : span.end]
        cut[key] = Passage(span.id, span.doc_id, span.start, span.end, text), document
    return cut


def passages_of(db: Database, ids: Iterable[str]) -> dict[str, tuple[Passage, ...]]:
    """Id -> the document's passages in the order of its text, of those that exist, in the order asked. Raises Damaged."""
    owners = documents(db, dict.fromkeys(ids))
    query = f"SELECT {PASSAGE_COLUMNS} FROM passages p WHERE p.doc_id IN "
    found = [read_span(row) for part in chunks(owners) for row in db.execute(f"{query} ({marks(part)})", part)]
    cut: dict[str, list[Passage]] = {key: [] for key in owners}
    for span in sorted(found, key=lambda span: (span.start, span.end)):
        text = owners[span.doc_id].text[span.start : span.end]
        cut[span.doc_id].append(Passage(span.id, span.doc_id, span.start, span.end, text))
    return {key: tuple(passages) for key, passages in cut.items()}


def readings(db: Database, keys: Iterable[int]) -> dict[int, str]:
    """Key -> what a model reads of the passage, live ones only, in the order asked. Raises Damaged."""
    return {key: reading(document.title, passage.text) for key, (passage, document) in passages(db, keys).items()}


def vectors_after(db: Database, space: Space, number: int, key: int) -> tuple[Keys, Vectors]:
    """Keys (n,) and vectors (n, dim) in a space of the live passages above `key`, in the order of the keys.

    Raises:
        Damaged: a vector is missing or not what was written; the message names the document.
    """  # both statements see one state, because every caller is in a transaction
    query = """SELECT p.key, p.doc_id, p.reading_sha256, v.vector, v.crc32 FROM passages p
        LEFT JOIN vectors v ON v.space = ? AND v.reading_sha256 = p.reading_sha256 WHERE p.key > ? ORDER BY p.key"""
    (count,) = db.execute("SELECT count(*) FROM passages WHERE key > ?", (key,)).fetchone()
    keys, vectors = np.empty(count, dtype=np.int64), np.empty((count, space.dim), dtype=np.float32)  # (n,), (n, dim)
    for row, (found, doc_id, hashed, content, crc) in enumerate(db.execute(query, (number, key))):
        if not vector_is_whole(space, number, hashed, content, crc):
            raise damaged_document(doc_id)
        keys[row], vectors[row] = found, np.frombuffer(content, dtype="<f4")
    return keys, vectors
