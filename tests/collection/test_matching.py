"""A filter lets through what a plain reading of its words lets through, and search finds all of it."""

from __future__ import annotations

import json
import math
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bicross.collection.matching import REMEMBERED, Matching, TooLong, predicate
from bicross.collection.store import Collection
from bicross.errors import Damaged
from bicross.filters import read
from bicross.records import Document
from tests.collection.world import cut, exact, index, made, some, vector

KEYS = ["lang", "year", "tag", "标签", "a.b"]
SCALARS = st.one_of(
    st.sampled_from(["zh", "en", "", "2020", "true", "é", "z\u0301", "%", "' OR 1=1 --", '"', "手册", "𠮷"]),
    st.sampled_from([0, 1, -1, 2020, 2021, 2**53 + 1, 2**63 - 1, -(2**63) + 1]),
    st.sampled_from([0.0, 1.0, 0.5, -2020.25, 1e18, 2020.0]),
    st.booleans(),
)
VALUES = st.one_of(
    SCALARS, st.none(), st.lists(st.one_of(SCALARS, st.none()), max_size=3), st.just({"zh": "zh", "x": 1}), st.just([["zh"]])
)
METAS = st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=4)
BOUNDS = st.one_of(
    st.dictionaries(st.sampled_from(["gt", "gte", "lt", "lte"]), st.sampled_from([0, 1, 2020, 2020.5, -1]), min_size=1, max_size=3),
    st.dictionaries(st.sampled_from(["gt", "gte", "lt", "lte"]), st.sampled_from(["", "2020", "en", "手", "zz"]), min_size=1, max_size=3),
)
CONDITIONS = st.one_of(
    SCALARS,
    BOUNDS,
    st.lists(SCALARS, min_size=1, max_size=3).map(lambda values: {"in": values}),
    st.booleans().map(lambda wanted: {"exists": wanted}),
)
FILTERS = st.recursive(
    st.dictionaries(st.sampled_from(KEYS), CONDITIONS, min_size=1, max_size=2),
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=3).map(lambda parts: {"all": parts}),
        st.lists(inner, min_size=1, max_size=3).map(lambda parts: {"any": parts}),
        inner.map(lambda part: {"not": part}),
    ),
    max_leaves=5,
)


def lets_through(where: Mapping[str, Any], meta: Mapping[str, Any]) -> bool:
    """The words of the documentation, read in Python."""
    return all(_holds(key, value, meta) for key, value in where.items())


def _holds(key: str, value: Any, meta: Mapping[str, Any]) -> bool:
    if key == "all":
        return all(lets_through(part, meta) for part in value)
    if key == "any":
        return any(lets_through(part, meta) for part in value)
    if key == "not":
        return not lets_through(value, meta)
    found = meta.get(key)
    if isinstance(value, dict) and "exists" in value:
        return (found is not None) == value["exists"]
    elements = found if isinstance(found, list) else [found]
    if isinstance(value, dict) and "in" not in value:
        tests = {"gt": lambda a, b: a > b, "gte": lambda a, b: a >= b, "lt": lambda a, b: a < b, "lte": lambda a, b: a <= b}
        return any(all(_kind(one) == _kind(bound) and tests[word](one, bound) for word, bound in value.items()) for one in elements)
    wanted = value["in"] if isinstance(value, dict) else [value]
    return any(_kind(one) == _kind(other) and one == other for one in elements for other in wanted)


def _kind(value: Any) -> str:
    return "truth" if isinstance(value, bool) else "number" if isinstance(value, int | float) else type(value).__name__


@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow])
@given(where=FILTERS, metas=st.lists(METAS, min_size=1, max_size=5))
def test_the_test_of_a_filter_says_what_its_words_say(where: dict[str, Any], metas: list[dict[str, Any]]) -> None:
    fits = predicate(read(where))
    for meta in json.loads(json.dumps(metas * 2)):  # the second time from what is known
        assert fits(meta) == lets_through(where, meta), (where, meta)


def test_the_meta_of_a_document_is_read_once_whatever_is_asked_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded, plain = [], json.loads
    with made(tmp_path / "c", labelled(50)).view() as view:
        monkeypatch.setattr(json, "loads", lambda text: (loaded.append(text), plain(text))[1])
        where = {"any": [{"not": {"number": {"gte": number}, "lang": {"in": ["zh", "en"]}}} for number in range(32)]}
        Matching(view, read(where)).nearest(vector("q")[None], 3)
    assert sum("number" in text for text in loaded) == 50


def test_a_look_that_may_take_no_longer_is_given_up_and_may_be_taken_again(tmp_path: Path) -> None:
    with made(tmp_path / "c", labelled(5)).view() as view:
        corpus = Matching(view, read({"lang": "zh"}))
        view.matching.within = -1.0
        with pytest.raises(TooLong):
            corpus.nearest(vector("q")[None], 3)
        view.matching.within = math.inf
        assert (corpus.nearest(vector("q")[None], 3)[0] >= 0).sum() == 3


