"""The parts of a score sum to it, whatever made it."""

from __future__ import annotations

import pytest

from bicross.opened import OpenCollection
from bicross.records import Document, Query
from bicross.searchers.explained import Part, parts
from bicross.searchers.stopwatch import Stopwatch
from bicross.searchers.weights import Weights
from bicross.settings import SearchSettings, StageName
from tests.conformance.searcher import DOCUMENTS
from tests.searchers.world import indexed

QUESTION = Query("q", "How do I reset the printer? 打印机")
MANY = [*DOCUMENTS, *(Document(f"more{number}", f"Sheet {number} of paper for the printer. 纸张 {number}") for number in range(30))]


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> OpenCollection:
    collection = OpenCollection(indexed(tmp_path_factory.mktemp("explained"), MANY))
    weights = {"lexical": 0.2, "dense": 0.3, "rank": 0.1, "late": 0.0, "rerank": 1.5}
    collection.weights = Weights({"lexical": 1.0, "dense": 2.0}, weights, depth=8)
    return collection


@pytest.mark.parametrize("kind", ["both", "fused", "dense", "lexical"])
def test_parts_sum_to_the_score(opened: OpenCollection, kind: StageName) -> None:
    ranking = opened.rank([QUESTION], SearchSettings(k=20, stage=kind), Stopwatch())["q"]
    found = parts(ranking, kind, opened.weights)
    assert len(found) == (8 if kind == "both" else len(ranking)) > 0
    for hit in ranking:
        if hit.doc_id in found:
            assert sum(part.added for part in found[hit.doc_id].values()) == pytest.approx(hit.score, abs=1e-6)


def test_a_stage_that_did_not_find_a_document_takes_something_away(opened: OpenCollection) -> None:
    ranking = opened.rank([Query("q", "sheet 7 printer")], SearchSettings(k=60, depth=60), Stopwatch())["q"]
    unfound = next(hit for hit in ranking if "lexical" not in hit.stages)
    found = parts(ranking, "both", opened.weights)[unfound.doc_id]
    assert found["lexical"].added < 0 and found["lexical"].weight == 0.2
    assert "late" not in found


def test_nothing_explains_nothing() -> None:
    assert parts((), "both", Weights()) == {} and parts((), "fused", Weights()) == {}


def test_search_tells_the_parts_only_where_they_are_asked_for(opened: OpenCollection) -> None:
    (plain,) = opened.search(QUESTION.text, SearchSettings(k=10)).as_json()["queries"]
    (told,) = opened.search(QUESTION.text, SearchSettings(k=10, explain=True)).as_json()["queries"]
    assert [{key: value for key, value in hit.items() if key != "parts"} for hit in told["hits"]] == plain["hits"]
    assert set(told["hits"][0]["parts"]) == {"lexical", "dense", "fused", "rerank"}
    assert told["hits"][0]["parts"]["rerank"].keys() == Part(0.0, 0.0).__dataclass_fields__.keys()
    assert told["hits"][9]["parts"] == {}  # of ten hits eight were reranked
