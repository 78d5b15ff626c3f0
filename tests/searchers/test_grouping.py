"""From passages to documents, where one document has most of the best passages."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import pytest

from bicross.collection.store import View
from bicross.records import Document, Passage, Query
from bicross.searchers.grouping import rank_documents
from bicross.vectors import Keys, Scores
from tests.searchers.world import viewed

LONG = Document("long", " ".join(f"Volcano number {number} is a volcano with volcano ash on it." for number in range(30)))
OTHERS = [Document(f"other {number}", f"A volcano is among the {number} hills of this green and quiet land.") for number in range(5)]
QUERY = Query("q", "volcano")


@pytest.fixture(scope="module")
def view(tmp_path_factory: pytest.TempPathFactory) -> View:
    return viewed([LONG, *OTHERS], tmp_path_factory.mktemp("grouping"))


def all_passages(view: View) -> tuple[Keys, Scores]:
    """Every passage that BM25 finds, best first, (1, passages)."""
    return view.lexical([QUERY.text], 1000)


@pytest.mark.parametrize("k", [1, 2, 3, 6, 100])
def test_more_passages_are_asked_for_until_there_are_k_documents(view: View, k: int) -> None:
    asked = []

    def propose(rows: Sequence[int], count: int) -> tuple[Keys, Scores]:
        asked.append((list(rows), count))
        return view.lexical([QUERY.text for _ in rows], count)

    ranking = rank_documents(propose, view, [QUERY], k, stage="lexical")["q"]
    assert len(ranking) == min(k, 6)
    assert ranking[0].doc_id == "long"
    assert [count for _, count in asked] == [2 * k * 4**step for step in range(len(asked))]
    if k == 2:
        assert len(asked) > 1, "the first four passages are all of one document"


def test_a_documents_score_is_its_best_passages(view: View) -> None:
    keys, scores = all_passages(view)
    passages = view.passages(int(key) for key in keys[0] if key >= 0)
    assert len(passages) >= 30
    best: dict[str, float] = {}
    for key, score in zip(keys[0].tolist(), scores[0].tolist(), strict=True):
        if key >= 0:
            document = passages[key].doc_id
            best[document] = max(best.get(document, -np.inf), score)
    ranking = rank_documents(lambda rows, count: view.lexical([QUERY.text], count), view, [QUERY], 6, stage="lexical")["q"]
    assert {hit.doc_id: hit.score for hit in ranking} == best
    for hit in ranking:
        assert hit.passage is not None
        shown = next(key for key, passage in passages.items() if passage == hit.passage)
        assert scores[0][keys[0].tolist().index(shown)] == hit.score


def test_only_queries_that_lack_documents_ask_again(view: View) -> None:
    queries = [Query("enough", "hills"), Query("short", "volcano")]
    asked = []

    def propose(rows: Sequence[int], count: int) -> tuple[Keys, Scores]:
        asked.append(list(rows))
        return view.lexical([queries[row].text for row in rows], count)

    rankings = rank_documents(propose, view, queries, 2, stage="lexical")
    assert asked[0] == [0, 1] and asked[1:] and all(rows == [1] for rows in asked[1:])
    assert {query: len(ranking) for query, ranking in rankings.items()} == {"enough": 2, "short": 2}


class Counted:
    """A view that notes which passages are read."""

    def __init__(self, view: View) -> None:
        self.view, self.read = view, list[int]()
        self.owners = view.owners

    def passages(self, keys: Iterable[int]) -> dict[int, Passage]:
        asked = list(keys)
        self.read += asked
        return self.view.passages(asked)


def test_no_passage_is_read_but_those_that_are_returned(view: View) -> None:
    corpus = Counted(view)
    ranking = rank_documents(lambda rows, count: view.lexical([QUERY.text], count), corpus, [QUERY], 3, stage="lexical")["q"]  # type: ignore[arg-type]  # it asks no more of it
    assert len(ranking) == len(corpus.read) == 3
    assert {view.passages([key])[key] for key in corpus.read} == {hit.passage for hit in ranking}


def test_a_passage_that_is_gone_meanwhile_is_left_out(view: View) -> None:
    corpus = Counted(view)
    corpus.passages = lambda keys: dict(list(view.passages(keys).items())[1:])  # type: ignore[method-assign]
    ranking = rank_documents(lambda rows, count: view.lexical([QUERY.text], count), corpus, [QUERY], 3, stage="lexical")["q"]  # type: ignore[arg-type]  # as above
    assert [hit.stages["lexical"].rank for hit in ranking] == [1, 2]
