"""A collection as it would be in another space: filled and not yet active, so that new models are measured before anyone meets them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from bicross.collection.view import View
from bicross.indexes.choose import build_index
from bicross.records import Passage, Space
from bicross.vectors import Keys, Scores, Vectors


class Trial:
    """A Corpus: nearest passages by the vectors of `space`, everything else from the view.

    The index is built once; a passage that was removed since is left out, one that was added since is not found.
    """

    def __init__(self, view: View, space: Space) -> None:
        """Raises SpaceMismatch where the space is not registered, Damaged where a passage has no whole vector in it."""
        self._view, self.space = view, space
        keys, vectors = view.vectors(space)
        self._index = build_index(space, keys, vectors)

    def nearest(self, vectors: Vectors, k: int) -> tuple[Keys, Scores]:
        """As `View.nearest`."""
        keys, scores = self._index.search(vectors, k)
        live = np.isin(keys, list(self._view.owners(np.unique(keys[keys >= 0]).tolist())))  # (queries, k)
        return np.where(live, keys, -1), np.where(live, scores, np.float32(-np.inf))

    def lexical(self, texts: Sequence[str], k: int) -> tuple[Keys, Scores]:
        return self._view.lexical(texts, k)

    def owners(self, keys: Iterable[int]) -> Mapping[int, str]:
        return self._view.owners(keys)

    def passages(self, keys: Iterable[int]) -> Mapping[int, Passage]:
        return self._view.passages(keys)

    def titles(self, doc_ids: Iterable[str]) -> Mapping[str, str]:
        return self._view.titles(doc_ids)

    def of_documents(self, doc_ids: Iterable[str]) -> Mapping[str, tuple[Passage, ...]]:
        return self._view.of_documents(doc_ids)
