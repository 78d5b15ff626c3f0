"""Documents out of files: one file is one document, but for a mailbox, which has one a message."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from bicross.data import code
from bicross.data.apart import READERS, Apart
from bicross.data.extracted import Extracted
from bicross.data.headings import markdown_outline
from bicross.data.lines import LIMIT, Malformed, decode
from bicross.data.outline import outline
from bicross.data.rows import JSONL, TABLES, content, identifier
from bicross.errors import MissingExtra
from bicross.records import Document, Skip

MARKDOWN, PAGES, MESSAGE, MAILBOX = (".md", ".markdown"), (".html", ".htm"), ".eml", ".mbox"
TEXTS = (".txt", *MARKDOWN, *PAGES, *READERS, MESSAGE, MAILBOX)
"""Suffixes of files that are documents."""
CODE = tuple(code.LANGUAGES)
"""Suffixes of source code."""

_ROWS = frozenset((*JSONL, *TABLES, ".parquet")) - {".json"}  # .json in a folder is mostly configuration
_OTHER_DOCUMENTS = frozenset((".doc", ".odt", ".rtf", ".epub", ".ppt", ".pptx", ".xls", ".xlsx", ".rst", ".tex", ".msg", ".pst"))
_COLLECTION = "truth.sqlite"  # what makes a folder a collection: its models have READMEs, which nobody looks for
Items = Iterator[Document | Skip]


def read_folder(folder: Path) -> Items:
    """The documents and the source code of a folder and its subfolders, in the order of their names.

    Hidden files, collections, and files that look like no document are passed over; documents of other kinds are Skips. Links to folders
    are not followed.
    """
    closed: list[OSError] = []
    with Apart() as apart:
        for name in walk(folder, closed):
            yield from read_one(folder / name, name, apart)
    yield from (Skip(shown(Path(error.filename)), f"cannot be read: {error.strerror}") for error in closed)


def read_file(path: Path, name: str) -> Items:
    """The documents of one file under the id `name`, the messages of a mailbox under `name/` and their Message-IDs; or why it has none."""
    with Apart() as apart:
        yield from read_one(path, name, apart)


def walk(folder: Path, closed: list[OSError]) -> Iterator[str]:
    """Paths of files below the folder, with /, sorted within each folder; not the hidden, nor what is in a collection. Folders that cannot
    be read go to `closed`.
    """
    for place, folders, names in os.walk(folder, onerror=closed.append):
        if _COLLECTION in names:
            folders.clear()
            continue
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        below = Path(place).relative_to(folder)
        yield from ((below / name).as_posix() for name in sorted(names) if not name.startswith("."))


def is_document(name: str) -> bool:
    """Whether a file of this name is read where it lies in a folder."""
    return name.lower().endswith(TEXTS + CODE)


def shown(path: Path) -> str:
    """A path that can be printed, even if its name is not UTF-8."""
    return os.fsencode(path).decode(errors="replace")


def read_one(path: Path, name: str, apart: Apart) -> Items:
    """As `read_file`, in a process that others share."""
    suffix = path.suffix.lower()
    try:
        if suffix == MAILBOX:
            yield from _mailbox(path, name)
        elif suffix in TEXTS + CODE:
            found = _extracted(path, suffix, apart)
            yield _document(name, found)
            yield from (Skip(shown(path), reason) for reason in found.lost)
        elif suffix in _ROWS:
            yield Skip(shown(path), "a file of rows inside a folder is not read; name it as a source of its own")
        elif suffix in _OTHER_DOCUMENTS:
            yield Skip(shown(path), f"{suffix} files are not read; save it as .docx, .pdf, .md or .txt")
    except OSError as error:
        yield Skip(shown(path), f"cannot be read: {error.strerror}")
    except (Malformed, MissingExtra) as error:
        yield Skip(shown(path), str(error))


def _extracted(path: Path, suffix: str, apart: Apart) -> Extracted:
    if suffix in READERS:
        _require_regular(path)
        return apart.read(path)
    found = _bytes(path)
    if suffix in PAGES:
        from bicross.data.html import read_html  # heavy, and needed for pages alone

        title, text = read_html(found)
        return Extracted(title, text, outline(markdown_outline(text), title=title))
    if suffix == MESSAGE:
        from bicross.data.mail import read_message  # as html

        return read_message(found)
    text = decode(found)
    if suffix in CODE:
        return code.read(content(text, "text"), suffix)
    headings = list(markdown_outline(text)) if suffix in MARKDOWN else []
    title = headings[0].text if headings else ""
    return Extracted(title, text, outline(headings, title=title))


def _mailbox(path: Path, name: str) -> Items:
    from bicross.data.mail import read_mailbox  # as html

    _require_regular(path)
    seen: set[str] = set()
    for number, (message, found) in enumerate(read_mailbox(path), start=1):
        try:
            if isinstance(found, str):
                raise Malformed(found)
            yield _document(f"{name}/{message if message not in seen else number}", found)
            seen.add(message)
        except Malformed as error:
            yield Skip(f"{shown(path)}:{number}", str(error))


def _document(name: str, found: Extracted) -> Document:
    document = Document(identifier(name), content(found.text, "text"), content(found.title, "title"), found.meta)
    if not document.text.strip():
        raise Malformed("the text is empty")
    return document


def _require_regular(path: Path) -> None:
    if path.exists() and not path.is_file():  # a pipe would be waited on for ever
        raise Malformed("not a regular file")


def _bytes(path: Path) -> bytes:
    _require_regular(path)
    with path.open("rb") as handle:
        found = handle.read(LIMIT + 1)
    if len(found) > LIMIT:
        raise Malformed(f"larger than {LIMIT // 2**20} MB; split the document")
    return found
