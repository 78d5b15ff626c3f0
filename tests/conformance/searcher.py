"""The suite of the Searcher plug, in a world whose answers can be seen by eye."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Sequence

import pytest

from bicross.protocols import Searcher
from bicross.records import Document, Query, Ranking

DOCUMENTS = [
    Document("printer", "To reset the printer, press the red button for ten seconds."),
    Document("router", "The router is reset with a needle in the hole beside the cable."),
    Document("bread/rye", "Rye bread needs sourdough, water, salt and patience."),
    Document("打印机", "要重置打印机，请按住红色按钮十秒钟。"),
    Document("面包", "黑麦面包需要酸面团、水、盐和耐心。"),
    Document("twin-b", "Two identical documents about penguins on the ice."),
    Document("twin-a", "Two identical documents about penguins on the ice."),
    Document("two passages", "Volcanoes and lava. " * 3 + "\n\n" + "Lava flows from volcanoes. " * 3),
]
QUERIES = [
    Query("q1", "How do I reset the printer?"),
    Query("q2", "如何重置打印机"),
    Query("q3", "rye bread with sourdough"),
    Query("q4", "penguins on the ice"),
    Query("q5", "lava from volcanoes"),
    Query("q6", "qwxzj"),
    Query("q7", ""),
]
ANSWERS = {"q1": "printer", "q2": "打印机", "q3": "bread/rye", "q5": "two passages"}


class SearcherConformance:
    """Subclass it and define `make`. `make` is called once for a class."""

    @abstractmethod
    def make(self, documents: Sequence[Document]) -> Searcher:
        """A searcher over these documents."""

    @pytest.fixture(scope="class")
    @classmethod
    def searcher(cls) -> Searcher:
        return cls().make(DOCUMENTS)

    def test_every_query_is_answered_under_its_id(self, searcher: Searcher) -> None:
        rankings = searcher.search(QUERIES, 5)
        assert set(rankings) == {query.id for query in QUERIES}

    def test_no_queries(self, searcher: Searcher) -> None:
        assert dict(searcher.search([], 5)) == {}

    def test_the_answers(self, searcher: Searcher) -> None:
        rankings = searcher.search(QUERIES, 3)
        assert {query: rankings[query][0].doc_id for query in ANSWERS} == ANSWERS

    @pytest.mark.parametrize("k", [1, 3, 100])
    def test_at_most_k_known_documents_each_once_best_first(self, searcher: Searcher, k: int) -> None:
        for ranking in searcher.search(QUERIES, k).values():
            assert isinstance(ranking, tuple) and len(ranking) <= k
            ids = [hit.doc_id for hit in ranking]
            assert len(set(ids)) == len(ids)
            assert set(ids) <= {document.id for document in DOCUMENTS}
            assert all(math.isfinite(hit.score) for hit in ranking)
            assert ids == [hit.doc_id for hit in sorted(ranking, key=lambda hit: (-hit.score, hit.doc_id))]

    def test_equal_documents_stand_in_the_order_of_their_ids(self, searcher: Searcher) -> None:
        assert _ids(searcher.search(QUERIES[3:4], 2)["q4"]) == ["twin-a", "twin-b"]
        assert _ids(searcher.search(QUERIES[3:4], 1)["q4"]) == ["twin-a"]

    def test_stages_explain_every_hit(self, searcher: Searcher) -> None:
        for ranking in searcher.search(QUERIES, 5).values():
            for hit in ranking:
                assert hit.stages
                assert all(stage.rank >= 1 and math.isfinite(stage.score) for stage in hit.stages.values())
                assert hit.probability is None or 0 <= hit.probability <= 1

    def test_a_passage_is_a_span_of_its_document(self, searcher: Searcher) -> None:
        texts = {document.id: document.text for document in DOCUMENTS}
        for ranking in searcher.search(QUERIES, 5).values():
            for hit in ranking:
                if hit.passage is not None:
                    assert hit.passage.doc_id == hit.doc_id
                    assert texts[hit.doc_id][hit.passage.start : hit.passage.end] == hit.passage.text

    def test_a_query_alone_as_among_others(self, searcher: Searcher) -> None:
        together = searcher.search(QUERIES[::-1], 5)
        for query in QUERIES:
            assert _ids(searcher.search([query], 5)[query.id]) == _ids(together[query.id])

    def test_the_same_question_under_two_ids(self, searcher: Searcher) -> None:
        rankings = searcher.search([Query("a", QUERIES[0].text), Query("b", QUERIES[0].text)], 3)
        assert _ids(rankings["a"]) == _ids(rankings["b"])

    def test_no_documents(self) -> None:
        rankings = self.make([]).search(QUERIES[:2], 5)
        assert {query: len(ranking) for query, ranking in rankings.items()} == {"q1": 0, "q2": 0}


def _ids(ranking: Ranking) -> list[str]:
    return [hit.doc_id for hit in ranking]
