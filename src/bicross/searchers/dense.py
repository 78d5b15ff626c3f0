"""Dense search: the passages whose vectors are nearest to the query's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bicross.errors import SpaceMismatch
from bicross.protocols import Corpus, Encoder
from bicross.records import Query, Ranking
from bicross.searchers.grouping import rank_documents
from bicross.searchers.stopwatch import Stopwatch


class DenseSearcher:
    """A Searcher.

    Raises:
        SpaceMismatch: the collection's vectors were made by another model than `encoder`.
    """

    def __init__(self, encoder: Encoder, corpus: Corpus, stopwatch: Stopwatch) -> None:
        if encoder.space != corpus.space:
            raise SpaceMismatch(
                f"The collection's vectors are of space {corpus.space.fingerprint[:12]} ({corpus.space.dim} dimensions), the encoder's of "
                f"{encoder.space.fingerprint[:12]} ({encoder.space.dim}). Use the encoder that made them, or run "
                "`bicross reembed COLLECTION --encoder NAME`."
            )
        self._encoder, self._corpus, self._stopwatch = encoder, corpus, stopwatch

    def search(self, queries: Sequence[Query], k: int) -> Mapping[str, Ranking]:
        """The k best documents of each query, best first."""
        with self._stopwatch.timing("encode"):
            vectors = self._encoder.encode_queries([query.text for query in queries])  # (queries, dim)
        with self._stopwatch.timing("recall"):
            return rank_documents(lambda rows, n: self._corpus.nearest(vectors[list(rows)], n), self._corpus, queries, k, stage="dense")
