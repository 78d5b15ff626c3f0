"""The file `truth.sqlite`: its schema, how it is opened, and what its errors mean to the user.

One connection writes and checkpoints (the writer's), which also removes the precondition of SQLite's WAL-reset bug
(3.7.0 to 3.51.2); readers open `mode=ro` and cannot checkpoint. A commit is on the disk when it returns: WAL with
`synchronous=FULL` (https://sqlite.org/wal.html, https://sqlite.org/pragma.html#pragma_synchronous).
"""

from __future__ import annotations

import errno
import json
import os
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import quote

from bicross import durable
from bicross.collection.rows import checksum
from bicross.errors import Damaged, InputError, Locked, StoreError
from bicross.models.names import MODELS
from bicross.records import Space

FILE = "truth.sqlite"
LOCK = "lock"
WORK = (MODELS, "tuning")  # folders of a collection's own models, and of tuning that goes on; any folder may have such names
FORMAT = 1
BIRTH = {"kind": "bicross collection", "format": FORMAT}  # facts of the folder's own manifest
OLDEST_SQLITE = (3, 37, 0)  # STRICT tables
PATIENCE = 5_000  # milliseconds to wait for another connection's transaction
SCHEMA = f"""
PRAGMA user_version = {FORMAT};
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL, crc32 INTEGER NOT NULL) STRICT;
CREATE TABLE spaces (number INTEGER PRIMARY KEY, fingerprint TEXT NOT NULL UNIQUE, dim INTEGER NOT NULL,
    similarity TEXT NOT NULL, encoder TEXT NOT NULL, created REAL NOT NULL, crc32 INTEGER NOT NULL) STRICT;
CREATE TABLE documents (id TEXT PRIMARY KEY, title TEXT NOT NULL, text TEXT NOT NULL, meta TEXT NOT NULL, sha256 BLOB NOT NULL,
    passage_tokens INTEGER NOT NULL, passages INTEGER NOT NULL) STRICT;
CREATE TABLE passages (key INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, doc_id TEXT NOT NULL REFERENCES documents ON DELETE CASCADE,
    start INTEGER NOT NULL, end INTEGER NOT NULL, reading_sha256 BLOB NOT NULL, crc32 INTEGER NOT NULL) STRICT;
CREATE INDEX passages_of_document ON passages (doc_id);
CREATE INDEX passages_of_reading ON passages (reading_sha256);
CREATE TABLE vectors (space INTEGER NOT NULL REFERENCES spaces ON DELETE CASCADE, reading_sha256 BLOB NOT NULL, vector BLOB NOT NULL,
    crc32 INTEGER NOT NULL, PRIMARY KEY (space, reading_sha256)) STRICT;
CREATE TABLE jobs (id INTEGER PRIMARY KEY, kind TEXT NOT NULL, state TEXT NOT NULL, detail TEXT NOT NULL,
    started REAL NOT NULL, ended REAL) STRICT;
"""
START: dict[str, Any] = {  # meta of an empty collection
    "epoch": 0,  # of the last writer; a writer that finds another than its own was fenced
    "seq": 0,  # document writes so far: names the state of the documents, however they were batched
    "last_key": 0,  # the highest passage key ever given; none is given twice
    "active": None,  # fingerprint of the space that is searched
}
FULL_DISK = "free some space and run again"
Database = sqlite3.Connection


def create(path: Path, meta: Mapping[str, Any]) -> None:
    """Put an empty collection at `path`, whole or not at all; what an interrupted creation left is completed.

    Raises:
        InputError: something else is there. StoreError: the disk refuses, or a collection there has lost its truth.
    """
    if exists(path):
        raise InputError(f"{path} is a collection already; open it, or name another folder.")
    with reached(path):
        present = {entry.name for entry in path.iterdir()} if path.is_dir() else set()
    begun = {durable.MANIFEST, FILE + ".new", LOCK} if durable.MANIFEST in present else {durable.MANIFEST + ".new"}
    if present - begun:
        _explain_missing(path)
    if durable.MANIFEST not in present:
        durable.write_folder(path, {}, BIRTH)
    with explained(path), closing(sqlite3.connect(":memory:")) as db:
        db.executescript(SCHEMA)
        write_meta(db, **START, **meta)
        db.commit()
        content = bytearray(db.serialize())
    # Born in WAL mode (https://sqlite.org/fileformat.html, file format version numbers): to switch later would take a rollback
    # journal, and a reader that meets one after a power cut could not open the collection.
    content[18:20] = b"\x02\x02"
    durable.write_file(path / FILE, bytes(content))


