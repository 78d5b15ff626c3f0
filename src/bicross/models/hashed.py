"""Models without weights: shared words and characters, hashed. They run every stage in milliseconds, the same on every machine."""

from __future__ import annotations

import hashlib
import math
import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from functools import cached_property, lru_cache
from itertools import islice, pairwise

import numpy as np
from tokenizers import Regex, Tokenizer
from tokenizers.models import WordLevel
from tokenizers.normalizers import NFKC, Lowercase
from tokenizers.normalizers import Sequence as NormalizerSequence
from tokenizers.pre_tokenizers import Sequence as PreTokenizerSequence
from tokenizers.pre_tokenizers import Split, Whitespace

from bicross.protocols import Side
from bicross.records import Space
from bicross.vectors import Scores, Vectors

CJK = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff"  # kana, Han, Hangul
READ = 4_096  # words and characters that the scorer reads of a text
WORD = re.compile(rf"[{CJK}]|[^\W{CJK}]+")


class HashedEncoder:
    """Words, CJK characters and pairs of neighbouring ones, hashed into signed buckets, (n, dim), rows of length 1.

    Method: Weinberger et al., "Feature Hashing for Large Scale Multitask Learning", ICML 2009; a feature seen t times
    weighs sqrt(t), and a pair twice as much as a single one.
    """

    def __init__(self, dim: int = 64, max_tokens: int = 512) -> None:
        self.max_tokens = self.content_tokens = max_tokens
        self.matryoshka: tuple[int, ...] = ()  # no shorter vectors
        self.cut: list[str] = []  # texts that were longer
        self._space = Space(f"hashed-1-dim{dim}-tokens{max_tokens}", dim)

    @property
    def space(self) -> Space:
        return self._space

    @cached_property
    def tokenizer(self) -> Tokenizer:
        """Words, and each CJK character alone. Every token has the number 0: only spans and counts mean something."""
        return _tokenizer()

    def encode_queries(self, texts: Sequence[str]) -> Vectors:
        """Unit rows, (len(texts), dim); a text without words gives the first unit vector."""
        return self._encode(texts)

    def encode_documents(self, texts: Sequence[str]) -> Vectors:
        """Unit rows, (len(texts), dim), as for queries."""
        return self._encode(texts)

    def encode_counted(self, _side: Side, texts: Sequence[str]) -> tuple[Vectors, list[int], list[bool]]:
        """Vectors as the methods above give them; words and CJK characters of each text that were read, and whether it has more."""
        rows = np.zeros((len(texts), self._space.dim), dtype=np.float32)
        for row, text in zip(rows, texts, strict=True):
            row[:] = self._row(_features(text, self.content_tokens))
        counts = [sum(1 for _ in islice(WORD.finditer(text), self.content_tokens + 1)) for text in texts]
        return rows, [min(count, self.content_tokens) for count in counts], [count > self.content_tokens for count in counts]

    def _encode(self, texts: Sequence[str]) -> Vectors:
        rows, _, cut = self.encode_counted("document", texts)
        self.cut += [text for text, longer in zip(texts, cut, strict=True) if longer]
        return rows

    def _row(self, features: Counter[str]) -> Sequence[float]:
        # Python's floats and fsum, not a vectorised sum, so that no machine rounds differently.
        buckets: list[list[float]] = [[] for _ in range(self._space.dim)]
        for feature, count in features.items():
            number = _number(feature)
            sign = 1 if number & 1 else -1
            buckets[(number >> 1) % len(buckets)].append(sign * _weight(feature) * math.sqrt(count))
        values = [math.fsum(bucket) for bucket in buckets]
        length = math.sqrt(math.fsum(value * value for value in values))
        return [value / length for value in values] if length else [1.0] + [0.0] * (len(values) - 1)


class HashedScorer:
    """The share of a query's words, CJK characters and pairs of neighbours that the document holds, in [0, 1]."""

    fingerprint = "hashed-scorer-1"

    def score(self, pairs: Sequence[tuple[str, str]]) -> Scores:
        """Scores of (query, document) pairs, (len(pairs),); 0 for a query without words."""
        return np.asarray([self._overlap(query, document) for query, document in pairs], dtype=np.float32)

    def score_counted(self, pairs: Sequence[tuple[str, str]]) -> tuple[Scores, list[int], list[bool]]:
        """Scores as `score` gives them; words and CJK characters of each pair, and whether one of the two has more than are read."""
        sizes = [[sum(1 for _ in islice(WORD.finditer(text), READ + 1)) for text in pair] for pair in pairs]
        return self.score(pairs), [sum(min(READ, size) for size in pair) for pair in sizes], [max(pair) > READ for pair in sizes]

    def _overlap(self, query: str, document: str) -> float:
        wanted, present = _features(query, limit=READ), _features(document, limit=READ)
        total = math.fsum(map(_weight, wanted))
        return math.fsum(_weight(feature) for feature in wanted if feature in present) / total if total else 0.0


@lru_cache(maxsize=1)
def _tokenizer() -> Tokenizer:
    tokenizer = Tokenizer(WordLevel({"[UNK]": 0}, unk_token="[UNK]"))
    tokenizer.normalizer = NormalizerSequence([NFKC(), Lowercase()])
    tokenizer.pre_tokenizer = PreTokenizerSequence([Split(Regex(f"[{CJK}]"), "isolated"), Whitespace()])
    return tokenizer


def _features(text: str, limit: int) -> Counter[str]:
    """How often each of the first `limit` words or CJK characters, and each pair of neighbours, occurs."""
    plain = unicodedata.normalize("NFKC", text).lower()
    words = [match.group() for match in islice(WORD.finditer(plain), limit)]
    return Counter(words) + Counter(f"{left} {right}" for left, right in pairwise(words))


def _weight(feature: str) -> float:
    return 2.0 if " " in feature else 1.0


@lru_cache(maxsize=65_536)
def _number(feature: str) -> int:
    return int.from_bytes(hashlib.blake2b(feature.encode(), digest_size=8).digest(), "little")
