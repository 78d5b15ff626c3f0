"""BM25 against the formula written out, against bm25s on the same words, and the tail against the index."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bicross.errors import Damaged, InputError
from bicross.indexes.bm25 import K1, B, BM25Index, Tail
from bicross.indexes.words import Words
from bicross.vectors import Keys

WORDS = Words()
TEXTS = ["red fox", "red red dog sleeps", "", "the quick brown fox", "专利法的保护", "red fox", "保护环境"]
some_texts = st.lists(st.lists(st.sampled_from(["fox", "dog", "red", "法律", "保护", "the"]), max_size=6).map(" ".join), max_size=8)


def keys_of(texts: list[str]) -> Keys:
    return np.arange(len(texts), dtype=np.int64) * 7 + 3


def build(texts: list[str]) -> BM25Index:
    return BM25Index.build(keys_of(texts), texts, WORDS)


def by_formula(query: str, texts: list[str]) -> dict[int, float]:
    """Row -> score, written out word by word."""
    cut = [Counter(WORDS(text)) for text in texts]
    average = sum(words.total() for words in cut) / len(cut)
    scores: dict[int, float] = {}
    for word in WORDS(query):
        df = sum(word in words for words in cut)
        for row, words in enumerate(cut):
            if word in words:
                idf = math.log(1 + (len(cut) - df + 0.5) / (df + 0.5))
                part = idf * words[word] / (words[word] + K1 * (1 - B + B * words.total() / average))
                scores[row] = scores.get(row, 0.0) + part
    return scores


@pytest.mark.parametrize("query", ["red", "red fox", "fox fox dog", "保护", "专利 fox"])
def test_scores_are_the_formula(query: str) -> None:
    keys, scores = build(TEXTS).search([query], len(TEXTS))
    expected = by_formula(query, TEXTS)
    found = {(int(key) - 3) // 7: float(score) for key, score in zip(keys[0], scores[0], strict=True) if key >= 0}
    assert found == pytest.approx(expected, rel=1e-5)
    assert list(scores[0]) == sorted(scores[0], reverse=True)


def test_ties_break_by_key_whatever_the_order_of_building() -> None:
    keys = np.array([9, 2, 5, 7], dtype=np.int64)
    index = BM25Index.build(keys, ["red fox", "red fox", "red fox", "dog"], WORDS)
    assert index.search(["fox"], 2)[0].tolist() == [[2, 5]]
    assert index.search(["fox"], 5)[0].tolist() == [[2, 5, 9, -1, -1]]


def test_nothing_is_padded_with_passages_that_share_no_word() -> None:
    keys, scores = build(TEXTS).search(["dog", "unheard of", ""], 4)
    assert keys.tolist() == [[10, -1, -1, -1], [-1] * 4, [-1] * 4]
    assert (scores[keys < 0] == 0).all() and scores[0, 0] > 0


@pytest.mark.parametrize("texts", [[], [""], ["", "the", "。"], ["fox"]])
def test_few_or_no_words(texts: list[str]) -> None:
    index = build(texts)
    again = BM25Index.load(index.save(), WORDS)
    keys, scores = again.search(["fox", ""], 3)
    assert keys.shape == scores.shape == (2, 3)
    assert len(again) == len(texts)
    assert (keys[0, 0] == 3) == (texts == ["fox"])


def test_search_of_no_queries_and_of_no_places() -> None:
    assert build(TEXTS).search([], 3)[0].shape == (0, 3)
    assert build(TEXTS).search(["fox"], 0)[0].shape == (1, 0)


def test_what_was_saved_is_what_is_loaded_and_is_not_copied() -> None:
    index = build(TEXTS)
    files = {name: memoryview(content) for name, content in index.save().items()}
    again = BM25Index.load(files, WORDS)
    (keys, scores), (keys_again, scores_again) = index.search(["red fox", "保护"], 5), again.search(["red fox", "保护"], 5)
    assert np.array_equal(keys, keys_again) and np.array_equal(scores, scores_again)
    assert again.save() == index.save() == build(TEXTS).save()
    held = np.frombuffer(files["bm25.data.npy"], dtype=np.uint8)
    assert np.shares_memory(again._arrays["data"], held)


@pytest.mark.parametrize("name", ["bm25.json", "bm25.keys.npy", "bm25.data.npy", "bm25.indptr.npy"])
def test_missing_or_cut_files_are_refused(name: str) -> None:
    files = build(TEXTS).save()
    with pytest.raises(Damaged):
        BM25Index.load({other: content for other, content in files.items() if other != name}, WORDS)
    with pytest.raises(Damaged):
        BM25Index.load(files | {name: files[name][:-5]}, WORDS)
    with pytest.raises(Damaged):
        BM25Index.load(files | {name: b""}, WORDS)


def test_an_array_of_objects_is_never_unpickled() -> None:
    files = build(TEXTS).save()
    files["bm25.data.npy"] = files["bm25.data.npy"].replace(b"'<f4'", b"'|O' ")
    with pytest.raises(Damaged):
        BM25Index.load(files, WORDS)


def test_an_index_cut_by_another_analyser_is_refused() -> None:
    class Later(Words):
        version = Words.version + 1

    with pytest.raises(InputError, match="build it again"):
        BM25Index.load(build(TEXTS).save(), Later())


@pytest.mark.parametrize(("keys", "texts"), [([1, 1], ["a b", "c"]), ([-1], ["fox"]), ([1, 2], ["fox"])])
def test_keys_that_cannot_be_are_refused(keys: list[int], texts: list[str]) -> None:
    tail = Tail(WORDS)
    with pytest.raises(InputError):
        BM25Index.build(np.array(keys, dtype=np.int64), texts, WORDS)
    with pytest.raises(InputError):
        tail.add(np.array(keys, dtype=np.int64), texts)
    assert len(tail) == 0


@given(some_texts, st.lists(st.sampled_from(["red fox", "dog 法律", "保护 dog dog", "", "none"]), min_size=1), st.integers(1, 10))
def test_a_tail_alone_scores_as_an_index_built_from_it(texts: list[str], queries: list[str], k: int) -> None:
    tail = Tail(WORDS)
    for key, text in zip(keys_of(texts), texts, strict=True):
        tail.add(np.array([key]), [text])
    keys, scores = tail.search(queries, k)
    expected_keys, expected_scores = build(texts).search(queries, k)
    np.testing.assert_allclose(scores, expected_scores, rtol=1e-5, atol=1e-5)
    assert np.array_equal(keys >= 0, expected_keys >= 0)
    for found, wanted in zip(keys, expected_keys, strict=True):  # sums in another order may differ in the last bit: sets where k cuts none
        assert k < len(texts) or set(found) == set(wanted)


def test_a_copy_in_the_tail_scores_as_its_original_in_the_index() -> None:
    index, tail = build(TEXTS), Tail(WORDS)
    tail.add(np.arange(100, 100 + len(TEXTS)), TEXTS)
    for query in ["red fox", "保护", "dog"]:
        indexed = index.search([query], 10)[1]
        np.testing.assert_allclose(tail.search([query], 10, index)[1], indexed, rtol=1e-5)


def test_a_word_that_only_the_tail_knows_is_the_rarest() -> None:
    index, tail = build(TEXTS), Tail(WORDS)
    tail.add(np.array([100, 101]), ["zebra dog", "zebra fox"])
    keys, scores = tail.search(["zebra fox"], 3, index)
    assert keys.tolist() == [[101, 100, -1]]
    average = index.average_length
    idf = math.log(1 + (len(TEXTS) + 0.5) / 0.5)
    assert scores[0, 1] == pytest.approx(idf / (1 + K1 * (1 - B + B * 2 / average)), rel=1e-5)


def test_a_tail_beside_an_index_without_words_uses_its_own_statistics() -> None:
    tail = Tail(WORDS)
    tail.add(np.array([5, 4]), ["red fox", "red fox"])
    with_empty, alone = tail.search(["fox"], 2, build(["", ""])), tail.search(["fox"], 2)
    assert with_empty[0].tolist() == alone[0].tolist() == [[4, 5]]
    assert np.array_equal(with_empty[1], alone[1])