def open_to_read(path: Path) -> Database:
    """A connection that cannot change or checkpoint the truth; usable from any one thread at a time.

    Raises:
        InputError: there is no collection at `path`. Damaged: its truth is missing or cannot be read.
    """
    _check_presence(path)
    # On a medium that cannot be written, SQLite cannot make the WAL's index, and no writer can be there either.
    still = not os.access(path, os.W_OK) and not (path / f"{FILE}-wal").exists()
    with explained(path):
        db = _connect(path, "mode=ro" + "&immutable=1" * still)
        try:
            return _checked(path, db)
        except BaseException:
            db.close()
            raise


def open_to_write(path: Path) -> Database:
    """The one connection that writes and checkpoints; call it under the collection's lock, and raise as `open_to_read`."""
    _check_presence(path)
    with explained(path):
        db = _connect(path, "mode=rw")
        try:
            _checked(path, db)
            mode = db.execute("PRAGMA journal_mode").fetchone()[0]
            if mode != "wal":
                raise StoreError(f"{path / FILE} is in journal mode {mode}, expected wal; restore a backup, or index the source anew.")
            for setting in ("synchronous = FULL", "foreign_keys = ON", "secure_delete = ON"):
                db.execute(f"PRAGMA {setting}")
            return db
        except BaseException:
            db.close()
            raise


def exists(path: Path) -> bool:
    """Whether the truth of a collection is at `path`. Raises as `reached`."""
    with reached(path):
        return (path / FILE).is_file()


@contextmanager
def reached(path: Path) -> Iterator[None]:
    """Turn what the system says of a path into ours.

    Raises:
        InputError: there can be no such path. StoreError: the system refuses to look.
    """
    try:
        yield
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            raise InputError(f"{str(path)[:60]}… is too long for a path ({len(str(path))} characters); give a shorter one.") from error
        raise StoreError(f"Cannot look into {path}: {error.strerror}. Check the permissions of the folder and those above it.") from error


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn SQLite's errors into ours.

    Raises:
        StoreError: disk full, or the system refuses. Locked: another connection writes. InputError: a value is too long.
        Damaged: the file is not a database, or not as it was written.
    """
    file = path / FILE
    try:
        yield
    except sqlite3.ProgrammingError:  # ours, not the disk's
        raise
    except (sqlite3.DataError, OverflowError) as error:
        raise InputError(f"A value is too long to be stored ({error}); split the document and index again.") from error
    except sqlite3.Error as error:
        code = (getattr(error, "sqlite_errorcode", None) or 0) & 0xFF
        if code == sqlite3.SQLITE_FULL:
            raise StoreError(f"Cannot write {file}: the disk is full. What was committed before is unchanged; {FULL_DISK}.") from error
        if code in (sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM):
            advice = f"check the disk and the folder's permissions, or {FULL_DISK}"
            raise StoreError(f"Cannot use {file}: {error}. What was committed before is unchanged; {advice}.") from error
        if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            raise Locked(f"{file} is in use by another process ({error}); wait for it to end and run again.") from error
        raise Damaged(f"{file} is damaged ({error}); restore a backup, or index the source again into a new collection.") from error


def is_device_error(error: BaseException | None) -> bool:
    """Whether the system failed to read or write, so that what the disk holds is unknown."""
    if isinstance(error, sqlite3.Error):
        return ((getattr(error, "sqlite_errorcode", None) or 0) & 0xFF) == sqlite3.SQLITE_IOERR
    return isinstance(error, OSError) and error.errno == errno.EIO


def read_meta(db: Database, path: Path) -> dict[str, Any]:
    """All facts about the collection. Raises Damaged where one is not what was written."""
    facts = {}
    for key, value, crc in db.execute("SELECT key, value, crc32 FROM meta"):
        if checksum(key, value) != crc:
            raise Damaged(f"{path / FILE}: the entry {key!r} of meta is not what was written; restore a backup, or index the source anew.")
        facts[key] = json.loads(value)
    if lost := START.keys() - facts.keys():
        raise Damaged(f"{path / FILE} has lost {', '.join(sorted(lost))} from meta; restore a backup, or index the source anew.")
    return facts


def write_meta(db: Database, **facts: Any) -> None:
    """Set facts about the collection."""
    texts = {key: json.dumps(value, ensure_ascii=False, sort_keys=True) for key, value in facts.items()}
    rows = [(key, value, checksum(key, value)) for key, value in texts.items()]
    db.executemany("INSERT INTO meta VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET value = excluded.value, crc32 = excluded.crc32", rows)


def read_spaces(db: Database, path: Path) -> dict[str, tuple[int, Space, str]]:
    """Fingerprint -> its number in `vectors`, the space, the encoder's name; raises Damaged where a row is not what was written."""
    spaces = {}
    for number, fingerprint, dim, similarity, encoder, crc in db.execute(
        "SELECT number, fingerprint, dim, similarity, encoder, crc32 FROM spaces ORDER BY number"
    ):
        if checksum(number, fingerprint, dim, similarity, encoder) != crc:
            raise Damaged(f"{path / FILE}: space {number} is not what was written; restore a backup, or index the source anew.")
        spaces[fingerprint] = number, Space(fingerprint, dim, similarity), encoder
    return spaces


