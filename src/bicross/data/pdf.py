"""PDF files through PDFium: lines with their places, bookmarks, and why a file cannot be read. The only file that imports pypdfium2."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import pypdfium2 as pdfium
from pypdfium2 import raw

from bicross.data.lines import LIMIT, Malformed
from bicross.data.outline import Heading

_PASSWORD = 4  # FPDF_ERR_PASSWORD of fpdfview.h
_SOFT_HYPHEN = "\ufffe"  # what PDFium gives for a hyphen at the end of a line, the line break taken away
_UNKNOWN = "\ufffd"
_TELLING = 0.3  # of the characters of a file: when so many say nothing, its fonts do not tell which characters they show


class Line(NamedTuple):
    """A line of a page. Points from the page's lower left corner; `size` is the height of its first character's font."""

    text: str
    left: float
    right: float
    base: float
    size: float


class Pdf(NamedTuple):
    """The lines of each page, the bookmarks (`start` is a page, from 0), the title that the file gives itself, and the pages, from 1, that
    are pictures without text."""

    pages: list[list[Line]]
    bookmarks: list[Heading]
    title: str
    pictures: list[int]


def read_pdf(path: Path) -> Pdf:
    """A whole file.

    Raises:
        Malformed: it is encrypted, damaged, without text, or its text is longer than LIMIT characters.
        OSError: it cannot be read.
    """
    path.open("rb").close()  # PDFium says nothing of permissions
    try:
        file = pdfium.PdfDocument(path)
    except pdfium.PdfiumError as error:
        if getattr(error, "err_code", None) == _PASSWORD or "password" in str(error).lower():
            raise Malformed("the PDF is encrypted; save it without a password") from error
        raise Malformed(f"not a PDF that can be read, it is damaged or cut short ({_said(error)}); fetch or save it again") from error
    with closing(file):
        return _read(file)


def _read(file: Any) -> Pdf:
    pages: list[list[Line]] = []
    pictures: list[int] = []
    size = unknown = 0
    for number in range(len(file)):
        try:
            lines, pictured = _page(file, number)
        except pdfium.PdfiumError as error:
            raise Malformed(f"page {number + 1} of {len(file)} cannot be read ({_said(error)}); save the PDF again") from error
        pages.append(lines)
        if pictured and not lines:
            pictures.append(number + 1)
        size += sum(len(line.text) for line in lines)
        unknown += sum(_says_nothing(character) for line in lines for character in line.text)
        if size > LIMIT:
            raise Malformed(f"its text is longer than {LIMIT // 2**20} million characters; split the PDF")
    if not size:
        why = "its pages are pictures (a scan)" if pictures else "none of its pages has any"
        raise Malformed(f"the PDF has no text: {why}; recognise it first, for instance with: ocrmypdf IN.pdf OUT.pdf")
    if unknown > _TELLING * size:
        raise Malformed("the PDF's fonts do not tell which characters they show; recognise it, for instance with: ocrmypdf --force-ocr")
    return Pdf(pages, _bookmarks(file), _title(file), pictures)


def _page(file: Any, number: int) -> tuple[list[Line], bool]:
    """The lines of a page, and whether it holds a picture (asked only where it has no line)."""
    with closing(file[number]) as page:
        with closing(page.get_textpage()) as text:
            lines = list(_lines(text))
        return lines, not lines and next(page.get_objects(filter=[raw.FPDF_PAGEOBJ_IMAGE], max_depth=3), None) is not None


def _lines(page: Any) -> Iterator[Line]:
    text = page.get_text_range(errors="replace")
    # PDFium counts UTF-16 units; a character beyond them moves all places after it.
    place = (lambda at: len(text[:at].encode("utf-16-le")) // 2) if max(text, default="") > "\uffff" else (lambda at: at)
    start = 0
    for piece in text.split("\n"):
        line = piece.rstrip("\r")
        first, last = start + len(line) - len(line.lstrip()), start + len(line.rstrip()) - 1
        start += len(piece) + 1
        if last < first:
            continue
        left, bottom, _, top = _box(page, place(first))
        yield Line(_clean(line.strip()), left, _box(page, place(last))[2], bottom, top - bottom)


def _box(page: Any, place: int) -> tuple[float, float, float, float]:
    """Left, bottom, right and top of a character with the room that its font leaves around; nothing where PDFium has none."""
    try:
        left, bottom, right, top = page.get_charbox(place, loose=True)
        return left, bottom, right, top
    except pdfium.PdfiumError:
        return 0.0, 0.0, 0.0, 0.0


def _clean(line: str) -> str:
    """A line with its soft hyphens undone: gone between small letters, a hyphen elsewhere."""
    if _SOFT_HYPHEN in line:
        parts = line.split(_SOFT_HYPHEN)
        line = parts[0]
        for part in parts[1:]:
            line += part if line[-1:].islower() and part[:1].islower() else f"-{part}"
    return "".join(character if character.isprintable() else " " for character in line.replace("\0", _UNKNOWN))


def _says_nothing(character: str) -> bool:
    return character == _UNKNOWN or "\ue000" <= character <= "\uf8ff"


def _bookmarks(file: Any) -> list[Heading]:
    found = []
    try:
        for mark in file.get_toc(max_depth=6):
            where = mark.get_dest()
            page = where.get_index() if where is not None else None
            if page is not None and (title := " ".join(mark.get_title().split())):
                found.append(Heading(page, mark.level + 1, title))
    except pdfium.PdfiumError:  # the text is worth more than its bookmarks
        return found
    return found


def _title(file: Any) -> str:
    try:
        return " ".join(str(file.get_metadata_dict().get("Title", "")).split())
    except (pdfium.PdfiumError, ValueError):
        return ""


def _said(error: Exception) -> str:
    return str(error).partition("PDFium: ")[2].rstrip(").") or str(error)
