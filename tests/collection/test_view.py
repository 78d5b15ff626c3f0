"""What a reader finds: always the live truth, through an index, a tail, or both."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from bicross.collection.store import Collection
from bicross.errors import Damaged, InputError, SpaceMismatch
from bicross.records import Document, reading
from tests.collection.world import FACTS, SPACE, cut, document, exact, found, index, made, owners, readings, some, stored, truth, vector


def test_passages_are_the_documents_text_and_readings_begin_with_the_title(tmp_path: Path) -> None:
    documents = [document("a", "汉字 first\nsecond", "标题"), document("b", "标题 in the text", "标题")]
    collection = made(tmp_path / "c", documents)
    with collection.view() as view:
        assert list(view.passages([3, 1, 2, 99]).values()) == [*cut(documents[1]), *cut(documents[0])]
        assert readings(view, [1, 3]) == {1: "标题\n汉字 first", 3: "标题 in the text"}
        assert owners(view, [3, 1]) == view.owners([3, 99, 1]) == {3: "b", 1: "a"}


def test_a_documents_passages_come_in_its_order_and_only_of_documents_that_exist(tmp_path: Path) -> None:
    documents = some(600)  # more than one statement can ask for
    collection = made(tmp_path / "c", documents)
    with Collection.write(tmp_path / "c") as writer:
        writer.delete(["d2"])
        index(writer, [document("d1", "anew\nand longer\nthan before")])
    with collection.view() as view:
        found = view.of_documents(["d3", "d2", "nowhere", "d1", "d3"])
        assert list(found) == ["d3", "d1"]
        assert found["d3"] == tuple(cut(documents[3]))
        assert [passage.text for passage in found["d1"]] == ["anew", "and longer", "than before"]
        assert len(view.of_documents(one.id for one in documents)) == 599
        assert view.of_documents([]) == {}


@pytest.mark.parametrize("folded", [0, 7, 20], ids=["tail", "both", "index"])
def test_nearest_is_the_exact_scan_of_live_passages(tmp_path: Path, folded: int) -> None:
    documents = some(20)
    collection = made(tmp_path / "c", documents[:folded])
    with Collection.write(tmp_path / "c") as writer:
        index(writer, documents)
    assert collection.status().tail == sum(len(cut(one)) for one in documents[folded:])
    for k in (1, 10, 99):
        for text, hits in zip(["q", "r"], found(collection, ["q", "r"], k), strict=True):
            assert [score for _, score in hits] == pytest.approx(exact(documents, text, k), abs=1e-6)
    with collection.view() as view:
        keys, scores = view.nearest(np.stack([vector("q")]), 99)
        count = int((keys >= 0).sum())
        assert keys.shape == scores.shape == (1, 99)
        assert set(keys[0, count:].tolist()) == {-1}
        assert set(scores[0, count:].tolist()) == {-np.inf}
        assert view.nearest(np.stack([vector("q")]), 0)[0].shape == (1, 0)
        assert view.nearest(np.empty((0, 8), dtype=np.float32), 3)[0].shape == (0, 3)
        with pytest.raises(SpaceMismatch):
            view.nearest(np.ones((1, 9), dtype=np.float32), 3)


def test_words_are_found_in_index_and_tail_and_only_where_they_are(tmp_path: Path) -> None:
    collection = made(tmp_path / "c", some(5))
    with Collection.write(tmp_path / "c") as writer:
        index(writer, some(8))
    with collection.view() as view:
        keys, scores = view.lexical(["alpha2", "alpha7", "common 搜索", "nowhere"], 9)
        seen = [list(owners(view, row[row >= 0].tolist()).values()) for row in keys]
    assert seen == [["d2"], ["d7"], [f"d{i}" for i in range(8)], []]
    assert (np.diff(scores[2, :8]) <= 0).all()


def test_equal_scores_come_in_the_order_of_their_keys(tmp_path: Path) -> None:
    collection = made(tmp_path / "c", [document(f"d{i}", "same") for i in range(4)])
    with Collection.write(tmp_path / "c") as writer:
        index(writer, [document("e", "same"), Document("d1", "same")])  # other meta, so d1 gets a new key
    with collection.view() as view:
        assert view.nearest(vector("q")[None], 9)[0].tolist() == [[1, 3, 4, 5, 6, -1, -1, -1, -1]]


def test_deleted_and_changed_documents_never_come_back(tmp_path: Path) -> None:
    documents = some(40)
    collection = made(tmp_path / "c", documents)
    dead = {f"d{i}" for i in range(40) if i % 4}
    with Collection.write(tmp_path / "c") as writer:
        writer.delete(dead)
        index(writer, [document("d0", "alpha0 anew")])
    live = [document("d0", "alpha0 anew"), *(one for one in documents[1:] if one.id not in dead)]
    with collection.view() as view:
        keys, scores = view.nearest(vector("q")[None], 10)
        assert set(owners(view, keys[0].tolist()).values()).isdisjoint(dead)
        assert scores[0].tolist() == pytest.approx(exact(live, "q", 10), abs=1e-6)
        words = view.lexical(["common", "alpha0"], 10)[0]
        assert set(owners(view, words[0][words[0] >= 0].tolist()).values()) == {one.id for one in live[1:]}
        assert readings(view, words[1][words[1] >= 0].tolist()).popitem()[1] == "alpha0 anew"


def test_an_open_view_follows_commits_and_folds(tmp_path: Path) -> None:
    collection = made(tmp_path / "c", some(3))
    with collection.view() as view, Collection.write(tmp_path / "c") as writer:
        for count in range(4, 10):
            index(writer, some(1, start=count - 1))
            writer.delete([f"d{count - 4}"])
            if count % 2:
                writer.fold()
            keys, scores = view.nearest(vector("q")[None], 99)
            live = [one for one in some(count) if int(one.id[1:]) > count - 4]
            assert scores[0, : (keys >= 0).sum()].tolist() == pytest.approx(exact(live, "q", 99), abs=1e-6)
            assert set(owners(view, view.lexical(["common"], 99)[0][0].tolist()).values()) == {one.id for one in live}
        assert collection.status().generation == "gen-000004"


def test_a_snapshot_stands_still_while_the_writer_goes_on(tmp_path: Path) -> None:
    collection = made(tmp_path / "c", some(3))
    with collection.view() as view, Collection.write(tmp_path / "c") as writer:
        with view.snapshot():
            before = view.nearest(vector("q")[None], 9)[0].tolist()
            writer.delete(["d1"])
            index(writer, some(9))
            writer.fold(keep=1)
            assert view.nearest(vector("q")[None], 9)[0].tolist() == before
            assert list(stored(view, ["d1"])) == ["d1"]
        assert stored(view, ["d1", "d8"]) == {"d1": some(9)[1], "d8": some(9)[8]}
        assert view.nearest(vector("q")[None], 9)[0].tolist() != before


def test_threads_take_turns(tmp_path: Path) -> None:
    collection = made(tmp_path / "c", some(30))
    with collection.view() as view, ThreadPoolExecutor(4) as pool:
        asked = [f"q{i}" for i in range(40)]
        answers = pool.map(lambda text: view.nearest(vector(text)[None], 5)[1][0].tolist(), asked)
        for text, scores in zip(asked, answers, strict=True):
            assert scores == pytest.approx(exact(some(30), text, 5), abs=1e-6)


def flip(path: Path, table: str, column: str, where: str) -> None:
    """Change one byte of a value behind the collection's back."""
    db = truth(path)
    (value,) = db.execute(f"SELECT {column} FROM {table} WHERE {where}").fetchone()
    if isinstance(value, int):
        changed: object = value ^ 1
    else:
        content = bytearray(value if isinstance(value, bytes) else value.encode())
        content[len(content) // 2] ^= 1
        changed = bytes(content) if isinstance(value, bytes) else content.decode()
    db.execute("PRAGMA foreign_keys = OFF")
    db.execute(f"UPDATE {table} SET {column} = ? WHERE {where}", (changed,))


@pytest.mark.parametrize("column", ["title", "text", "meta", "sha256"])
def test_a_damaged_document_is_named_never_shown_and_mended_by_indexing(tmp_path: Path, column: str) -> None:
    collection = made(tmp_path / "c", some(3))
    flip(tmp_path / "c", "documents", column, "id = 'd1'")
    with collection.view() as view:
        keys = view.nearest(vector("q")[None], 99)[0][0]
        for read in (lambda: stored(view, ["d1"]), lambda: view.passages(keys.tolist()), lambda: readings(view, keys.tolist())):
            with pytest.raises(Damaged, match="'d1'"):
                read()
    with Collection.write(tmp_path / "c") as writer:
        assert writer.unchanged(some(3)) == {"d0", "d2"}
        index(writer, some(3))
    assert collection.verify().problems == ()


@pytest.mark.parametrize("column", ["id", "start", "end", "reading_sha256", "crc32"])
def test_a_damaged_passage_is_named(tmp_path: Path, column: str) -> None:
    collection = made(tmp_path / "c", some(3))
    flip(tmp_path / "c", "passages", column, "id = 'd1#0'")
    with collection.view() as view, pytest.raises(Damaged, match="'d1'"):
        view.passages(view.nearest(vector("q")[None], 99)[0][0].tolist())
    with collection.view() as view, pytest.raises(Damaged, match="'d1'"):
        view.owners(range(1, 99))
    with collection.view() as view, pytest.raises(Damaged, match="'d1'"):
        view.of_documents(["d0", "d1"])
    with Collection.write(tmp_path / "c") as writer:
        index(writer, some(3))
    with collection.view() as view:
        assert len(view.passages(range(1, 99))) == sum(len(cut(one)) for one in some(3))


def test_a_damaged_vector_is_named_where_it_is_read_and_mended_by_indexing(tmp_path: Path) -> None:
    documents = some(3)
    collection = made(tmp_path / "c", documents)
    before = found(collection, ["q"])
    spoiled = truth(tmp_path / "c").execute("SELECT min(rowid) FROM vectors").fetchone()[0]
    flip(tmp_path / "c", "vectors", "vector", f"rowid = {spoiled}")
    assert found(collection, ["q"]) == before  # the generation has its own, which is whole
    (tmp_path / "c" / "gen-000001" / "keys.i64").unlink()
    with pytest.raises(Damaged, match=r"'d0'.*Index it again"):
        found(collection, ["q"])
    with Collection.write(tmp_path / "c") as writer:
        with pytest.raises(Damaged, match="'d0'"):
            writer.fold()
        assert index(writer, documents) == 1
        writer.fold()
    assert [score for _, score in found(collection, ["q"])[0]] == pytest.approx(exact(documents, "q"), abs=1e-6)


@pytest.mark.parametrize("key", ["active", "weights", "last_key"])
def test_damaged_facts_are_not_believed(tmp_path: Path, key: str) -> None:
    collection = made(tmp_path / "c", some(2))
    flip(tmp_path / "c", "meta", "value", f"key = '{key}'")
    with pytest.raises(Damaged, match=key):
        collection.view()


def test_opening_reads_no_rows_and_imports_no_engine(tmp_path: Path) -> None:
    made(tmp_path / "c", some(2))
    code = """
import sys, pathlib
from bicross.collection.store import Collection
view = Collection.open(pathlib.Path(sys.argv[1])).view()
print([name for name in ("faiss", "bm25s", "scipy", "rjieba") if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code, tmp_path / "c"], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_what_models_read_is_what_was_embedded(tmp_path: Path) -> None:
    documents = some(5)
    collection = made(tmp_path / "c", documents)
    expected = [reading(one.title, passage.text) for one in documents for passage in cut(one)]
    with collection.view() as view:
        assert list(readings(view, range(1, 99)).values()) == expected
        assert view.space == SPACE


def test_a_view_that_is_lost_closes_its_connection(tmp_path: Path) -> None:
    made(tmp_path / "c", some(2))
    Collection.create(tmp_path / "empty", FACTS)

    def opened() -> list[Path]:
        files = [file.readlink() for file in Path("/proc/self/fd").iterdir() if file.is_symlink()]
        return [file for file in files if tmp_path in file.parents and file.name == "truth.sqlite"]

    view = Collection.open(tmp_path / "c").view()
    assert opened()
    view.close()
    assert not opened()
    view = Collection.open(tmp_path / "c").view()
    del view
    with pytest.raises(InputError):
        Collection.open(tmp_path / "empty").view()
    assert not opened()
