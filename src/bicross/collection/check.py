"""What a collection holds (`status`), and whether all of it is what was written (`verify`). Neither changes anything."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bicross import durable
from bicross.collection import generations, lookup, own, truth
from bicross.collection.facts import State
from bicross.collection.rows import read_document, reading_hash, vector_is_whole
from bicross.collection.sides import open_dense, open_lexical
from bicross.errors import BicrossError
from bicross.models.names import MODELS, owned
from bicross.records import Space, reading

if TYPE_CHECKING:
    from bicross.indexes.bm25 import BM25Index
    from bicross.protocols import Index

OTHER_VERSION = f"is of another version of Bicross, so {truth.FILE} is read instead, which is slow; index again, which replaces it."


@dataclass(frozen=True, slots=True)
class Job:
    """The last piece of work, if it is not done: `state` is running or interrupted, `started` seconds since 1970."""

    kind: str
    state: str
    detail: Mapping[str, Any]
    started: float


@dataclass(frozen=True, slots=True)
class Status:
    """`tail` passages are searched without an index; `refused` says which generations are not used and why; `bytes` on disk. `index` is the
    kind that holds the vectors, and `recall` what it finds of what the exact scan finds; None where it is exact, or there is none.
    """

    documents: int
    passages: int
    tail: int
    generation: str | None
    generations: tuple[str, ...]
    refused: tuple[str, ...]
    space: Space | None
    encoder: str
    seq: int
    bytes: int
    unfinished: Job | None
    models: tuple[own.OwnModel, ...] = ()
    index: str | None = None
    recall: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Problem:
    """`where` is a document, file, generation or model."""

    where: str
    what: str


@dataclass(frozen=True, slots=True)
class Findings:
    """What was looked at, and what of it is not what was written."""

    documents: int
    passages: int
    vectors: int
    generations: int
    problems: tuple[Problem, ...]
    models: int = 0


def status(path: Path) -> Status:
    """See `Status`. Raises what opening a collection raises."""
    with closing(truth.open_to_read(path)) as db, truth.explained(path):
        names = generations.names(path)  # before the snapshot begins, as in `verify`
        db.execute("BEGIN")
        state = State.of(db, path)
        choice = generations.Choice(None, ())
        if state.space is not None:
            choice = generations.choose(path, state.space, state.seq, state.last_key)
        used = choice.generation
        refused = [why for why in choice.refused if why.partition(":")[0] in names]
        if used:
            refused += [f"{used.path.name}: its {part} index {OTHER_VERSION}" for part, index in _parts(used).items() if index is None]
        return Status(
            documents=_count(db, "documents"),
            passages=_count(db, "passages"),
            tail=_count(db, f"passages WHERE key > {used.covers_key if used else 0}"),
            generation=used.path.name if used else None,
            generations=tuple(names),
            refused=tuple(refused),
            space=state.space,
            encoder=state.facts.encoder,
            seq=state.seq,
            bytes=_bytes_in(path),
            unfinished=_unfinished(db),
            models=tuple(own.OwnModel(name, _bytes_in(path / name), own.use(name, state)) for name in owned(path)),
            index=used.dense_kind if used else None,
            recall=used.recall if used else None,
        )


def verify(path: Path) -> Findings:
    """Read every row and file, and name all that is damaged or does not fit together.

    Raises:
        BicrossError: what opening a collection raises. Damage behind that is a finding, not an error.
    """
    with closing(truth.open_to_read(path)) as db:
        problems: list[Problem] = []

        def note(where: str, work: Callable[[], Iterator[Problem]]) -> None:
            """One check. What stops it is its finding, and the others go on."""
            try:
                with truth.explained(path):
                    problems.extend(work())
            except BicrossError as error:
                problems.append(Problem(where, str(error)))

        names = generations.names(path)  # before the snapshot begins: what a writer publishes later may be newer than it shows
        with truth.explained(path):
            db.execute("BEGIN")
        note(durable.MANIFEST, lambda: _folder(path))
        note(truth.FILE, lambda: _file(db))
        note(truth.FILE, lambda: _documents(db))
        note(truth.FILE, lambda: _vectors(db, path))
        note(MODELS, lambda: (Problem(name, what) for name, what in own.damaged(path, State.of(db, path))))
        for name in names:
            note(name, partial(_generation, db, path, name))
        counts: dict[str, int] = {"documents": 0, "passages": 0, "vectors": 0}
        for table in counts:
            with suppress(sqlite3.Error):  # named above already
                counts[table] = _count(db, table)
        counts |= {"generations": len(names), "models": len(owned(path))}
        return Findings(**counts, problems=tuple(dict.fromkeys(problems)))


def _folder(path: Path) -> Iterator[Problem]:
    """The folder says that it is a collection, and `CURRENT` names a generation where there is one."""
    durable.read_manifest(path)
    current = generations.current(path)  # before the names: a writer may make another one current meanwhile
    names = generations.names(path)
    unchanged = (path / generations.CURRENT).exists() and generations.current(path) == current
    if names and unchanged and current not in names:
        yield Problem(generations.CURRENT, f"It does not name one of {', '.join(names)}; index again, which mends it.")


def _file(db: truth.Database) -> Iterator[Problem]:
    """SQLite's own checks of its pages, indexes, types and references."""
    for (message,) in db.execute("PRAGMA integrity_check"):
        if message != "ok":
            yield Problem(truth.FILE, message)
    for table, row, parent, _ in db.execute("PRAGMA foreign_key_check"):
        yield Problem(truth.FILE, f"Row {row} of {table} refers to a row of {parent} that is not there.")


