"""Lexical search: only what shares a word with the question."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bicross.protocols import Searcher
from bicross.records import Document, Query
from tests.conformance.searcher import DOCUMENTS, SearcherConformance
from tests.searchers.world import lexical, viewed


class TestLexicalSearcher(SearcherConformance):
    def make(self, documents: Sequence[Document]) -> Searcher:
        return lexical(viewed(documents))


def test_without_a_common_word_there_is_no_hit(tmp_path: Path) -> None:
    questions = [Query("one", "penguins"), Query("none", "qwxzj"), Query("both", "needle sourdough"), Query("中", "酸面团")]
    with viewed(DOCUMENTS, tmp_path) as view:
        rankings = lexical(view).search(questions, 8)
    found = {query: {hit.doc_id for hit in ranking} for query, ranking in rankings.items()}
    assert found == {"one": {"twin-a", "twin-b"}, "none": set(), "both": {"router", "bread/rye"}, "中": {"面包"}}
    assert all(hit.score > 0 for ranking in rankings.values() for hit in ranking)
