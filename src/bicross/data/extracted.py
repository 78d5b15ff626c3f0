"""What a reader makes of one file of an office's kind: PDF, Word, e-mail, source code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Extracted:
    """Title, text and `meta` (with its outline) of a document; `lost` says what of the file is not in the text."""

    title: str
    text: str
    meta: Mapping[str, Any] = field(default_factory=dict)
    lost: tuple[str, ...] = ()