def _connect(path: Path, how: str) -> Database:
    if sqlite3.sqlite_version_info < OLDEST_SQLITE:
        raise StoreError(f"SQLite {sqlite3.sqlite_version} found, 3.37 or newer expected; use a newer build of Python.")
    uri = f"file:{quote(os.fspath((path / FILE).absolute()))}?{how}"
    # Transactions are begun and ended by us alone; one thread at a time is the caller's promise.
    return sqlite3.connect(uri, uri=True, isolation_level=None, timeout=PATIENCE / 1000, check_same_thread=False)


def _checked(path: Path, db: Database) -> Database:
    found = db.execute("PRAGMA user_version").fetchone()[0]
    if found > FORMAT:
        raise StoreError(f"{path} has format {found}, this Bicross reads up to {FORMAT}; install a newer Bicross.")
    if found < FORMAT:
        raise Damaged(f"{path / FILE} is not the truth of a collection (format {found}, expected {FORMAT}); name another folder.")
    return db


def _check_presence(path: Path) -> None:
    if not exists(path):
        _explain_missing(path)


def _near(path: Path) -> str:
    """The collection beside it whose name is nearest, asked for by a slip of the hand."""
    beside = {found.parent.name for found in path.parent.glob(f"*/{FILE}")} if path.parent.is_dir() else set()
    near = get_close_matches(path.name, sorted(beside), n=1)
    return f" Did you mean {path.parent / near[0]}?" if near else ""


def _explain_missing(path: Path) -> NoReturn:
    """Say what is at `path` instead of a whole collection."""
    with reached(path):
        if not path.is_dir():
            what = "is a file" if path.exists() else "does not exist"
            raise InputError(f"{path} {what}; expected a collection.{_near(path)} Make one with: bicross index SOURCE --into {path}")
        names = {entry.name for entry in path.iterdir()}
    parts = ("gen-", FILE, "CURRENT", *(WORK if durable.MANIFEST in names else ()))
    remains = sorted(name for name in names if name.startswith(parts) and not name.endswith(".new"))
    if remains:
        raise Damaged(
            f"{path} is a half-deleted collection: {FILE}, which holds the documents, is missing; found {', '.join(remains)}. "
            f"Put {FILE} back from a backup, or remove the folder and run: bicross index SOURCE --into {path}"
        )
    if durable.MANIFEST in names:
        raise StoreError(f"{path} is a collection whose creation was interrupted; it is empty. Run: bicross index SOURCE --into {path}")
    found = f"it holds {len(names)} other files or folders" if names else "it is empty"
    raise InputError(f"{path} is not a collection: {found}. Make one in a new folder with: bicross index SOURCE --into {path}")
