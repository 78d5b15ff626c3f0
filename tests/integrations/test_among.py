"""Search among given documents is search among all, with the others left out."""

from pathlib import Path

import numpy as np
import pytest

from bicross import pipeline
from bicross.integrations.among import Among, keys_of
from bicross.models.hashed import HashedEncoder
from bicross.models.registry import HASHED
from bicross.records import Query
from bicross.searchers.dense import DenseSearcher
from bicross.searchers.lexical import LexicalSearcher
from bicross.searchers.stopwatch import Stopwatch
from bicross.settings import IndexSettings
from tests.pipeline.world import row, write

GIVEN = ("d3", "d4", "d8", "d21", "d5")


@pytest.fixture
def made(tmp_path: Path) -> Path:
    source = write(tmp_path / "source.jsonl", [row(number) for number in range(24)])
    pipeline.index([source], tmp_path / "made", IndexSettings(encoder=HASHED, reranker=HASHED, passage_tokens=16))
    return tmp_path / "made"


@pytest.mark.parametrize("kind", ["dense", "lexical"])
def test_given_documents_keep_their_scores_and_order(made: Path, kind: str) -> None:
    with pipeline.open_collection(made) as collection:
        view, size = collection.view, pipeline.status(made).passages
        keys = keys_of(view, size, frozenset((*GIVEN, "unknown")))
        assert set(keys) == set(GIVEN)
        assert {key: passage.doc_id for doc_id in GIVEN for key, passage in view.passages(keys[doc_id].tolist()).items()} == {
            int(key): doc_id for doc_id in GIVEN for key in keys[doc_id]
        }
        among = Among(view, size, np.concatenate(list(keys.values())))
        both = []
        for corpus in (view, among):
            dense = DenseSearcher(HashedEncoder(), corpus, Stopwatch())
            searcher = dense if kind == "dense" else LexicalSearcher(corpus, Stopwatch())
            both.append(searcher.search([Query("q", "how to reset the penguin 企鹅"), Query("r", "the router")], 24))
        everything, some = both
        for query, ranking in everything.items():
            assert [(hit.doc_id, hit.score) for hit in some[query]] == [(hit.doc_id, hit.score) for hit in ranking if hit.doc_id in GIVEN]
        assert among.space == view.space and among.titles(["d3"]) == view.titles(["d3"])
        assert among.of_documents(["d3"]) == view.of_documents(["d3"])
