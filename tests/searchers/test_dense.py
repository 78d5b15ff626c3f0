"""Dense search: the exact cosines, and a collection of another model refused."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from bicross.errors import SpaceMismatch
from bicross.models.hashed import HashedEncoder
from bicross.protocols import Searcher
from bicross.records import Document
from bicross.searchers.dense import DenseSearcher
from bicross.searchers.stopwatch import Stopwatch
from tests.conformance.searcher import DOCUMENTS, QUERIES, SearcherConformance
from tests.searchers.world import dense, viewed


class TestDenseSearcher(SearcherConformance):
    def make(self, documents: Sequence[Document]) -> Searcher:
        return dense(viewed(documents))


def test_scores_are_the_cosines_of_the_best_passages(tmp_path: Path) -> None:
    encoder = HashedEncoder()
    with viewed(DOCUMENTS, tmp_path) as view:
        rankings = dense(view).search(QUERIES, len(DOCUMENTS))
    for query in QUERIES:
        (asked,) = encoder.encode_queries([query.text])
        for hit in rankings[query.id]:
            assert hit.passage is not None
            (read,) = encoder.encode_documents([hit.passage.text])
            assert hit.score == pytest.approx(float(np.dot(asked, read)), abs=1e-6)
            assert hit.stages["dense"].score == hit.score
        assert [hit.stages["dense"].rank for hit in rankings[query.id]] == list(range(1, len(DOCUMENTS) + 1))


def test_another_model_is_refused_with_the_command_that_mends_it(tmp_path: Path) -> None:
    with viewed(DOCUMENTS[:2], tmp_path) as view, pytest.raises(SpaceMismatch, match="bicross reembed COLLECTION --encoder NAME"):
        DenseSearcher(HashedEncoder(dim=32), view, Stopwatch())


def test_seconds_are_counted(tmp_path: Path) -> None:
    stopwatch = Stopwatch()
    with viewed(DOCUMENTS[:2], tmp_path) as view:
        DenseSearcher(HashedEncoder(), view, stopwatch).search(QUERIES, 2)
    assert set(stopwatch.seconds) == {"encode", "recall"}
    assert all(seconds > 0 for seconds in stopwatch.seconds.values())
