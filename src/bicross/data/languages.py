"""English or Chinese, by the script alone."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal

Tongue = Literal["en", "zh"]

_LOOK = 2000  # characters
_IDEOGRAPH = re.compile("[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U000323af]")
_SHARE = 0.25


def language_of(text: str) -> Tongue:
    """Chinese when at least a quarter of the letters among the first 2,000 characters are ideographs, English otherwise.

    A Chinese word has about 1.5 ideographs and an English one about 4.7 letters, so that at a quarter there are about as many
    words of each: Chinese text full of English names stays Chinese, English text that quotes a few Chinese words English.
    """
    head = text[:_LOOK]
    ideographs = len(_IDEOGRAPH.findall(head))
    return "zh" if ideographs and ideographs >= _SHARE * sum(map(str.isalpha, head)) else "en"


def majority(counts: Mapping[Tongue, int]) -> Tongue:
    """The language that more documents are in; English if as many."""
    return "zh" if counts.get("zh", 0) > counts.get("en", 0) else "en"
