"""4-bit codes with exact refinement."""

from __future__ import annotations

from collections.abc import Mapping

import faiss
import numpy as np
import pytest

from bicross.errors import Damaged
from bicross.indexes.exact import ExactIndex
from bicross.indexes.faiss import FEWEST, GROWTH, PQIndex, shortlist
from bicross.records import Space
from bicross.vectors import unit
from tests.conformance.index import SPACE, IndexConformance, clustered


class TestPQIndex(IndexConformance):
    recall = 0.95

    def make(self, space: Space) -> PQIndex:
        return PQIndex(space)

    def load(self, space: Space, files: Mapping[str, bytes | memoryview]) -> PQIndex:
        return PQIndex.load(space, files)


@pytest.mark.parametrize("dim", [1, 2, 7, 50])
def test_any_width(dim: int) -> None:
    space = Space("narrow", dim)
    vectors = unit(np.random.default_rng(0).normal(size=(2 * FEWEST, dim)).astype(np.float32))
    exact, codes = ExactIndex(space), PQIndex(space)
    for index in (exact, codes):
        index.add(np.arange(len(vectors)), vectors)
    _, expected = exact.search(vectors[:20], 10)
    _, scores = codes.search(vectors[:20], 10)
    assert scores == pytest.approx(expected, abs=0.05)


def test_codes_are_trained_anew_as_rows_grow() -> None:
    index = PQIndex(SPACE)
    rows = clustered(GROWTH * FEWEST)
    for key, row in enumerate(rows[: FEWEST + 1]):
        index.add(np.asarray([key]), row[None])
    few = index.save()["codes.faiss"]
    index.add(np.arange(FEWEST + 1, len(rows)), rows[FEWEST + 1 :])
    many = PQIndex(SPACE)
    many.add(np.arange(len(rows)), rows)
    assert len(few) < len(index.save()["codes.faiss"])
    assert index.save() == many.save()


def test_codes_of_other_rows_are_damage() -> None:
    index = PQIndex(SPACE)
    index.add(np.arange(FEWEST), clustered(FEWEST))
    files = index.save()
    index.remove(np.asarray([5]))
    with pytest.raises(Damaged, match="codes"):
        PQIndex.load(SPACE, {**index.save(), "codes.faiss": files["codes.faiss"]})
    with pytest.raises(Damaged, match="codes"):
        PQIndex.load(SPACE, {name: content for name, content in files.items() if name != "codes.faiss"})


def test_training_leaves_the_number_of_threads() -> None:
    before = faiss.omp_get_max_threads()
    PQIndex(SPACE).add(np.arange(FEWEST), clustered(FEWEST))
    assert faiss.omp_get_max_threads() == before


def test_the_shortlist_holds_k() -> None:
    assert [shortlist(k) for k in (1, 10, 100, 500, 1_000, 5_000)] == [500, 500, 1_000, 2_000, 4_000, 20_000]
