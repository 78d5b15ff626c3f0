"""4-bit codes with exact refinement."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Literal

import faiss
import numpy as np
import pytest

from bicross.errors import Damaged
from bicross.indexes.exact import ExactIndex
from bicross.indexes.faiss import CODES, FEWEST, GROWTH, MANY, PQIndex
from bicross.indexes.recall import Probes, sampled
from bicross.records import Space
from bicross.vectors import unit
from tests.conformance.index import SPACE, IndexConformance, clustered


class TestPQIndex(IndexConformance):
    recall = 0.95

    def make(self, space: Space) -> PQIndex:
        return PQIndex(space)

    def load(self, space: Space, files: Mapping[str, bytes | memoryview]) -> PQIndex:
        return PQIndex.load(space, files)


class TestListed(IndexConformance):
    """With lists in front."""

    recall = 0.95

    def make(self, space: Space) -> PQIndex:
        return PQIndex(space, lists=16)

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


@pytest.mark.parametrize("name", CODES)
def test_codes_of_other_rows_are_damage(name: str) -> None:
    index = PQIndex(SPACE)
    index.add(np.arange(FEWEST), clustered(FEWEST))
    files = index.save()
    index.remove(np.asarray([5]))
    with pytest.raises(Damaged, match=name):
        PQIndex.load(SPACE, {**index.save(), name: files[name]})
    with pytest.raises(Damaged, match=name):
        PQIndex.load(SPACE, {other: content for other, content in files.items() if other != name})


def test_an_index_that_does_not_say_how_it_is_searched_is_built_again() -> None:
    index = PQIndex(SPACE)
    index.add(np.arange(FEWEST), clustered(FEWEST))
    files = index.save()
    facts = {name: value for name, value in json.loads(bytes(files["facts.json"])).items() if name != "read"}
    with pytest.raises(Damaged, match="does not say read"):
        PQIndex.load(SPACE, {**files, "facts.json": json.dumps(facts).encode()})


def test_training_leaves_the_number_of_threads() -> None:
    before = faiss.omp_get_max_threads()
    PQIndex(SPACE).add(np.arange(FEWEST), clustered(FEWEST))
    assert faiss.omp_get_max_threads() == before


def test_the_shortlist_holds_k() -> None:
    index = PQIndex(SPACE)
    assert [index.shortlist(k) for k in (1, 100, 400, 5_000)] == [MANY, MANY, 2 * MANY, 20_000]


@pytest.mark.parametrize("lists", [0, 32])
def test_recall_is_measured_against_the_exact_scan_and_kept(lists: int) -> None:
    rows, queries = clustered(20_000), clustered(100, seed=1)
    index, exact = PQIndex(SPACE, lists=lists), ExactIndex(SPACE)
    for one in (index, exact):
        one.add(np.arange(len(rows)), rows)
    index.tune(Probes(queries, "questions"))
    assert index.recall is not None
    found, true = index.search(queries[1::2], 100)[0], exact.search(queries[1::2], 100)[0]
    shares = [len(set(mine) & set(best)) / 100 for mine, best in zip(found.tolist(), true.tolist(), strict=True)]
    assert (index.recall.k, index.recall.queries, index.recall.of) == (100, 50, "questions")
    assert (index.recall.mean, index.recall.lowest) == pytest.approx((np.mean(shares), min(shares)))
    assert index.recall.mean > 0.98
    loaded = PQIndex.load(SPACE, index.save())
    assert (loaded.kind, loaded.recall) == ("ivf" if lists else "pq", index.recall)
    assert (loaded.search(queries, 10)[0] == index.search(queries, 10)[0]).all()


def test_a_row_that_was_changed_is_found_when_it_is_read() -> None:
    rows = clustered(8_000)
    index = PQIndex(SPACE)
    index.add(np.arange(len(rows)), rows)
    index.tune(sampled(rows, "passages"))
    files = {name: bytes(content) for name, content in index.save().items()}
    changed = bytearray(files["vectors.f32"])
    changed[5_000 * 4 * SPACE.dim + 17] ^= 1
    loaded = PQIndex.load(SPACE, {**files, "vectors.f32": bytes(changed)})
    apart = rows[np.argsort(rows @ rows[5_000])[:5]]  # far from it: it is not read
    assert (loaded.search(apart, 1)[1][:, 0] > 0.99).all()
    with pytest.raises(Damaged, match="Row 5000 "):
        loaded.search(rows[5_000:5_001], 10)
    with pytest.raises(Damaged, match="Row 5000 "):
        loaded.add(np.asarray([10**9]), rows[:1])


def test_finer_codes_stay_where_they_lie_until_rows_change() -> None:
    rows = clustered(8_000)
    index = PQIndex(SPACE)
    index.add(np.arange(len(rows)), rows)
    index.tune(sampled(rows, "passages"))
    loaded = PQIndex.load(SPACE, index.save())
    assert loaded._finer is not None and loaded._held is not None
    assert (loaded.search(rows[:20], 10)[0] == index.search(rows[:20], 10)[0]).all()
    assert (loaded.search(rows[:2], len(rows))[0] >= 0).all() and loaded._held is not None, "a scan of all rows needs no codes"
    assert loaded.save() == index.save()
    loaded.remove(np.asarray([3]))
    assert loaded._held is None and loaded.search(rows[3:4], 1)[0] != 3


@pytest.mark.parametrize("similarity", ["cosine", "dot"])
def test_as_many_rows_are_read_as_lose_nothing_of_the_shortlist(similarity: Literal["cosine", "dot"]) -> None:
    """Few dimensions, and in a dot space lengths that differ much: the answers are at the ends of the values' ranges."""
    random = np.random.default_rng(0)
    rows = unit(random.normal(size=(20_000, 16)).astype(np.float32))
    if similarity == "dot":
        rows *= random.lognormal(sigma=0.5, size=(len(rows), 1)).astype(np.float32)
    index = PQIndex(Space("few", 16, similarity))
    index.add(np.arange(len(rows)), rows)
    index.tune(sampled(rows, "passages"))
    assert index.recall is not None and index.recall.mean > 0.98
