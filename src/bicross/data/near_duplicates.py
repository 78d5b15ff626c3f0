"""Near-duplicate texts: how alike two of them are, and the groups that many of them form.

A text stands for the set of its shingles, and two texts are as alike as these sets are (Broder, "On the resemblance and containment
of documents", SEQUENCES 1997). A shingle here is six bytes of UTF-8: six letters or two Chinese characters, about a word of either
language, so that one threshold serves both.
"""

from __future__ import annotations

import hashlib
import math
import re
import unicodedata
from collections.abc import Iterator, Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Shingles = NDArray[np.uint64]
LONGEST = 2**16
"""Characters of a text that are looked at; what comes after them does not count."""

_WIDTH = 6  # bytes of a shingle
_MASK = np.uint64(2 ** (8 * _WIDTH) - 1)
_NOT_WORDS = re.compile(r"[\W_]+")

_HASHES = 256  # least hashes kept of a text; their share in common estimates the likeness with a deviation of at most 0.032
_MISSED = 1e-3  # of pairs that are just alike enough
_WINDOW = 16  # texts of a bucket that each is compared with
_FLAT = 2**17  # shingles hashed, and signature cells compared, in one step
_DRAWS = np.random.PCG64(1997).random_raw(2 * _HASHES).astype(np.uint64)
_FACTORS, _SHIFTS = _DRAWS[:_HASHES] | np.uint64(1), _DRAWS[_HASHES:]


def shingles(text: str) -> Shingles:
    """The shingles of a text's first `LONGEST` characters, sorted, each once, (n,) with n >= 1.

    Case, punctuation, white space and Unicode compatibility forms (NFKC) do not count, unless the text has nothing else.
    A text of fewer than six bytes is one shingle.
    """
    content = _normal(text)
    windows = np.ndarray(max(1, len(content) - _WIDTH + 1), "<u8", content + bytes(8), strides=(1,))  # eight bytes from each place on
    return np.unique(windows & _MASK)


def jaccard(left: Shingles, right: Shingles) -> float:
    """Shingles in common, as a share of all: 0 to 1."""
    common = len(np.intersect1d(left, right, assume_unique=True))
    return common / (len(left) + len(right) - common)


def likeness(left: str, right: str) -> float:
    """How alike two texts are, 0 to 1: the Jaccard index of their shingles. Texts that are equal but for case and punctuation have 1."""
    return jaccard(shingles(left), shingles(right))


def groups(texts: Sequence[str], alike: float) -> list[int]:
    """The number of each text's group; numbers count from 0 in the order in which groups first appear.

    Texts with a likeness of at least `alike`, 0 < alike <= 1, are in one group, and so are those that a chain of such texts links.
    Candidates are found by MinHash signatures cut into bands (Broder 1997; Leskovec, Rajaraman and Ullman, "Mining of Massive
    Datasets", 3.4), and verified by `jaccard`. Of the pairs that are just alike enough one in a thousand may be missed, of closer
    ones fewer. In a bucket each text is compared with its 16 neighbours only, so that many texts of one template take time in
    proportion to their number. The same texts in the same order give the same groups. Memory is 1 kB a text and 2 MB; shingles
    are not kept.
    """
    numbers: dict[bytes, int] = {}
    distinct: list[str] = []
    places = []
    for text in texts:
        places.append(numbers.setdefault(hashlib.blake2b(_normal(text), digest_size=16).digest(), len(distinct)))
        if len(numbers) > len(distinct):
            distinct.append(text)
    parents = np.arange(len(distinct))
    shingled = lru_cache(512)(lambda place: shingles(distinct[place]))
    for left, right in _candidates(_signatures(distinct), alike, parents):
        one, other = _root(parents, left), _root(parents, right)
        if one != other and jaccard(shingled(left), shingled(right)) >= alike:
            parents[max(one, other)] = min(one, other)
    _flatten(parents)
    appeared: dict[int, int] = {}
    return [appeared.setdefault(int(parents[place]), len(appeared)) for place in places]


def _normal(text: str) -> bytes:
    folded = unicodedata.normalize("NFKC", text[:LONGEST]).lower()
    words = _NOT_WORDS.sub(" ", folded).strip() or " ".join(folded.split())
    return f" {words} ".encode(errors="surrogatepass")


def _mix(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Spread 64 bits (the finaliser of SplitMix64; Steele, Lea and Flood, OOPSLA 2014)."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def _signatures(texts: Sequence[str]) -> NDArray[np.uint32]:
    """Of each text the least value of each hash over its shingles, (len(texts), _HASHES)."""
    signatures = np.empty((len(texts), _HASHES), dtype=np.uint32)
    row, waiting, size = 0, [], 0
    for place, text in enumerate(texts, start=1):
        waiting.append(shingles(text))
        size += len(waiting[-1])
        if size < _FLAT and place < len(texts):
            continue
        flat = _mix(np.concatenate(waiting))  # (size,)
        starts = np.cumsum([0, *(len(one) for one in waiting[:-1])])
        for column, (factor, shift) in enumerate(zip(_FACTORS, _SHIFTS, strict=True)):
            hashed = ((flat * factor + shift) >> np.uint64(32)).astype(np.uint32)  # (size,)
            signatures[row:place, column] = np.minimum.reduceat(hashed, starts)
        row, waiting, size = place, [], 0
    return signatures


def _rows(alike: float) -> int:
    """Hashes in a band: as many as leave the bands likely to catch a pair that is just alike enough."""
    return max(rows for rows in range(1, _HASHES + 1) if rows == 1 or (1 - alike**rows) ** (_HASHES // rows) <= _MISSED)


def _candidates(signatures: NDArray[np.uint32], alike: float, parents: NDArray[np.int64]) -> Iterator[tuple[int, int]]:
    """Pairs that share a band and seem alike, of which `parents` does not yet know that they are of one group."""
    rows = _rows(alike)
    floor = alike - 4 * math.sqrt(alike * (1 - alike) / _HASHES)
    bands = [_keys(signatures[:, start : start + rows]) for start in range(0, _HASHES - rows + 1, rows)]
    for keys, following in zip(bands, [*bands[1:], bands[0]], strict=True):
        order = np.lexsort((following, keys))  # in a large bucket those that share the next band too are neighbours
        for gap in range(1, _WINDOW + 1):
            found = np.flatnonzero(keys[order[gap:]] == keys[order[:-gap]])
            if not len(found):
                break
            _flatten(parents)
            found = found[parents[order[found]] != parents[order[found + gap]]]
            for start in range(0, len(found), _FLAT // _HASHES):
                part = found[start : start + _FLAT // _HASHES]
                left, right = order[part], order[part + gap]
                seem = (signatures[left] == signatures[right]).mean(axis=1) >= floor
                yield from zip(left[seem].tolist(), right[seem].tolist(), strict=True)


def _keys(band: NDArray[np.uint32]) -> NDArray[np.uint64]:
    keys = np.zeros(len(band), dtype=np.uint64)
    for column in band.T:
        keys = _mix(keys + column + np.uint64(1))
    return keys


def _root(parents: NDArray[np.int64], place: int) -> int:
    while parents[place] != place:
        place = int(parents[place])
    return place


def _flatten(parents: NDArray[np.int64]) -> None:
    while not np.array_equal(above := parents[parents], parents):
        parents[:] = above
