"""The exact scan."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest

from bicross.errors import Damaged
from bicross.indexes.exact import QUERY_CHUNK, ROW_CHUNK, ExactIndex
from bicross.records import Space
from bicross.vectors import unit
from tests.conformance.index import SPACE, IndexConformance, clustered, sorted_by_score


class TestExactIndex(IndexConformance):
    def make(self, space: Space) -> ExactIndex:
        return ExactIndex(space)

    def load(self, space: Space, files: Mapping[str, bytes | memoryview]) -> ExactIndex:
        return ExactIndex.load(space, files)


def test_many_chunks_of_rows_and_queries() -> None:
    space = Space("small", 4)
    random = np.random.default_rng(0)
    vectors = unit(random.normal(size=(2 * ROW_CHUNK + 5, 4)).astype(np.float32)).round(1)  # rounding makes ties
    vectors = unit(vectors + np.float32(1e-3))
    queries = vectors[: QUERY_CHUNK + 3]
    keys = np.arange(len(vectors))
    index = ExactIndex(space)
    index.add(keys, vectors)
    found, scores = index.search(queries, 5)
    for row in (0, QUERY_CHUNK - 1, QUERY_CHUNK, QUERY_CHUNK + 2):
        _, expected = sorted_by_score(queries[row : row + 1], 5, keys, vectors)
        assert scores[row] == pytest.approx(expected[0], abs=1e-6)
        assert queries[row] @ vectors[found[row]].T == pytest.approx(scores[row], abs=1e-6)


def test_ties_across_chunks_stand_in_the_order_of_keys() -> None:
    space = Space("one", 1)
    keys = np.arange(ROW_CHUNK + 10)
    index = ExactIndex(space)
    index.add(keys, np.ones((len(keys), 1), dtype=np.float32))
    everything = index.search(np.ones((1, 1), dtype=np.float32), ROW_CHUNK + 3)[0]
    assert (everything[0] == keys[: ROW_CHUNK + 3]).all()


def test_loading_copies_nothing() -> None:
    index = ExactIndex(SPACE)
    index.add(np.arange(50), clustered(50))
    files = {name: memoryview(content).toreadonly() for name, content in index.save().items()}
    _, vectors = ExactIndex.load(SPACE, files).rows
    assert np.shares_memory(vectors, np.frombuffer(files["vectors.f32"], dtype=np.uint8))
    assert not vectors.flags.writeable


@pytest.mark.parametrize("cut", [{"keys.i64": 8}, {"vectors.f32": 4}, {"vectors.f32": 3}, {"keys.i64": 3}])
def test_sizes_that_do_not_fit_are_damage(cut: Mapping[str, int]) -> None:
    index = ExactIndex(SPACE)
    index.add(np.arange(5), clustered(5))
    with pytest.raises(Damaged, match="build it again"):
        ExactIndex.load(SPACE, {name: content[cut.get(name, 0) :] for name, content in index.save().items()})


def test_a_missing_file_is_damage() -> None:
    with pytest.raises(Damaged, match="vectors"):
        ExactIndex.load(SPACE, {"keys.i64": b""})
