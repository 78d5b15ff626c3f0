"""The suite of the Searcher plug on the plainest Searcher there is, so that the suite itself is held."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from bicross.indexes.exact import ExactIndex
from bicross.models.hashed import HashedEncoder
from bicross.protocols import Searcher
from bicross.records import Document, Hit, Query, Ranking, Stage
from bicross.vectors import best_first
from tests.conformance.searcher import SearcherConformance


class PlainSearcher:
    """Whole documents, hashed, scanned exactly."""

    def __init__(self, documents: Sequence[Document]) -> None:
        self._encoder = HashedEncoder(dim=512)
        self._ids = sorted(document.id for document in documents)
        texts = {document.id: document.text for document in documents}
        self._index = ExactIndex(self._encoder.space)
        self._index.add(np.arange(len(documents)), self._encoder.encode_documents([texts[name] for name in self._ids]))

    def search(self, queries: Sequence[Query], k: int) -> Mapping[str, Ranking]:
        keys, scores = self._index.search(self._encoder.encode_queries([query.text for query in queries]), k)
        return {
            query.id: best_first(
                Hit(self._ids[key], score, stages={"dense": Stage(rank, score)})
                for rank, (key, score) in enumerate(zip(keys[row].tolist(), scores[row].tolist(), strict=True), 1)
                if key >= 0
            )
            for row, query in enumerate(queries)
        }


class TestPlainSearcher(SearcherConformance):
    def make(self, documents: Sequence[Document]) -> Searcher:
        return PlainSearcher(documents)
