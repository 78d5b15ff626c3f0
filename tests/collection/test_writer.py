"""Upserts, deletes, spaces, jobs; what is refused; and a disk that is full."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from bicross.collection.rows import reading_hash
from bicross.collection.store import Collection, Facts
from bicross.errors import InputError, SpaceMismatch, StoreError
from bicross.records import Document, Passage, Space
from tests.collection.world import FACTS, OTHER, ROOT, SPACE, cut, document, exact, found, index, made, some, stored, truth, vector


def test_unchanged_documents_are_known_and_changed_ones_replaced(tmp_path: Path) -> None:
    collection = made(tmp_path / "c", some(4))
    with Collection.write(tmp_path / "c") as writer:
        changed = document("d2", "another text entirely")
        assert writer.unchanged([*some(2), changed, document("new", "x")]) == {"d0", "d1"}
        assert index(writer, [*some(2), changed]) == 1
        assert index(writer, [*some(2), changed]) == 0
    everything = [*some(2), changed, some(4)[3]]
    assert [score for _, score in found(collection, ["q"], 99)[0]] == pytest.approx(exact(everything, "q", 99), abs=1e-6)
    assert not {"beta2", "alpha2"} & {text for text, _ in found(collection, ["q"], 99)[0]}


def test_a_change_of_title_or_meta_alone_is_a_change(tmp_path: Path) -> None:
    made(tmp_path / "c", [document("a", "text", "title")])
    with Collection.write(tmp_path / "c") as writer:
        assert writer.unchanged([Document("a", "text", "title", {"from": "a"})]) == {"a"}
        assert writer.unchanged([Document("a", "text", "Title", {"from": "a"})]) == set()
        assert writer.unchanged([Document("a", "text", "title", {"from": "b"})]) == set()
        writer.set_facts(Facts("first/encoder", "first/reranker", 128))
        assert writer.unchanged([Document("a", "text", "title", {"from": "a"})]) == set()
    assert Collection.open(tmp_path / "c").view().facts.passage_tokens == 128


def test_equal_texts_are_embedded_once(tmp_path: Path) -> None:
    Collection.create(tmp_path / "c", FACTS)
    with Collection.write(tmp_path / "c") as writer:
        assert index(writer, [document("a", "same\nsame\nother"), document("b", "same")]) == 2
        assert index(writer, [document("c", "other\nsame")]) == 0
        assert writer.delete(["a", "b"]) == 2
        assert index(writer, [document("d", "same")]) == 0
        assert writer.delete(["c", "d"]) == 2
    assert truth(tmp_path / "c").execute("SELECT count(*) FROM vectors").fetchone() == (0,)


def test_deleted_text_and_vectors_leave_every_file(tmp_path: Path) -> None:
    made(tmp_path / "c", [*some(3), document("secret", "xylophone quartz")])
    with Collection.write(tmp_path / "c") as writer:
        assert writer.delete(["secret", "secret", "nobody"]) == 1
        writer.fold(keep=1)
    assert not holding_the_secret(tmp_path / "c")


def holding_the_secret(path: Path) -> list[Path]:
    hidden = [b"xylophone", b"quartz", vector("xylophone quartz").tobytes()]
    files = [file for file in path.rglob("*") if file.is_file()]
    return [file for file in files if any(secret in file.read_bytes() for secret in hidden)]


def test_what_was_deleted_leaves_with_the_next_fold_though_the_process_died_between(tmp_path: Path) -> None:
    collection = made(tmp_path / "c", [*some(3), document("secret", "xylophone quartz")])
    with Collection.write(tmp_path / "c") as writer:
        index(writer, some(4))
        writer.fold()
        writer.delete(["secret"])
    assert {file.parent.name for file in holding_the_secret(tmp_path / "c")} == {"gen-000001", "gen-000002"}
    with Collection.write(tmp_path / "c") as writer:
        writer.delete(["nobody"])
        assert writer.fold() == "gen-000003"
    assert collection.status().generations == ("gen-000003",)
    assert not holding_the_secret(tmp_path / "c")
    with Collection.write(tmp_path / "c") as writer:
        index(writer, some(5))
        writer.fold()
    assert collection.status().generations == ("gen-000004", "gen-000003")


def test_generations_of_what_was_deleted_stay_marked_until_they_are_gone(tmp_path: Path) -> None:
    made(tmp_path / "c", [*some(3), document("secret", "xylophone quartz")])
    with Collection.write(tmp_path / "c") as writer:
        writer.delete(["secret"])
        (tmp_path / "c" / "gen-000001.new" / "in the way").mkdir(parents=True)
        with pytest.raises(StoreError, match="Cannot remove"):
            writer.fold(keep=1)
    assert holding_the_secret(tmp_path / "c")
    with Collection.write(tmp_path / "c") as writer:
        assert writer.fold() == "gen-000002"
    assert not holding_the_secret(tmp_path / "c")


def test_what_does_not_fit_is_refused_and_nothing_is_changed(tmp_path: Path) -> None:
    made(tmp_path / "c", some(2))
    good = document("a", "one")
    passages, vectors = {"a": cut(good)}, {reading_hash("one"): vector("one")}
    with Collection.write(tmp_path / "c") as writer:
        refused = [
            ("stands twice", [good, good], passages, vectors),
            ("not in the batch", [], passages, vectors),
            ("without a vector", [good], passages, {}),
            ("is not the text", [good], {"a": [Passage("a#0", "a", 0, 2, "one")]}, vectors),
            ("is not the text", [good], {"a": [Passage("a#0", "b", 0, 3, "one")]}, vectors),
            ("is taken", [good], {"a": [Passage("d0#0", "a", 0, 3, "one")]}, vectors),
            ("lone surrogate", [document("a", "\ud800")], {}, {}),
            ("lone surrogate", [Document("a", "t", "", {"x": "\udfff"})], {}, {}),
            ("meta that is JSON", [Document("a", "t", "", {"x": {1, 2}})], {}, {}),
            ("meta that is JSON", [Document("a", "t", "", {"x": float("nan")})], {}, {}),
            ("'a'; it must be finite", [good], passages, {reading_hash("one"): np.full(8, np.nan, dtype=np.float32)}),
            ("'a'; it must be finite", [good], passages, {reading_hash("one"): np.zeros(8, dtype=np.float32)}),
        ]
        for words, documents, given, embedded in refused:
            with pytest.raises(InputError, match=words):
                writer.commit(documents, given, SPACE, embedded)
        with pytest.raises(SpaceMismatch):
            writer.commit([good], passages, SPACE, {reading_hash("one"): np.ones(9, dtype=np.float32)})
    status = Collection.open(tmp_path / "c").status()
    assert (status.documents, status.seq) == (2, 2)


def test_strange_but_true_text_is_kept_as_it_is(tmp_path: Path) -> None:
    strange = [document("a/b#0", "x\0y\u202e\U0001f600 e\u0301 \u00e9"), document("空", "汉字"), document("empty", "")]
    collection = made(tmp_path / "c", strange)
    with collection.view() as view:
        assert list(stored(view, ["a/b#0", "空", "empty"]).values()) == strange


def test_another_space_is_refused_with_the_command_that_mends_it(tmp_path: Path) -> None:
    made(tmp_path / "c", some(2))
    with Collection.write(tmp_path / "c") as writer:
        writer.require(SPACE)
        for work in (lambda: writer.require(OTHER), lambda: writer.missing(OTHER, []), lambda: writer.commit([], {}, OTHER, {})):
            with pytest.raises(SpaceMismatch, match=r"bicross reembed .*/c --encoder NAME"):
                work()
        with pytest.raises(SpaceMismatch, match="8 and similarity cosine"):
            writer.register_space(Space(SPACE.fingerprint, 9), "x")


def reembed(path: Path, stop_after: int | None = None) -> int:
    """Fill OTHER beside SPACE, three texts a time, and swap; returns the number of texts embedded."""
    done = 0
    with Collection.write(path) as writer:
        writer.register_space(OTHER, "second/encoder")
        keys = writer.pending(OTHER)
        for start in range(0, len(keys), 3):
            texts = writer.readings(keys[start : start + 3]).values()
            writer.embed(OTHER, {reading_hash(text): vector(text, OTHER) for text in texts})
            done += len(texts)
            if stop_after is not None and done >= stop_after:
                return done
        writer.activate(OTHER)
        writer.fold()
    return done


def test_a_new_space_is_filled_beside_the_old_one_then_swapped_and_back(tmp_path: Path) -> None:
    collection = made(tmp_path / "c", some(9))
    before = found(collection, ["q"])
    first = reembed(tmp_path / "c", stop_after=6)
    assert found(collection, ["q"]) == before
    view = collection.view()
    with Collection.write(tmp_path / "c") as writer, pytest.raises(InputError, match="16 texts have no vector"):
        writer.activate(OTHER)
    assert first + reembed(tmp_path / "c") == collection.status().passages  # resumed, nothing embedded twice
    status = collection.status()
    assert (status.space, status.encoder, status.tail, status.refused) == (OTHER, "second/encoder", 0, ())
    assert [score for _, score in found(collection, ["q"], space=OTHER)[0]] == pytest.approx(exact(some(9), "q", space=OTHER), abs=1e-6)
    with pytest.raises(SpaceMismatch, match="open it again"):
        view.nearest(vector("q")[None], 3)
    with Collection.write(tmp_path / "c") as writer:
        assert writer.prune() == 0
        writer.activate(SPACE)
    assert found(collection, ["q"]) == before
    assert collection.status().generations == ("gen-000002", "gen-000001")
    assert collection.verify().problems == ()


def test_prune_forgets_spaces_that_were_left_behind(tmp_path: Path) -> None:
    collection = made(tmp_path / "c", some(2))
    with Collection.write(tmp_path / "c") as writer:
        writer.register_space(OTHER, "second/encoder")
        texts = writer.readings(writer.pending(OTHER)).values()
        writer.embed(OTHER, {reading_hash(text): vector(text, OTHER) for text in texts})
        writer.embed(OTHER, {reading_hash("nobody's"): vector("nobody's", OTHER)})
        assert writer.prune() == 5
        with pytest.raises(SpaceMismatch):
            writer.pending(OTHER)
    assert collection.verify().problems == ()


def test_jobs_tell_what_was_not_finished(tmp_path: Path) -> None:
    collection = made(tmp_path / "c", some(2))
    with Collection.write(tmp_path / "c") as writer:
        with contextlib.suppress(KeyboardInterrupt), writer.job("index", {"sources": ["a"]}):
            assert (job := collection.status().unfinished) and job.state == "running"
            raise KeyboardInterrupt
        assert (job := collection.status().unfinished) and (job.kind, job.state, job.detail) == ("index", "interrupted", {"sources": ["a"]})
        with writer.job("index", {}):
            pass
        assert collection.status().unfinished is None


def test_a_full_database_leaves_what_was_there(tmp_path: Path) -> None:
    collection = made(tmp_path / "c", some(5))
    before = found(collection, ["q"])
    with Collection.write(tmp_path / "c") as writer:
        pages = writer._db.execute("PRAGMA page_count").fetchone()[0]
        writer._db.execute(f"PRAGMA max_page_count = {pages + 2}")
        with pytest.raises(StoreError, match="disk is full"):
            index(writer, [document("big", "word " * 100_000)])
        writer._db.execute("PRAGMA max_page_count = 1000000")
        assert found(collection, ["q"]) == before
        assert index(writer, [document("small", "fits")]) == 1
    assert collection.verify().problems == ()


LIMITED = """
import resource, sys
from pathlib import Path
from tests.collection.world import index, some, document
from bicross.collection.store import Collection
from bicross.errors import StoreError
limit = lambda size: resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
with Collection.write(Path({path!r})) as writer:
    try:
        limit({commit})
        index(writer, [document("big", "word " * 100_000)])
        limit({fold})
        writer.fold()
    except StoreError as error:
        print("refused", error)
"""


@pytest.mark.parametrize(("commit", "fold"), [(1_000, 0), (100_000, 0), (700_000, 0), (700_000, 300), (700_000, 1_500)])
def test_a_disk_that_refuses_leaves_what_was_acknowledged(tmp_path: Path, commit: int, fold: int) -> None:
    collection = made(tmp_path / "c", some(5))
    before = found(collection, ["q"])
    code = LIMITED.format(path=str(tmp_path / "c"), commit=commit, fold=fold)
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stdout.startswith("refused"), done
    assert "unchanged" in done.stdout
    assert collection.verify().problems == ()
    assert collection.status().documents == (5 if commit < 700_000 else 6)
    assert collection.status().generation == "gen-000001"
    if commit < 700_000:
        assert found(collection, ["q"]) == before
    with Collection.write(tmp_path / "c") as writer:
        index(writer, [document("small", "fits")])
        writer.fold()
    assert collection.verify().problems == ()
    assert not list((tmp_path / "c").glob("*.new"))
