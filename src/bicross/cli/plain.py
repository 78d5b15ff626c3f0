"""Text of others, made fit for a terminal."""

from __future__ import annotations

import re

# Control characters but newline and tab, line and paragraph separators, bidirectional controls (Unicode Annex 9), lone surrogates.
_UNFIT = re.compile("[\0-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def printable(text: str) -> str:
    """The text with U+FFFD for each character that could move the cursor, colour, reorder or break what is printed."""
    return _UNFIT.sub("\ufffd", text)
