"""Search among given documents only: what a board hands to a reranker, or a user has picked out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from bicross.protocols import Corpus
from bicross.records import Passage, Space
from bicross.vectors import Keys, Scores, Vectors

_CHUNK = 4096  # passages that are looked up at once


def keys_of(corpus: Corpus, size: int, documents: frozenset[str]) -> dict[str, Keys]:
    """Document id -> keys of its passages, of those documents that the corpus has. Every passage is looked up once.

    `size` is the number of passages in the corpus.
    """
    any_direction = np.zeros((1, corpus.space.dim), dtype=np.float32)
    any_direction[0, 0] = 1
    everything = corpus.nearest(any_direction, size)[0][0]  # (size,)
    found: dict[str, list[int]] = {}
    for start in range(0, len(everything), _CHUNK):
        for key, doc_id in corpus.owners(everything[start : start + _CHUNK].tolist()).items():
            if doc_id in documents:
                found.setdefault(doc_id, []).append(key)
    return {doc_id: np.array(keys, dtype=np.int64) for doc_id, keys in found.items()}


class Among:
    """A Corpus: the passages with these keys of another Corpus, scored as there. Each search ranks all `size` passages of that one."""

    def __init__(self, corpus: Corpus, size: int, keys: Keys) -> None:
        self._corpus, self._size, self._keys = corpus, size, keys

    @property
    def space(self) -> Space:
        return self._corpus.space

    def nearest(self, vectors: Vectors, k: int) -> tuple[Keys, Scores]:
        return self._only(*self._corpus.nearest(vectors, self._size), k)

    def lexical(self, texts: Sequence[str], k: int) -> tuple[Keys, Scores]:
        return self._only(*self._corpus.lexical(texts, self._size), k)

    def owners(self, keys: Iterable[int]) -> Mapping[int, str]:
        return self._corpus.owners(keys)

    def passages(self, keys: Iterable[int]) -> Mapping[int, Passage]:
        return self._corpus.passages(keys)

    def titles(self, doc_ids: Iterable[str]) -> Mapping[str, str]:
        return self._corpus.titles(doc_ids)

    def of_documents(self, doc_ids: Iterable[str]) -> Mapping[str, tuple[Passage, ...]]:
        return self._corpus.of_documents(doc_ids)

    def _only(self, keys: Keys, scores: Scores, k: int) -> tuple[Keys, Scores]:
        """The first k that are among the keys, both (queries, k), key -1 and score -inf beyond the last."""
        kept = np.full((len(keys), k), -1, dtype=np.int64)
        values = np.full((len(keys), k), -np.inf, dtype=np.float32)
        for row, wanted in enumerate(np.isin(keys, self._keys)):
            places = np.flatnonzero(wanted)[:k]
            kept[row, : len(places)], values[row, : len(places)] = keys[row, places], scores[row, places]
        return kept, values
