"""What a source holds, before anything is spent on it."""

from __future__ import annotations

import hashlib
import unicodedata
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from bicross.data.languages import Tongue, language_of
from bicross.data.passages import Splitter
from bicross.records import Document, Skip

_NAMED = 10  # duplicates that are named


@dataclass(frozen=True, slots=True)
class Lengths:
    """Of documents, in tokens, titles not counted. `histogram`: power of two -> how many are longer than its half and at most it."""

    total: int
    p50: int
    p95: int
    longest: int
    histogram: dict[int, int]


@dataclass(frozen=True, slots=True)
class Inspection:
    """`split` counts documents of more than one passage, `duplicates` those whose text came before; ten are named as (id, first id)."""

    documents: int
    passages: int
    split: int
    tokens: Lengths
    languages: dict[Tongue, int]
    duplicates: int
    duplicate_ids: tuple[tuple[str, str], ...]
    skipped: tuple[Skip, ...]


def inspect_documents(documents: Iterable[Document | Skip], splitter: Splitter) -> Inspection:
    """Count, measure and compare documents in one pass; memory holds a hash and an id of each.

    Percentiles are nearest-rank. Two texts are duplicates if they are equal after NFKC, case folding and squeezing of white space.
    """
    passages = split = duplicates = 0
    lengths: Counter[int] = Counter()
    languages: dict[Tongue, int] = {"en": 0, "zh": 0}
    first_with: dict[bytes, str] = {}
    named: list[tuple[str, str]] = []
    skipped: list[Skip] = []
    for item in documents:
        if isinstance(item, Skip):
            skipped.append(item)
            continue
        cut, tokens = splitter.measure(item)
        passages += len(cut)
        split += len(cut) > 1
        lengths[tokens] += 1
        languages[language_of(item.text)] += 1
        first = first_with.setdefault(_digest(item.text), item.id)
        if first != item.id:
            duplicates += 1
            if len(named) < _NAMED:
                named.append((item.id, first))
    return Inspection(lengths.total(), passages, split, _summary(lengths), languages, duplicates, tuple(named), tuple(skipped))


def _digest(text: str) -> bytes:
    same = " ".join(unicodedata.normalize("NFKC", text).casefold().split())
    return hashlib.blake2b(same.encode(), digest_size=16).digest()


def _summary(lengths: Counter[int]) -> Lengths:
    histogram: Counter[int] = Counter()
    for length, count in lengths.items():
        histogram[1 << max(0, length - 1).bit_length()] += count
    total = sum(length * count for length, count in lengths.items())
    longest = max(lengths, default=0)
    return Lengths(total, _percentile(lengths, 50), _percentile(lengths, 95), longest, dict(sorted(histogram.items())))


def _percentile(lengths: Counter[int], percent: int) -> int:
    """The smallest length that at least `percent` of a hundred documents do not exceed; 0 if there are none."""
    seen = 0
    for length in sorted(lengths):
        seen += lengths[length]
        if 100 * seen >= percent * lengths.total():
            return length
    return 0
