"""The suite of the Index plug: against a sort of all exact scores."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping

import numpy as np
import pytest

from bicross.errors import InputError, SpaceMismatch
from bicross.protocols import Index
from bicross.records import Space
from bicross.vectors import Keys, Scores, Vectors, unit

DIM = 32
SPACE = Space("conformance", DIM)


class IndexConformance:
    """Subclass it, define `make` and `load`, and state the recall that is promised at `rows` rows."""

    recall = 1.0
    rows = 5_000

    @abstractmethod
    def make(self, space: Space) -> Index:
        """An empty index."""

    @abstractmethod
    def load(self, space: Space, files: Mapping[str, bytes | memoryview]) -> Index:
        """The index that `save` wrote into `files`."""

    def filled(self, keys: Keys, vectors: Vectors) -> Index:
        index = self.make(SPACE)
        index.add(keys, vectors)
        return index

    def test_an_empty_index_finds_nothing(self) -> None:
        index = self.make(SPACE)
        assert len(index) == 0 and index.space == SPACE
        _assert_nothing(index.search(clustered(3), 4), (3, 4))

    def test_no_queries_and_no_k(self) -> None:
        index = self.filled(np.arange(20), clustered(20))
        _assert_nothing(index.search(clustered(0), 4), (0, 4))
        _assert_nothing(index.search(clustered(3), 0), (3, 0))
        with pytest.raises(InputError, match="-1"):
            index.search(clustered(3), -1)

    def test_against_exact_results(self) -> None:
        keys, vectors = _shuffled_keys(self.rows), clustered(self.rows)
        queries = clustered(50, seed=1)
        index = self.filled(keys, vectors)
        assert len(index) == self.rows
        for k in (1, 10, 100):
            self._assert_close(index, queries, k, keys, vectors)

    def test_fewer_rows_than_k(self) -> None:
        keys, vectors = _shuffled_keys(7), clustered(7)
        found, scores = self.filled(keys, vectors).search(clustered(3, seed=1), 12)
        expected_keys, expected_scores = sorted_by_score(clustered(3, seed=1), 7, keys, vectors)
        assert (found[:, :7] == expected_keys).all() and (found[:, 7:] == -1).all()
        assert scores[:, :7] == pytest.approx(expected_scores, abs=1e-5)
        assert (scores[:, 7:] == -np.inf).all()

    def test_equal_scores_stand_in_the_order_of_keys(self) -> None:
        row = clustered(1)
        keys = _shuffled_keys(300)
        for k in (1, 5, 300):
            found, _ = self.filled(keys, np.repeat(row, 300, axis=0)).search(row, k)
            assert found[0].tolist() == sorted(keys.tolist())[:k]

    def test_removed_rows_are_not_found(self) -> None:
        keys, vectors = _shuffled_keys(self.rows), clustered(self.rows)
        queries = clustered(20, seed=1)
        index = self.filled(keys, vectors)
        gone = np.unique(index.search(queries, 5)[0])  # those that would be found
        index.remove(gone)
        stays = ~np.isin(keys, gone)
        assert len(index) == stays.sum()
        assert not np.isin(index.search(queries, 50)[0], gone).any()
        self._assert_close(index, queries, 10, keys[stays], vectors[stays])

    def test_rows_added_later_are_found(self) -> None:
        keys, vectors = _shuffled_keys(self.rows), clustered(self.rows)
        index = self.make(SPACE)
        for part in np.array_split(np.arange(self.rows), 7):
            index.add(keys[part], vectors[part])
        self._assert_close(index, clustered(20, seed=1), 10, keys, vectors)
        late = clustered(1, seed=2)
        index.add(np.asarray([10**12]), late)
        assert index.search(late, 1)[0].tolist() == [[10**12]]

    def test_emptied_by_removal(self) -> None:
        keys = _shuffled_keys(self.rows)
        index = self.filled(keys, clustered(self.rows))
        index.remove(keys)
        assert len(index) == 0
        _assert_nothing(index.search(clustered(2), 3), (2, 3))

    def test_a_key_is_added_once(self) -> None:
        index = self.filled(np.arange(10), clustered(10))
        for keys in ([3], [11, 11], [-1]):
            with pytest.raises(InputError, match=str(keys[0])):
                index.add(np.asarray(keys), clustered(len(keys), seed=1))
        with pytest.raises(InputError, match="3"):  # nothing of a refused call stays
            index.add(np.asarray([12, 3]), clustered(2, seed=1))
        assert len(index) == 10

    def test_an_unknown_key_is_not_removed_in_silence(self) -> None:
        index = self.filled(np.arange(10), clustered(10))
        with pytest.raises(InputError, match="99"):
            index.remove(np.asarray([1, 99]))
        with pytest.raises(InputError, match="twice"):
            index.remove(np.asarray([1, 1]))
        assert len(index) == 10

    def test_nothing_added_or_removed(self) -> None:
        index = self.filled(np.arange(10), clustered(10))
        index.add(np.arange(0), clustered(0))
        index.remove(np.arange(0))
        assert len(index) == 10

    def test_vectors_that_would_poison_a_search_are_refused(self) -> None:
        index = self.filled(np.arange(10), clustered(10))
        for poison in (np.nan, np.inf, 0.0):
            bad = clustered(3, seed=1)
            bad[1] = poison
            with pytest.raises(InputError, match="key 21"):
                index.add(np.asarray([20, 21, 22]), bad)
            with pytest.raises(InputError, match="query 1"):
                index.search(bad, 3)
        assert len(index) == 10

    def test_another_width_is_refused(self) -> None:
        index = self.filled(np.arange(10), clustered(10))
        wide = unit(np.ones((2, DIM + 1), dtype=np.float32))
        with pytest.raises(SpaceMismatch):
            index.add(np.asarray([20, 21]), wide)
        with pytest.raises(SpaceMismatch):
            index.search(wide, 3)

    def test_a_key_for_each_vector(self) -> None:
        with pytest.raises(InputError, match="3 keys for 2 vectors"):
            self.filled(np.arange(3), clustered(2))

    @pytest.mark.parametrize("rows", [0, 20, None])
    def test_saved_and_loaded(self, rows: int | None) -> None:
        rows = self.rows if rows is None else rows
        index = self.filled(_shuffled_keys(rows), clustered(rows))
        files = index.save()
        assert files == index.save()
        loaded = self.load(SPACE, {name: memoryview(content).toreadonly() for name, content in files.items()})
        queries = clustered(20, seed=1)
        assert len(loaded) == rows and loaded.space == SPACE
        _assert_same(loaded.search(queries, 10), index.search(queries, 10))
        loaded.add(np.asarray([10**12]), queries[:1])  # read-only files are copied before they are changed
        assert loaded.search(queries[:1], 1)[0].tolist() == [[10**12]]
        assert loaded.save() != files and self.load(SPACE, loaded.save()).search(queries[:1], 1)[0].tolist() == [[10**12]]

    def test_the_same_rows_give_the_same_bytes(self) -> None:
        keys, vectors = _shuffled_keys(self.rows), clustered(self.rows)
        assert self.filled(keys, vectors).save() == self.filled(keys, vectors).save()

    def _assert_close(self, index: Index, queries: Vectors, k: int, keys: Keys, vectors: Vectors) -> None:
        """Found keys have the exact scores, best first, each once, and enough of them are the true ones."""
        found, scores = index.search(queries, k)  # (queries, k)
        assert found.shape == scores.shape == (len(queries), k)
        assert found.dtype == np.int64 and scores.dtype == np.float32
        places = np.argsort(keys)[np.searchsorted(np.sort(keys), found)]  # (queries, k)
        assert (keys[places] == found).all()
        assert scores == pytest.approx(np.einsum("qd,qkd->qk", queries, vectors[places]), abs=1e-5)
        assert (np.diff(scores, axis=1) <= 0).all()
        expected, _ = sorted_by_score(queries, k, keys, vectors)
        shared = [len(set(mine) & set(true)) / k for mine, true in zip(found.tolist(), expected.tolist(), strict=True)]
        assert np.mean(shared) >= self.recall
        assert all(len(set(row)) == k for row in found.tolist())


def clustered(rows: int, seed: int = 0) -> Vectors:
    """Unit vectors around 50 centres that all seeds share, (rows, DIM)."""
    centres = np.random.default_rng(7).normal(size=(50, DIM))
    random = np.random.default_rng(seed + 100)
    return unit((centres[random.integers(0, 50, rows)] + 0.5 * random.normal(size=(rows, DIM))).astype(np.float32))


def sorted_by_score(queries: Vectors, k: int, keys: Keys, vectors: Vectors) -> tuple[Keys, Scores]:
    """The reference: every score, sorted by score and then key, both (queries, k)."""
    scores = queries @ vectors.T  # (queries, n)
    order = np.stack([np.lexsort((keys, -row))[:k] for row in scores]) if len(queries) else np.empty((0, k), dtype=np.int64)
    return keys[order], np.take_along_axis(scores, order, axis=1)


def _shuffled_keys(rows: int) -> Keys:
    return np.random.default_rng(3).permutation(rows).astype(np.int64) * 3


def _assert_nothing(result: tuple[Keys, Scores], shape: tuple[int, int]) -> None:
    keys, scores = result
    assert keys.shape == scores.shape == shape
    assert keys.dtype == np.int64 and scores.dtype == np.float32
    assert (keys == -1).all() and (scores == -np.inf).all()


def _assert_same(left: tuple[Keys, Scores], right: tuple[Keys, Scores]) -> None:
    assert (left[0] == right[0]).all() and (left[1] == right[1]).all()
