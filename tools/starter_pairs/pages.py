"""Sections of HTML pages and of DocBook and Mallard documents: their headings with those above, and their own paragraphs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from lxml import etree, html

from .text import clean

_DROPPED_TAGS = """
    script style noscript nav header footer aside pre table form select button svg math img head title-page screen programlisting
    synopsis informaltable literallayout code-block info bookinfo articleinfo indexterm index toc sup listing media figure credit
    links revision legalnotice authorgroup copyright subtitle variablelist-toc iframe object applet textarea comment"""
_DROPPED = frozenset(_DROPPED_TAGS.split())
_DROPPED_CLASSES = re.compile(
    r"(?:^|\s)(?:nav\w*|docnav|toc\w*|header\w*|footer\w*|sidebar\w*|sphinxsidebar\w*|related\w*|breadcrumb\w*|howtoget|contents-treeview"
    r"|highlight(?:-\S+)?|pageheader|headerlink|anchor|version-menu|lang|langs|legalnotice|footnotes?|index\w*|top|bottomlang"
    r"|programlisting|screen|copyright|edit|menu\w*|mobile\w*|quickview|id_link|noticon|noteicon|literalblock|listingblock)(?:\s|$)",
    re.IGNORECASE,
)
_MAY_DROP = {"div", "ul", "ol", "dl", "p", "td", "a", "section"}  # an inline element of such a class belongs to its sentence
_BLOCK_TAGS = """
    p para simpara li dt dd blockquote item listitem td term glossterm formalpara div steps list terms tree note tip warning caution
    important ul ol dl section article body main abstract sect1 sect2 sect3 sect4 sect5 chapter preface appendix glossentry glossdef
    page itemizedlist orderedlist variablelist varlistentry procedure step substeps"""
_BLOCKS = frozenset(_BLOCK_TAGS.split())
_OUTER_TAGS = "section sect1 sect2 sect3 sect4 sect5 chapter preface appendix page glossentry book article refsect1 refsect2"
_OUTER = frozenset(_OUTER_TAGS.split())
_HEADING = re.compile(r"h[1-6]$")
_MARKS = re.compile(r"[¶\U0001f517§]")


@dataclass
class Section:
    """A heading, the one above it (empty at the top), its paragraphs, and other short texts that name it."""

    heading: str
    above: str = ""
    paragraphs: list[str] = field(default_factory=list)
    also: list[str] = field(default_factory=list)
    level: int = 1

    @property
    def text(self) -> str:
        return "\n".join(self.paragraphs)


def merged(sections: list[Section], least: int) -> list[Section]:
    """Sections of fewer characters than `least` go into the one that they are part of, as a paragraph with the heading before it."""
    kept: list[Section] = []
    for section in sections:
        whole = next((one for one in reversed(kept) if one.level < section.level), None)
        if whole is not None and 0 < len(section.text) < least:
            whole.paragraphs.append(f"{section.heading.rstrip(' :：')}: {section.text}")
        else:
            kept.append(section)
    return kept


def read_html(content: bytes) -> list[Section]:
    """The sections of a page with h1 to h6. A page that says no encoding is UTF-8, or else what it says, GB 18030, Big5 or Latin-1."""
    parser = html.HTMLParser(encoding=encoding_of(content), remove_comments=True)
    if not content.strip():
        return []
    tree = html.document_fromstring(content, parser=parser, ensure_head_body=True)
    title = re.split(r" [—|–-] |\s*\u2014\s*", " ".join(str(tree.findtext(".//title") or "").split()))[0]
    sections = _read(tree)
    for section in sections:
        section.above = section.above or title
    return sections


def read_xml(content: bytes) -> list[Section]:
    """The sections of a Mallard page or a DocBook document; entities that it does not define itself are left out."""
    parser = etree.XMLParser(recover=True, resolve_entities="internal", no_network=True, remove_comments=True, remove_pis=True)
    tree = etree.fromstring(content, parser)
    return [] if tree is None else _read(tree)


def encoding_of(content: bytes) -> str:
    """The encoding that the bytes are valid in, by what a page declares and then by likelihood."""
    declared = re.search(rb"""charset\s*=\s*["']?\s*([\w-]+)""", content[:2048], re.IGNORECASE)
    named = declared[1].decode().lower() if declared else ""
    for codec in ("utf-8", {"gb2312": "gb18030", "gbk": "gb18030", "big5": "big5"}.get(named, named), "gb18030", "big5"):
        try:
            content.decode(codec)
            return codec
        except (UnicodeDecodeError, LookupError):
            continue
    return "iso-8859-1"


