"""Lexical search: BM25 over the passages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bicross.protocols import Corpus
from bicross.records import Query, Ranking
from bicross.searchers.grouping import rank_documents
from bicross.searchers.stopwatch import Stopwatch


class LexicalSearcher:
    """A Searcher. A document without a word of the query is no hit."""

    def __init__(self, corpus: Corpus, stopwatch: Stopwatch) -> None:
        self._corpus, self._stopwatch = corpus, stopwatch

    def search(self, queries: Sequence[Query], k: int) -> Mapping[str, Ranking]:
        """The k best documents of each query, best first."""
        with self._stopwatch.timing("recall"):
            return rank_documents(
                lambda rows, n: self._corpus.lexical([queries[row].text for row in rows], n), self._corpus, queries, k, stage="lexical"
            )
