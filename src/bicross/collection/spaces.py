"""Vectors by space and reading: a text is embedded once in a space, whatever passages it stands in."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from bicross.collection.facts import State
from bicross.collection.rows import checksum, chunks, marks, vector_is_whole, vector_row
from bicross.collection.truth import Database, read_spaces, write_meta
from bicross.errors import SpaceMismatch
from bicross.records import Space
from bicross.vectors import Vectors, check_vectors


def register(db: Database, path: Path, state: State, space: Space, encoder: str) -> None:
    """Add a space, and make the first one active. Raises SpaceMismatch where its fingerprint has other dimensions here."""
    known = read_spaces(db, path)
    if space.fingerprint not in known:
        number = 1 + max((number for number, _, _ in known.values()), default=0)
        row = (number, space.fingerprint, space.dim, space.similarity, encoder)
        db.execute("INSERT INTO spaces VALUES (?, ?, ?, ?, ?, ?, ?)", (*row, time.time(), checksum(*row)))
    registered(db, path, space)
    if state.space is None:
        write_meta(db, active=space.fingerprint)


def registered(db: Database, path: Path, space: Space) -> int:
    """The number of a space in `vectors`. Raises SpaceMismatch where it is not registered as it is."""
    number, known, _ = read_spaces(db, path).get(space.fingerprint, (0, None, ""))
    if known != space:
        found = f"dimensions {known.dim} and similarity {known.similarity}" if known else "no vectors"
        raise SpaceMismatch(
            f"{path} has {found} in space {space.fingerprint[:12]}, given are {space.dim} ({space.similarity}); {mend(path)}"
        )
    return number


def encoder_of(db: Database, path: Path, space: Space) -> str:
    """The name of the encoder that makes the vectors of a registered space. Raises as `registered`."""
    registered(db, path, space)
    return read_spaces(db, path)[space.fingerprint][2]


def rename(db: Database, path: Path, space: Space, encoder: str) -> None:
    """Keep another name of the encoder of a registered space: its model may have moved."""
    number = registered(db, path, space)
    row = (number, space.fingerprint, space.dim, space.similarity, encoder)
    db.execute("UPDATE spaces SET encoder = ?, crc32 = ? WHERE number = ?", (encoder, checksum(*row), number))


def require_active(state: State, space: Space, path: Path) -> None:
    """Raises SpaceMismatch unless `space` is the active one."""
    if state.space != space:
        found = f"made by {state.facts.encoder} (space {state.space.fingerprint[:12]})" if state.space else "without a space"
        raise SpaceMismatch(f"{path} is {found}, the vectors given are of space {space.fingerprint[:12]}; {mend(path)}")


def mend(path: Path) -> str:
    """The command that brings a collection into another space."""
    return f"run: bicross reembed {path} --encoder NAME"


def missing(db: Database, path: Path, space: Space, readings: Iterable[bytes]) -> set[bytes]:
    """Those readings that have no whole vector in a registered space."""
    number, asked = registered(db, path, space), set(readings)
    for part in chunks(sorted(asked)):
        query = f"SELECT reading_sha256, vector, crc32 FROM vectors WHERE space = ? AND reading_sha256 IN ({marks(part)})"
        asked -= {row[0] for row in db.execute(query, (number, *part)) if vector_is_whole(space, number, *row)}
    return asked


def pending(db: Database, path: Path, space: Space) -> list[int]:
    """The first key of each live reading without a whole vector in a registered space, ascending."""
    number = registered(db, path, space)
    query = """SELECT min(p.key), p.reading_sha256, v.vector, v.crc32 FROM passages p
        LEFT JOIN vectors v ON v.space = ? AND v.reading_sha256 = p.reading_sha256 GROUP BY p.reading_sha256"""
    return sorted(key for key, *row in db.execute(query, (number,)) if not vector_is_whole(space, number, *row))


def owners(db: Database, readings: Iterable[bytes]) -> dict[bytes, str]:
    """Reading -> a document that it stands in; live readings only."""
    found: dict[bytes, str] = {}
    for part in chunks(readings):
        query = f"SELECT reading_sha256, min(doc_id) FROM passages WHERE reading_sha256 IN ({marks(part)}) GROUP BY reading_sha256"
        found.update(db.execute(query, part).fetchall())
    return found


def put_vectors(db: Database, space: Space, number: int, vectors: Mapping[bytes, Vectors], names: Mapping[bytes, str]) -> None:
    """Store vectors (dim,) by reading; an error names the document in `names`.

    Raises:
        SpaceMismatch, InputError: as `vectors.check_vectors` does.
    """
    if not vectors:
        return
    wide = next((vector for vector in vectors.values() if vector.shape != (space.dim,)), None)
    check_vectors(np.stack(list(vectors.values())) if wide is None else wide[None], space, [names.get(hashed, "?") for hashed in vectors])
    db.executemany(
        "INSERT INTO vectors VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET vector = excluded.vector, crc32 = excluded.crc32",
        [vector_row(number, hashed, vector) for hashed, vector in vectors.items()],
    )


def drop_unread(db: Database, readings: Iterable[bytes]) -> None:
    """Remove, in every space, the vectors of those readings that no passage has any more: a vector tells its text."""
    for part in chunks(readings):
        kept = "SELECT reading_sha256 FROM passages WHERE passages.reading_sha256 = vectors.reading_sha256"
        for number in [number for (number,) in db.execute("SELECT number FROM spaces")]:
            query = f"DELETE FROM vectors WHERE space = ? AND reading_sha256 IN ({marks(part)}) AND NOT EXISTS ({kept})"
            db.execute(query, (number, *part))


def prune(db: Database, path: Path, state: State) -> int:
    """Remove spaces that are neither active nor named in the history, with their vectors; returns the number of vectors."""
    gone, kept = 0, {state.space, *(one.space for one in state.history)}
    for number, space, _ in read_spaces(db, path).values():
        if space not in kept:
            gone += db.execute("DELETE FROM vectors WHERE space = ?", (number,)).rowcount
            db.execute("DELETE FROM spaces WHERE number = ?", (number,))
    return gone
