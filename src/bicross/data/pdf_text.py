"""From the lines of a PDF to running text: paragraphs joined, running heads gone, headings as in Markdown, and where each page begins.

A PDF knows no paragraphs. What is taken for one are lines at the usual distance, under each other, of one size, of which all but the last
reach the right edge. All measures are ratios to the page's own.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from statistics import median

from bicross.data.extracted import Extracted
from bicross.data.outline import Heading, outline, same_words
from bicross.data.pdf import Line, read_pdf

_NARROW, _WIDE = 1.4, 0.85  # of the usual distance between lines, of a block's width: beyond it a paragraph ends; below it too
_LARGER = 1.15  # of the usual size: a heading
_LONGEST_HEADING = 120
_EDGE, _RUNNING, _FEWEST = 2, 0.4, 3  # lines at top and bottom looked at; the share of pages, and pages, that make a line a running one
_CJK = r"\u2e80-\u303f\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff00-\uffef"
_NO_SPACE = re.compile(rf"[{_CJK}]")
_NUMERAL = "一二三四五六七八九十百零"
_ITEM = re.compile(
    rf"[-•·▪◦●■–—*][ \t]|\(?\d{{1,3}}[.)][ \t]|[（(][{_NUMERAL}\d]{{1,3}}[）)]|[{_NUMERAL}]{{1,3}}、|第[{_NUMERAL}\d]{{1,5}}[章节条]"
)
_ENDS = re.compile(r"[.!?:;。！？：；…][\"'”’」』）)\]]*$")
_NO_TITLE = re.compile(r"untitled|无标题|.*\.(docx?|pdf|tex|indd|pptx?|dvi|qxd)|microsoft (word|powerpoint) -.*", re.IGNORECASE)
_LEADERS = re.compile(r"(?:[ ]?[.．·]){5,}[ ]?")  # of a table of contents
_NO_HEADING = re.compile(r"[\W\d_]*")
_TO_PAGE = " … "
Block = list[Line]


def read(path: Path) -> Extracted:
    """A PDF's title, text and outline. Raises as `read_pdf`."""
    found = read_pdf(path)
    pages = _without_running([[line._replace(text=_LEADERS.sub(_TO_PAGE, line.text)) for line in lines] for lines in found.pages])
    body = _usual_size(pages)
    text, starts, headings = "", list[int](), list[Heading]()
    bookmarks = list(found.bookmarks)
    levels = {} if bookmarks else _levels(pages, body)
    for number, lines in enumerate(pages):
        marks = [mark for mark in bookmarks if mark.start == number]
        begins = True
        for block in _blocks(lines, marks):
            level, said = _heading(block, marks, levels)
            paragraph = f"{'#' * min(level, 6)} {said}" if level else _flow(block)
            text += _between(text[-200:], paragraph, goes_on=begins and not level) if text else ""
            if begins:
                starts.append(len(text))
                begins = False
            if level:
                headings.append(Heading(len(text), level, said))
            text += paragraph
        if begins:  # an empty page
            starts.append(len(text))
        headings += [Heading(starts[-1], mark.level, mark.text) for mark in marks]  # those that no line says
    title = found.title if found.title and not _NO_TITLE.fullmatch(found.title) else _largest(pages, body)
    lost = (f"pages without text, which are pictures: {_listed(found.pictures)}; recognise them with ocrmypdf",) if found.pictures else ()
    return Extracted(title, text, outline(headings, starts, title), lost)


def _without_running(pages: Sequence[Sequence[Line]]) -> list[list[Line]]:
    """The pages without the lines at their top and bottom that come again on many, but for their numbers: running heads, page numbers."""
    if len(pages) < _FEWEST:
        return [list(lines) for lines in pages]
    at_edge = [_edges(lines) for lines in pages]
    counts = Counter(key for edges in at_edge for key in {_running_key(line) for line in edges})
    running = {key for key, count in counts.items() if count >= max(_FEWEST, _RUNNING * len(pages))}
    return [
        [line for line in lines if line not in edges or _running_key(line) not in running]
        for lines, edges in zip(pages, at_edge, strict=True)
    ]


def _edges(lines: Sequence[Line]) -> list[Line]:
    """The highest and the lowest lines of a page."""
    ordered = sorted(lines, key=lambda line: -line.base)
    return [*ordered[:_EDGE], *ordered[_EDGE:][-_EDGE:]]


def _running_key(line: Line) -> tuple[str, int]:
    """What a running line has on every page: its words but for numbers, and its height."""
    return re.sub(r"\d+|\b[ivxlc]+\b", "#", line.text.casefold()), round(line.base / 10)


