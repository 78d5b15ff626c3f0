"""Word files (.docx) as Markdown: headings, lists, tables, footnotes, and the pages as Word last laid them out.

Through python-docx, which knows packages and styles; the only file that imports it. Its `paragraph.text` leaves out what was inserted under
"track changes", so that runs are read here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from zipfile import BadZipFile, ZipFile

from docx import Document as Word
from docx.opc.constants import RELATIONSHIP_TYPE
from docx.opc.exceptions import PackageNotFoundError
from docx.oxml import parse_xml
from docx.oxml.ns import qn

from bicross.data.extracted import Extracted
from bicross.data.headings import markdown_outline
from bicross.data.lines import LIMIT, Malformed
from bicross.data.outline import outline

_OLE = bytes.fromhex("d0cf11e0a1b11ae1")  # the container of encrypted files, and of Word before 2007
_LARGEST = 8 * LIMIT  # bytes of a part once unpacked: a small file can hold a great one
_PAGE = "\f"  # where Word last began a page, until the text is whole
_HEADING = re.compile(r"heading ([1-9])")
_SPACE = re.compile(r"[^\S\f]+")
_LEVELS = 6


def read(path: Path) -> Extracted:
    """A Word file's title, text and outline.

    Raises:
        Malformed: it is encrypted, of an older Word, damaged, or too large.
        OSError: it cannot be read.
    """
    with path.open("rb") as handle:
        if handle.read(len(_OLE)) == _OLE:
            raise Malformed("encrypted, or of a Word before 2007; save it as .docx without a password")
    try:
        with ZipFile(path) as package:
            if any(part.file_size > _LARGEST for part in package.infolist()):
                raise Malformed(f"a part of it is larger than {_LARGEST // 2**20} MB once unpacked; split the document")
        file = Word(str(path))
        marked = "\n\n".join(text for text in _blocks(file, file.element.body) if text.strip("\f \t\n"))
        marked += "".join(f"\n\n{note}" for note in _notes(file))
        title = " ".join((file.core_properties.title or "").split())
    except Malformed:
        raise
    except (PackageNotFoundError, BadZipFile, KeyError, ValueError, SyntaxError, AttributeError, EOFError, NotImplementedError) as error:
        # What python-docx, zipfile and lxml (its XMLSyntaxError is a SyntaxError) raise for a package that is none.
        raise Malformed(f"not a Word file that can be read, it is damaged or cut short ({type(error).__name__}); save it again") from error
    return _extracted(title, marked)


def _extracted(title: str, marked: str) -> Extracted:
    pieces = marked.split(_PAGE)
    text = "".join(pieces)
    starts, at = [0], 0
    for piece in pieces[:-1]:
        at += len(piece)
        starts.append(at)
    headings = list(markdown_outline(text))
    title = title or next((heading.text for heading in headings), "")
    return Extracted(title, text, outline(headings, starts if len(starts) > 1 else (), title))


def _blocks(file: Any, parent: Any) -> Iterator[str]:
    """Paragraphs and tables in their order, those in content controls too; a generated table of contents is none of the text."""
    for child in parent:
        if child.tag == qn("w:p"):
            yield _paragraph(file, child)
        elif child.tag == qn("w:tbl"):
            yield _table(child)
        elif child.tag == qn("w:sdt"):
            inner = child.find(qn("w:sdtContent"))
            gallery = child.find(f"{qn('w:sdtPr')}/{qn('w:docPartObj')}/{qn('w:docPartGallery')}")
            if inner is not None and (gallery is None or gallery.get(qn("w:val")) != "Table of Contents"):
                yield from _blocks(file, inner)


def _paragraph(file: Any, element: Any) -> str:
    text = _text(element).strip(" \t\n")
    bare = text.strip("\f \t\n")
    style = _style(file, element)
    if bare and (level := _level(element, style)):
        pages = _PAGE * text.count(_PAGE)
        return f"{pages}{'#' * min(level, _LEVELS)} {' '.join(bare.replace(_PAGE, ' ').split())}"
    numbered = element.find(f"{qn('w:pPr')}/{qn('w:numPr')}") is not None or (style is not None and style.name.startswith("List "))
    return f"- {text}" if numbered and bare else text


def _style(file: Any, element: Any) -> Any:
    named = element.find(f"{qn('w:pPr')}/{qn('w:pStyle')}")
    wanted = None if named is None else named.get(qn("w:val"))
    return next((style for style in file.styles if style.style_id == wanted), None) if wanted else None


def _level(element: Any, style: Any) -> int:
    """1 for the highest heading, 0 for other paragraphs: by the style's name, or by an outline level of its own or of its style."""
    depth = element.find(f"{qn('w:pPr')}/{qn('w:outlineLvl')}")
    while depth is None and style is not None:
        name = (style.name or "").lower()
        if name == "title":
            return 1
        if found := _HEADING.fullmatch(name):
            return int(found[1])
        depth = style.element.find(f"{qn('w:pPr')}/{qn('w:outlineLvl')}")
        style = style.base_style if hasattr(style, "base_style") else None
    value = "" if depth is None else depth.get(qn("w:val"), "")
    return int(value) + 1 if value.isdigit() and int(value) < 9 else 0  # 9 is body text


def _table(element: Any) -> str:
    """A line a row; cells of one row are parted as in Markdown."""
    rows = []
    for row in element.findall(qn("w:tr")):
        cells = (" ".join(_text(part) for part in cell.iter(qn("w:p"))) for cell in row.findall(qn("w:tc")))
        rows.append(" | ".join(_SPACE.sub(" ", cell).strip(" ") for cell in cells))
    return "\n".join(f"| {row} |" for row in rows if row.strip(" |\f"))


def _text(element: Any) -> str:
    """The words of a paragraph as it reads once all changes are accepted."""
    words = []
    for node in element.iter():
        if node.tag == qn("w:t"):
            words.append("" if _is_repeated(node, element) else node.text or "")
        elif node.tag in (qn("w:tab"), qn("w:ptab")) and node.getparent().tag == qn("w:r"):
            words.append("\t")
        elif node.tag in (qn("w:br"), qn("w:cr")) and node.get(qn("w:type")) is None:
            words.append("\n")
        elif node.tag == qn("w:noBreakHyphen"):
            words.append("-")
        elif node.tag == qn("w:lastRenderedPageBreak"):
            words.append(_PAGE)
    return "".join(words).replace("\0", "")


def _is_repeated(node: Any, above: Any) -> bool:
    """Whether a text stands in the fallback of a drawing, whose text was read already."""
    parent = node.getparent()
    while parent is not None and parent is not above:
        if parent.tag.endswith("}Fallback"):
            return True
        parent = parent.getparent()
    return False


def _notes(file: Any) -> Iterator[str]:
    """The footnotes and endnotes."""
    for kind in (RELATIONSHIP_TYPE.FOOTNOTES, RELATIONSHIP_TYPE.ENDNOTES):
        for relation in file.part.rels.values():
            if relation.reltype == kind and not relation.is_external:
                for note in parse_xml(relation.target_part.blob):
                    if note.get(qn("w:type")) is None and (text := " ".join(_text(part).strip() for part in note.iter(qn("w:p"))).strip()):
                        yield text.replace(_PAGE, "")
