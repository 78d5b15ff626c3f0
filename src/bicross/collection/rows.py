"""How records become rows, and the checksum in each row: SQLite has none, and serves a flipped bit as if it were written."""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import TypeVar

from bicross.errors import Damaged, InputError
from bicross.records import Document, Space
from bicross.vectors import Vectors

T = TypeVar("T")
CHUNK = 500  # bound parameters in one statement; every build of SQLite allows 999


def chunks(items: Iterable[T]) -> Iterator[list[T]]:
    """The items in lists of at most `CHUNK`."""
    rest = iter(items)
    while part := list(islice(rest, CHUNK)):
        yield part


def marks(items: Sequence[object]) -> str:
    """`?,?,?` for as many bound parameters."""
    return ",".join("?" * len(items))


def checksum(*fields: str | int | bytes) -> int:
    """CRC-32 of a row. Lengths go in too, so that no byte can move from one field to the next."""
    crc = 0
    for field in fields:
        content = field if isinstance(field, bytes) else str(field).encode()
        crc = zlib.crc32(content, zlib.crc32(b"%d:" % len(content), crc))
    return crc


def reading_hash(reading: str) -> bytes:
    """The name of a text that a model reads (`records.reading`): its sha256, 32 bytes. Equal texts share one vector."""
    return hashlib.sha256(reading.encode()).digest()


def document_row(document: Document) -> tuple[str, str, str, str, bytes]:
    """A document as id, title, text, meta as JSON, and sha256 of the four: content hash and checksum in one.

    Raises:
        InputError: the document is not text that can be stored, or its meta is not JSON; the message names it.
    """
    try:
        meta = json.dumps(dict(document.meta), ensure_ascii=False, sort_keys=True, allow_nan=False)
        return document.id, document.title, document.text, meta, _content_hash(document.id, document.title, document.text, meta)
    except UnicodeEncodeError as error:
        raise InputError(f"Document {document.id!r} holds a lone surrogate, which is no text; remove it and index again.") from error
    except (TypeError, ValueError, AttributeError, RecursionError) as error:
        raise InputError(f"Document {document.id!r} cannot be stored ({error}); expected text, and meta that is JSON.") from error


def read_document(row: Sequence[object]) -> Document:
    """The document in a row that `document_row` made.

    Raises:
        Damaged: the row is not what was written; the message names the document.
    """
    key, title, text, meta, stored = row
    if not (isinstance(key, str) and isinstance(title, str) and isinstance(text, str) and isinstance(meta, str)):
        raise damaged_document(key)
    if _content_hash(key, title, text, meta) != stored:
        raise damaged_document(key)
    return Document(key, text, title, json.loads(meta))


def damaged_document(key: object) -> Damaged:
    """What is said of a document whose row, passages or vectors are not what was written."""
    return Damaged(f"Document {key!r} is not what was written: the checksum differs. Index it again from its source, which mends it.")


def vector_row(space: int, reading: bytes, vector: Vectors) -> tuple[int, bytes, bytes, int]:
    """A vector (dim,) as the space's number, the reading's hash, float32 little-endian, and their checksum."""
    content = vector.astype("<f4", copy=False).tobytes()
    return space, reading, content, checksum(space, reading, content)


def vector_is_whole(space: Space, number: int, reading: object, content: object, crc: object) -> bool:
    """Whether a vector's row is what was written."""
    whole = isinstance(reading, bytes) and isinstance(content, bytes) and len(content) == 4 * space.dim
    return whole and checksum(number, reading, content) == crc  # type: ignore[arg-type]  # `whole` says that they are bytes


def _content_hash(*fields: str) -> bytes:
    digest = hashlib.sha256()
    for field in fields:
        content = field.encode()
        digest.update(b"%d:" % len(content))
        digest.update(content)
    return digest.digest()
