"""Documents out of files: one file is one document."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from bicross.data.lines import LIMIT, Malformed, decode
from bicross.data.rows import JSONL, TABLES, content, identifier
from bicross.records import Document, Skip

TEXTS = (".txt", ".md", ".html", ".htm")

_ROWS = frozenset((*JSONL, *TABLES, ".parquet")) - {".json"}  # .json in a folder is mostly configuration
_OTHER_DOCUMENTS = frozenset(
    (".pdf", ".doc", ".docx", ".odt", ".rtf", ".epub", ".ppt", ".pptx", ".xls", ".xlsx", ".rst", ".tex", ".markdown")
)
_FRONT_MATTER = re.compile(r"\A---[ \t]*\n.*?^---[ \t]*$", re.DOTALL | re.MULTILINE)
_FENCE = re.compile(r"[ ]{0,3}(```|~~~)")
_HEADING = re.compile(r"[ ]{0,3}#{1,6}[ \t]+(.*?)[ \t#]*$")
_UNDERLINE = re.compile(r"[ ]{0,3}(=+|-+)[ \t]*$")


def read_folder(folder: Path) -> Iterator[Document | Skip]:
    """The .txt, .md and .html files of a folder and its subfolders, in the order of their names.

    Hidden files, and those that look like no document, are passed over; other documents are Skips. Links to folders are not followed.
    """
    closed: list[OSError] = []
    for name in walk(folder, closed):
        path = folder / name
        suffix = path.suffix.lower()
        if suffix in TEXTS:
            yield read_file(path, name)
        elif suffix in _ROWS:
            yield Skip(_shown(path), "a file of rows inside a folder is not read; name it as a source of its own")
        elif suffix in _OTHER_DOCUMENTS:
            yield Skip(_shown(path), f"{suffix} files are not read; save it as .txt, .md or .html")
    yield from (Skip(_shown(Path(error.filename)), f"cannot be read: {error.strerror}") for error in closed)


def read_file(path: Path, name: str) -> Document | Skip:
    """One .txt, .md or .html file under the id `name`. Its title is its first heading, the page's title, or none."""
    try:
        text = _bytes(path)
        if path.suffix.lower() in (".html", ".htm"):
            from bicross.data.html import read_html  # heavy, and needed for pages alone

            title, body = read_html(text)
        else:
            body = decode(text)
            title = _first_heading(body) if path.suffix.lower() == ".md" else ""
        document = Document(identifier(name), content(body, "text"), content(title, "title"))
        if not document.text.strip():
            raise Malformed("the text is empty")
    except OSError as error:
        return Skip(_shown(path), f"cannot be read: {error.strerror}")
    except Malformed as error:
        return Skip(_shown(path), str(error))
    return document


def walk(folder: Path, closed: list[OSError]) -> Iterator[str]:
    """Paths of files below the folder, with /, sorted within each folder; not the hidden. Folders that cannot be read go to `closed`."""
    for place, folders, names in os.walk(folder, onerror=closed.append):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        below = Path(place).relative_to(folder)
        yield from ((below / name).as_posix() for name in sorted(names) if not name.startswith("."))


def _bytes(path: Path) -> bytes:
    if path.exists() and not path.is_file():  # a pipe would be waited on for ever
        raise Malformed("not a regular file")
    with path.open("rb") as handle:
        found = handle.read(LIMIT + 1)
    if len(found) > LIMIT:
        raise Malformed(f"larger than {LIMIT // 2**20} MB; split the document")
    return found


def _shown(path: Path) -> str:
    """A path that can be printed, even if its name is not UTF-8."""
    return os.fsencode(path).decode(errors="replace")


def _first_heading(text: str) -> str:
    """The first heading of Markdown (CommonMark 4.2, 4.3) outside fenced code, or ""."""
    fence, previous = "", ""
    for line in _FRONT_MATTER.sub("", text).splitlines():
        if opened := _FENCE.match(line):
            fence = "" if fence == opened[1] else fence or opened[1]
        elif not fence:
            if heading := _HEADING.match(line):
                return heading[1]
            if previous.strip() and _UNDERLINE.match(line):
                return previous.strip()
        previous = "" if fence else line
    return ""
