"""Keeps what measures out of what trains: pairs whose text occurs in a set that must stay unseen."""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .text import HAN, normal

WORDS, CHARACTERS = 13, 20
_FACTOR = np.uint64(0x9E3779B97F4A7C15)
_IDEOGRAPH = re.compile(f"[{HAN}]")
Grams = NDArray[np.uint64]


class Guard:
    """Knows every text of some folders of JSON lines, as 64-bit hashes of whole texts and of their n-grams.

    Two texts that are long enough share a passage if they share 13 words or 20 Chinese characters in a row, after NFKC, in lower
    case, without punctuation. Memory is eight bytes a word.
    """

    def __init__(self, folders: list[Path]) -> None:
        self._known: list[tuple[str, set[int], Grams]] = []
        for folder in folders:
            whole: set[int] = set()
            parts: list[Grams] = [np.empty(0, np.uint64)]
            for text in texts_of(folder):
                folded = normal(text)
                whole.add(hash_of(folded))
                parts.append(grams(folded))
            self._known.append((folder.name, whole, np.unique(np.concatenate(parts))))

    def meets(self, query: str, passage: str) -> str | None:
        """The name of the first folder that has the query or the passage, or shares an n-gram with the passage."""
        asked, told = normal(query), normal(passage)
        mine = grams(told)
        for name, whole, known in self._known:
            if hash_of(asked) in whole or hash_of(told) in whole or _shared(mine, known):
                return name
        return None


def texts_of(folder: Path) -> Iterator[str]:
    """Every string of every row of the folder's *.jsonl, names of rows apart.

    Raises:
        FileNotFoundError: the folder has no such file, so that a mistyped name guards nothing in silence.
    """
    files = sorted(folder.rglob("*.jsonl"))
    if not files:
        raise FileNotFoundError(f"{folder} has no *.jsonl; --never takes folders with queries.jsonl and corpus.jsonl")
    for path in files:
        with path.open(encoding="utf-8") as lines:
            for line in lines:
                yield from (value for name, value in json.loads(line).items() if isinstance(value, str) and name not in ("_id", "id"))


def grams(folded: str) -> Grams:
    """Hashes of the 13-grams of words that are not Chinese, and of the 20-grams of Chinese characters."""
    words = _IDEOGRAPH.sub(" ", folded).split()
    ideographs = _IDEOGRAPH.findall(folded)
    return np.concatenate(
        [_rolled([zlib.crc32(word.encode()) for word in words], WORDS), _rolled([ord(one) for one in ideographs], CHARACTERS)]
    )


def _rolled(tokens: list[int], size: int) -> Grams:
    if len(tokens) < size:
        return np.empty(0, np.uint64)
    values = (np.array(tokens, np.uint64) + np.uint64(size)) * _FACTOR
    values ^= values >> np.uint64(29)
    rolled = np.zeros(len(tokens) - size + 1, np.uint64)
    for place in range(size):
        rolled = rolled * _FACTOR + values[place : place + len(rolled)]
    return rolled


def _shared(mine: Grams, known: Grams) -> bool:
    if not len(mine) or not len(known):
        return False
    places = np.searchsorted(known, mine)
    places[places == len(known)] = 0
    return bool((known[places] == mine).any())


def hash_of(folded: str) -> int:
    """64 bits of a text."""
    return int.from_bytes(blake2b(folded.encode(), digest_size=8).digest())
