"""The title and the main text of an HTML page, through trafilatura (Barbaresi, ACL 2021)."""

from __future__ import annotations

import re
from copy import deepcopy

from trafilatura import baseline, extract, html2txt, load_html
from trafilatura.settings import DEFAULT_CONFIG

from bicross.data.headings import html_headings
from bicross.data.lines import Malformed, decode

# A page may say its own encoding (HTML Standard, 13.2.3.2); of those only the ones that East Asian and Western pages use.
_DECLARED = re.compile(rb"""<meta[^>]+charset\s*=\s*["']?\s*([\w-]+)""", re.IGNORECASE)
_CODECS = {
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "gb18030": "gb18030",
    "big5": "big5hkscs",
    "iso-8859-1": "cp1252",
    "windows-1252": "cp1252",
}
# By default a page of less than 250 characters is read by a fallback that knows neither lists nor inline elements.
_CONFIG = deepcopy(DEFAULT_CONFIG)
_CONFIG["DEFAULT"]["MIN_EXTRACTED_SIZE"] = "1"


def read_html(content: bytes) -> tuple[str, str]:
    """Title and text of a page, its headings as those of Markdown. Where no main text is found, the text of all its paragraphs, or of the
    whole page.

    Raises:
        Malformed: the bytes are not text.
    """
    page = _decode(content)
    if "\0" in page:
        raise Malformed(f"the page holds a NUL character at {page.index(chr(0))}")
    if "<html" not in page.lower():  # without a root, the text of the whole page is not found
        page = f"<html>{page}"
    tree = load_html(page)
    if tree is None:
        return "", ""
    title = " ".join(str(tree.findtext(".//title") or "").split())
    # For search a line too many costs less than a heading or a list too few.
    text = extract(page, include_comments=False, favor_recall=True, config=_CONFIG) or baseline(page)[1] or html2txt(page)
    return title, _with_headings(text or "", page)


def _with_headings(text: str, page: str) -> str:
    """The lines that are headings of the page, in its order, written as such."""
    waiting = [(_same(heading.text), heading) for heading in html_headings(page)]
    known = {key for key, _ in waiting}
    lines = text.split("\n")
    for number, line in enumerate(lines):
        if (key := _same(line)) not in known:
            continue
        found = next((place for place, (words, _) in enumerate(waiting) if words == key), None)
        if found is not None:
            heading = waiting[found][1]
            lines[number] = f"{'#' * heading.level} {heading.text}"
            del waiting[: found + 1]
    return "\n".join(lines)


def _same(text: str) -> str:
    return " ".join(text.casefold().split())


def _decode(content: bytes) -> str:
    try:
        return decode(content)
    except Malformed:
        declared = _DECLARED.search(content, 0, 1024)
        codec = _CODECS.get(declared[1].decode().lower()) if declared else None
        if codec is None:
            raise
        try:
            return content.decode(codec)
        except UnicodeDecodeError as error:
            raise Malformed(f"not {codec} at byte {error.start}, as the page declares; save it as UTF-8") from error