def _read(tree: etree._Element) -> list[Section]:
    reader = _Reader()
    reader.walk(tree, 0)
    reader.end_paragraph()
    return [section for section in reader.sections if section.heading]


class _Reader:
    """Goes through a tree once; text is gathered into a paragraph until a block begins or ends."""

    def __init__(self) -> None:
        self.sections = [Section("", level=0)]
        self._words: list[str] = []

    def walk(self, element: etree._Element, depth: int) -> None:
        tag = _local(element)
        if not tag or self._dropped(element, tag):
            self._also(element, tag)
        elif _HEADING.match(tag) or (tag == "title" and depth):
            self._begin(element, int(tag[1]) if tag != "title" else depth)
        elif tag == "glossterm":
            self._begin(element, depth)
        elif tag == "dt" and "sig" in str(element.get("class") or "").split():  # of a function; what is said of it has no heading
            self.end_paragraph()
            self.sections.append(Section("", level=99))
        elif tag == "guiseq":
            self._words.append(" › ".join("".join(child.itertext()) for child in element))
        elif tag == "br":
            self._words.append(" ")
        else:
            self._inside(element, tag, depth)
        if element.tail:
            self._words.append(element.tail)

    def end_paragraph(self) -> None:
        text = clean(" ".join(_MARKS.sub("", "".join(self._words)).split()))
        self._words = []
        if text:
            self.sections[-1].paragraphs.append(text)

    def _inside(self, element: etree._Element, tag: str, depth: int) -> None:
        block = tag in _BLOCKS
        if block:
            self.end_paragraph()
            if tag in ("p", "li", "dt") and _is_link(element):
                return
        if element.text:
            self._words.append(element.text)
        for child in element:
            self.walk(child, depth + (tag in _OUTER))
        if block:
            self.end_paragraph()

    def _begin(self, element: etree._Element, level: int) -> None:
        self.end_paragraph()
        heading = clean(_MARKS.sub("", "".join(element.itertext()))).replace("\n", " ")
        above = next((section.heading for section in reversed(self.sections) if section.level < level), "")
        waiting = self.sections[-1].also if not self.sections[-1].heading else []
        if not heading:
            return
        self.sections.append(Section(heading, above, level=level, also=list(waiting)))

    def _dropped(self, element: etree._Element, tag: str) -> bool:
        classes = str(element.get("class") or "")
        return (
            tag in _DROPPED or tag == "meta" or "hidden" in element.attrib or (tag in _MAY_DROP and bool(_DROPPED_CLASSES.search(classes)))
        )

    def _also(self, element: etree._Element, tag: str) -> None:
        """Short texts that name the section though they are no heading of it: index words of a help page, a Mallard summary."""
        if tag == "meta" and element.get("itemprop") == "keywords":
            first, _, rest = str(element.get("content") or "").partition(",")
            if rest and len(self.sections) <= 2:
                self.sections[-1].also.append(f"{rest.strip()} {first.strip()}")
        elif tag == "info":
            for child in element:
                if _local(child) == "desc":
                    self.sections[0].also.append("".join(child.itertext()))


def _is_link(element: etree._Element) -> bool:
    """Nothing but a link: of a list of contents, or of related pages."""
    link = next(element.iter("a"), None)
    return link is not None and "".join(link.itertext()).strip() == "".join(element.itertext()).strip()


def _local(element: etree._Element) -> str:
    """The tag without its namespace or an undeclared prefix; empty for comments and instructions."""
    return element.tag.rpartition("}")[2].rpartition(":")[2].lower() if isinstance(element.tag, str) else ""


def sections_of(path: str, content: bytes) -> Iterator[Section]:
    """The sections of a file, by its name."""
    yield from read_xml(content) if path.endswith((".page", ".xml", ".docbook")) else read_html(content)