def _documents(db: truth.Database) -> Iterator[Problem]:
    """Every document is what was written, and has as many passages as were cut, each of them the text that was embedded."""
    spans = f"SELECT {lookup.PASSAGE_COLUMNS} FROM passages p WHERE doc_id = ? ORDER BY key"
    for *row, cut in db.execute("SELECT id, title, text, meta, sha256, passages FROM documents ORDER BY rowid"):
        try:
            document = read_document(row)
            found = [lookup.read_span(span) for span in db.execute(spans, (document.id,))]
            if len(found) != cut:
                yield Problem(document.id, f"The document was cut into {cut} passages, {len(found)} are there; index it again.")
            for span in found:
                if reading_hash(reading(document.title, document.text[span.start : span.end])) != span.reading_sha256:
                    yield Problem(document.id, f"Passage {span.id!r} is not the text that was embedded; index the document again.")
        except BicrossError as error:
            yield Problem(str(row[0]), str(error))


def _vectors(db: truth.Database, path: Path) -> Iterator[Problem]:
    """Every vector is what was written and belongs to a passage, and in the active space every passage has one."""
    numbers = {number: space for number, space, _ in truth.read_spaces(db, path).values()}
    owner = "SELECT doc_id FROM passages p WHERE p.reading_sha256 = vectors.reading_sha256 LIMIT 1"
    for number, hashed, content, crc, doc_id in db.execute(f"SELECT space, reading_sha256, vector, crc32, ({owner}) FROM vectors"):
        name = str(doc_id or truth.FILE)
        if number not in numbers:
            yield Problem(name, f"A vector is of space {number}, which is not there; index the document again.")
        elif not vector_is_whole(numbers[number], number, hashed, content, crc):
            yield Problem(name, f"A vector in space {numbers[number].fingerprint[:12]} is not what was written; index the document again.")
        elif doc_id is None:
            yield Problem(name, "A vector belongs to no passage; index the source again into a new collection.")
    query = """SELECT p.doc_id FROM passages p LEFT JOIN vectors v ON v.space = ? AND v.reading_sha256 = p.reading_sha256
        WHERE v.space IS NULL"""
    for (doc_id,) in db.execute(query, (State.of(db, path).number,)):
        yield Problem(str(doc_id), "A passage has no vector in the active space; index the document again.")


def _generation(db: truth.Database, path: Path, name: str) -> Iterator[Problem]:
    """Every byte is what was written, the indexes open, and all passages of the truth that it covers are in them."""
    state, folder = State.of(db, path), path / name
    try:
        found = generations.load(folder, generations.space_of(folder), state.seq, state.last_key)
    except BicrossError:
        if folder.exists():
            raise
        return  # a writer has removed it meanwhile
    for part, index in _parts(found).items():
        if index is None:
            yield Problem(name, f"Its {part} index {OTHER_VERSION}")
        elif len(index) != len(found.keys):
            yield Problem(
                name, f"Its {part} index holds {len(index)} passages, expected {len(found.keys)}; remove the folder and index again."
            )
    live = np.array([key for (key,) in db.execute("SELECT key FROM passages WHERE key <= ?", (found.covers_key,))], dtype=np.int64)
    if lost := len(np.setdiff1d(live, found.keys)):
        yield Problem(name, f"It lacks {lost} passages of the truth that it says it covers; remove the folder and index again.")
    dead = len(np.setdiff1d(found.keys, live))
    if dead and found.covers_seq == state.seq:
        yield Problem(
            name, f"{truth.FILE} lacks {dead} passages that were there at the same write; restore a backup, or index the source anew."
        )


def _parts(generation: generations.Generation) -> dict[str, Index | BM25Index | None]:
    """The indexes of a generation by name; None where this version cannot read one."""
    return {"dense": open_dense(generation), "lexical": open_lexical(generation)}


def _unfinished(db: truth.Database) -> Job | None:
    row = db.execute("SELECT kind, state, detail, started FROM jobs ORDER BY id DESC LIMIT 1").fetchone()
    if row is None or row[1] == "done":
        return None
    return Job(row[0], row[1], json.loads(row[2]), row[3])


def _count(db: truth.Database, rows: str) -> int:
    (count,) = db.execute(f"SELECT count(*) FROM {rows}").fetchone()
    return int(count)


def _bytes_in(path: Path) -> int:
    """What the files of a folder take; a file or a folder that the writer removes meanwhile takes nothing."""
    total = 0
    for folder, _, files in os.walk(path):
        for file in files:
            with suppress(OSError):
                total += Path(folder, file).lstat().st_size
    return total
