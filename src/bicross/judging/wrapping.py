"""Text broken into lines of a terminal, where a Chinese character takes two columns."""

from __future__ import annotations

import re

from rich.cells import cell_len, chop_cells

_CLOSERS = r"""、。，．：；？！…％」』）］｝〉》】〕”’"""
_OPENERS = r"""「『（［｛〈《【〔“‘"""
_WIDE = (
    "\u1100-\u115f\u2e80-\u9fff\ua960-\ua97f\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe4f\uff00-\uff60\uffe0-\uffe6"
    "\U0001f300-\U0001faff\U00020000-\U0003ffff"
)
# What no line end may part: a wide character with the marks that open before and close after it, or a word with its marks.
_UNITS = re.compile(rf"\s+|[{_OPENERS}]*(?:[^\s{_WIDE}{_OPENERS}{_CLOSERS}]+|[{_WIDE}]?)[{_CLOSERS}]*")


def wrapped(text: str, width: int) -> str:
    """The text in lines of at most `width` columns, its own line ends kept.

    A line ends between words or Chinese characters; none begins with a mark that closes or ends with one that opens (as GB/T 15834
    asks), unless marks alone are wider than a line. A word that is wider than a line is cut.
    """
    return "\n".join(line for paragraph in text.splitlines() for line in _lines(paragraph, width))


def _lines(paragraph: str, width: int) -> list[str]:
    lines, used = [""], 0
    for unit in _UNITS.findall(paragraph.strip()):
        for piece in chop_cells(unit, width) if cell_len(unit) > width else [unit]:
            size = cell_len(piece)
            if used + size > width:
                lines.append("")
                used = 0
            if used or not piece.isspace():
                lines[-1] += piece
                used += size
    return [line.rstrip() for line in lines]
