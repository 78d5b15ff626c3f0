"""Output that reaches its reader: text of others, made fit for a terminal, and what is said where it cannot be written."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from bicross.errors import StoreError

# Control characters but newline and tab, line and paragraph separators, bidirectional controls (Unicode Annex 9), lone surrogates.
_UNFIT = re.compile("[\0-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def printable(text: str) -> str:
    """The text with U+FFFD for each character that could move the cursor, colour, reorder or break what is printed."""
    return _UNFIT.sub("\ufffd", text)


@contextmanager
def output() -> Iterator[None]:
    """What is printed inside is written, or it is an error.

    Raises:
        BrokenPipeError: the reader went away. StoreError: stdout takes no more, such as a file on a full disk.
    """
    try:
        yield
        if sys.stdout is not None:  # where it was closed, printing does nothing
            sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python tries again at the end
        raise StoreError(f"Cannot write the output: {error.strerror}. What the command did is kept; send its output elsewhere.") from error