@pytest.mark.parametrize("meta", ["{", "[]", "7", '{"lang": '])
def test_a_meta_that_is_damaged_is_named(tmp_path: Path, meta: str) -> None:
    collection = made(tmp_path / "c", labelled(5))
    with closing(sqlite3.connect(tmp_path / "c" / "truth.sqlite")) as db:
        db.execute("UPDATE documents SET meta = ? WHERE id = 'd3'", (meta,))
        db.commit()
    with collection.view() as view, pytest.raises(Damaged, match="'d3'"):
        Matching(view, read({"lang": "zh"})).nearest(vector("q")[None], 3)


def labelled(count: int, start: int = 0) -> list[Document]:
    """Documents with meta: 37 is rare, even ones are zh."""
    return [
        Document(one.id, one.text, one.title, {"number": number, "lang": "zh" if number % 2 == 0 else "en", "rare": number == 37})
        for number, one in enumerate(some(count, start), start=start)
    ]


@pytest.mark.parametrize("folded", [0, 40, 100], ids=["tail", "both", "index"])
@pytest.mark.parametrize(
    "where",
    [{"lang": "zh"}, {"rare": True}, {"number": {"gte": 95}}, {"number": {"exists": True}}, {"lang": "de"}],
    ids=["half", "one", "few", "all", "none"],
)
def test_search_with_a_filter_is_the_exact_scan_of_what_it_lets_through(tmp_path: Path, folded: int, where: dict[str, Any]) -> None:
    documents = labelled(100)
    collection = made(tmp_path / "c", documents[:folded])
    with Collection.write(tmp_path / "c") as writer:
        index(writer, documents)
    wanted = [one for one in documents if lets_through(where, one.meta)]
    asked = [f"q{number}" for number in range(11)]  # more than are answered at once
    with collection.view() as view:
        corpus = Matching(view, read(where))
        for k in (1, 7, 400):
            keys, scores = corpus.nearest(np.stack([vector(text) for text in asked]), k)
            assert keys.shape[0] == len(asked)
            for text, found, values in zip(asked, keys, scores, strict=True):
                assert values[found >= 0] == pytest.approx(exact(wanted, text, k), abs=1e-6)
            words, _ = corpus.lexical(["common 搜索", "alpha37", "nowhere"], k)
            owners = corpus.owners(np.unique(words[words >= 0]).tolist())
            found_ids = [[owners[key] for key in row if key >= 0] for row in words.tolist()]
            assert len(found_ids[0]) == min(k, len(wanted))  # each has the word once
            assert set(found_ids[0]) <= {one.id for one in wanted}
            assert found_ids[1] == [one.id for one in wanted if one.id == "d37"]
            assert found_ids[2] == []


def test_what_is_written_changes_what_a_filter_finds(tmp_path: Path) -> None:
    collection = made(tmp_path / "c", labelled(10))
    with collection.view() as view:
        corpus = Matching(view, read({"lang": "zh"}))

        def ids() -> set[str]:
            with view.snapshot():
                keys = corpus.nearest(vector("q")[None], 99)[0][0]
                return {passage.doc_id for passage in corpus.passages(keys[keys >= 0].tolist()).values()}

        assert ids() == {"d0", "d2", "d4", "d6", "d8"}
        with Collection.write(tmp_path / "c") as writer:
            writer.delete(["d2"])
            index(writer, [Document("d0", *_text(some(1)[0]), {"lang": "en"}), Document("d1", *_text(some(2)[1]), {"lang": ["de", "zh"]})])
        assert ids() == {"d1", "d4", "d6", "d8"}


def _text(document: Document) -> tuple[str, str]:
    return document.text, document.title


def test_only_so_many_filters_are_remembered(tmp_path: Path) -> None:
    with made(tmp_path / "c", labelled(3)).view() as view:
        for number in range(3 * REMEMBERED):
            Matching(view, read({"number": number % (REMEMBERED + 1)})).nearest(vector("q")[None], 1)
        assert len(view.matching._keys) == REMEMBERED
        # True equals 1 in Python, and is another filter
        assert Matching(view, read({"number": 1})).nearest(vector("q")[None], 9)[0].max() > 0
        assert Matching(view, read({"number": True})).nearest(vector("q")[None], 9)[0].max() == -1


def test_a_filtered_corpus_is_otherwise_the_view(tmp_path: Path) -> None:
    documents = labelled(3)
    with made(tmp_path / "c", documents).view() as view:
        corpus = Matching(view, read({"lang": "zh"}))
        assert corpus.space == view.space
        assert corpus.titles(["d1"]) == view.titles(["d1"])
        assert corpus.of_documents(["d1"]) == {"d1": tuple(cut(documents[1]))}
        assert corpus.nearest(np.empty((0, 8), dtype=np.float32), 3)[0].shape == (0, 3)