def _usual_size(pages: Sequence[Sequence[Line]]) -> float:
    """The size that most characters have."""
    sizes: Counter[float] = Counter()
    for lines in pages:
        for line in lines:
            sizes[round(line.size, 1)] += len(line.text)
    return max(sizes, key=lambda size: (sizes[size], -size), default=0.0)


def _levels(pages: Sequence[Sequence[Line]], body: float) -> dict[float, int]:
    """Size -> level of the headings of a file without bookmarks: sizes that are notably larger than the text's, the largest first."""
    sizes = {round(line.size, 1) for lines in pages for line in lines if _is_large(line, body) and len(line.text) <= _LONGEST_HEADING}
    return {size: min(rank, 4) for rank, size in enumerate(sorted(sizes, reverse=True), start=1)} if body else {}


def _is_large(line: Line, body: float) -> bool:
    return line.size > _LARGER * body and not _NO_HEADING.fullmatch(line.text)


def _largest(pages: Sequence[Sequence[Line]], body: float) -> str:
    """What stands largest on the first page that has text, if it is larger than the text."""
    lines = next((lines for lines in pages if lines), [])
    large = [line for line in lines if _is_large(line, body)]
    most = max((round(line.size, 1) for line in large), default=0.0)
    said = _joined([line.text for line in large if round(line.size, 1) == most])
    return said if len(said) <= _LONGEST_HEADING else ""


def _blocks(lines: Sequence[Line], marks: Sequence[Heading]) -> Iterator[Block]:
    """Lines that belong together: at the usual distance under each other, of one size. What a bookmark says stands alone."""
    alone = {" ".join(mark.text.casefold().split()) for mark in marks}
    gaps = [above.base - below.base for above, below in pairwise(lines)]
    usual = median([gap for gap in gaps if gap > 0] or [0.0])
    block: Block = []
    for line in lines:
        if block:
            above = block[-1]
            gap = above.base - line.base
            alike = abs(line.size - above.size) <= (_LARGER - 1) * max(line.size, above.size)
            marked = alone and any(" ".join(one.text.casefold().split()) in alone for one in (above, line))
            if marked or not (alike and -0.1 * usual <= gap <= _NARROW * max(usual, above.size)):
                yield block
                block = []
        block.append(line)
    if block:
        yield block


def _heading(block: Block, marks: list[Heading], levels: dict[float, int]) -> tuple[int, str]:
    """Level and words of a block that is a heading, 0 and "" of one that is none. A bookmark that it says is taken out of `marks`."""
    said = _joined([line.text for line in block])
    if len(said) > _LONGEST_HEADING:
        return 0, ""
    for mark in marks:
        if same_words(mark.text, said) or same_words(re.sub(r"^[\d.]+\s+", "", said), mark.text):
            marks.remove(mark)
            return mark.level, said
    level = levels.get(round(block[0].size, 1), 0)
    return (level, said) if level and not _ENDS.search(said) and not _NO_HEADING.fullmatch(said) else (0, "")


def _flow(block: Block) -> str:
    """A block's lines as running text."""
    left, right = min(line.left for line in block), max(line.right for line in block)
    text = block[0].text
    for above, line in pairwise(block):
        short = above.right < left + _WIDE * (right - left)
        indented = line.left > left + line.size and above.left <= left + line.size
        alone = short or indented or _TO_PAGE in above.text or _ITEM.match(line.text)
        text = f"{text}\n{line.text}" if alone else _glued(text, line.text)
    return text


def _joined(lines: Sequence[str]) -> str:
    text = ""
    for line in lines:
        text = _glued(text, line) if text else line
    return text


def _glued(text: str, more: str) -> str:
    """Two lines of one sentence: Chinese and Japanese have no space between them."""
    tight = _NO_SPACE.match(text[-1:]) and _NO_SPACE.match(more[:1])
    return f"{text}{'' if tight else ' '}{more}"


def _between(text: str, following: str, goes_on: bool) -> str:
    """What stands between two blocks; a sentence that goes on over the page's end is not torn."""
    first = following[:1]
    finished = _ENDS.search(text[-8:]) or text.rpartition("\n")[2].startswith("#")
    if goes_on and not finished and (first.islower() or _NO_SPACE.match(first)):
        return "" if _NO_SPACE.match(text[-1:]) and _NO_SPACE.match(first) else " "
    return "\n\n"


def _listed(pages: Sequence[int]) -> str:
    return ", ".join(map(str, pages[:20])) + (", …" if len(pages) > 20 else "")
