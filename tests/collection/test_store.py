"""Making, opening and locking; and what is said where there is no whole collection."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from bicross.collection.store import Collection
from bicross.errors import Damaged, InputError, Locked, StoreError
from tests.collection.world import FACTS, SPACE, copied, document, index, made, some, stored, truth


def test_a_collection_is_there_again_when_opened(tmp_path: Path) -> None:
    made(tmp_path / "c", some(3))
    with Collection.open(tmp_path / "c").view() as view:
        assert view.space == SPACE
        assert view.facts == FACTS
        assert stored(view, ["d1", "nobody"]) == {"d1": some(3)[1]}


def test_what_is_not_a_collection_says_so_and_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "notes.txt").write_text("mine")
    (tmp_path / "file").write_text("mine")
    for name, words in {"nowhere": "does not exist", "empty": "it is empty", "other": "1 other file", "file": "is a file"}.items():
        with pytest.raises(InputError, match=words) as caught:
            Collection.open(tmp_path / name)
        assert "bicross index" in str(caught.value)
        with pytest.raises(InputError), Collection.write(tmp_path / name):
            pass
    with pytest.raises(InputError, match="not a collection"):
        Collection.create(tmp_path / "other", FACTS)
    assert [entry.name for entry in (tmp_path / "other").iterdir()] == ["notes.txt"]
    Collection.create(tmp_path / "empty", FACTS)
    with pytest.raises(InputError, match="already"):
        Collection.create(tmp_path / "empty", FACTS)


@pytest.mark.parametrize("shape", ["working folder", "symlink"])
def test_an_empty_folder_becomes_a_collection_where_it_is(tmp_path: Path, shape: str, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "empty").mkdir()
    path = tmp_path / "link"
    if shape == "symlink":
        path.symlink_to(tmp_path / "empty")
    else:
        monkeypatch.chdir(tmp_path / "empty")
        path = Path()
    collection = made(path, some(3))
    assert collection.verify().problems == ()
    assert Collection.open(tmp_path / "empty").status().documents == 3


def test_a_creation_interrupted_at_its_first_file_is_completed(tmp_path: Path) -> None:
    (tmp_path / "MANIFEST.json.new").write_text("half")
    assert not Collection.exists(tmp_path)
    assert Collection.create(tmp_path, FACTS).verify().problems == ()


LOOKING = """
import os, sys
from pathlib import Path
from bicross.collection.store import Collection, Facts
from bicross.errors import StoreError
if os.geteuid() == 0:
    os.setuid(65534)  # root is refused nothing
for look in (Collection.exists, Collection.open, lambda path: Collection.create(path, Facts("e", "r", 8))):
    try:
        look(Path(sys.argv[1]) / "c")
    except StoreError as error:
        print(error)
"""


def test_a_path_that_cannot_be_is_refused_in_one_line(tmp_path: Path) -> None:
    for look in (Collection.exists, Collection.open, lambda path: Collection.create(path, FACTS)):
        with pytest.raises(InputError, match=r"too long for a path \(\d+ characters\)"):
            look(tmp_path / ("n" * 256))


def test_a_folder_that_may_not_be_looked_into_is_named(tmp_path: Path) -> None:
    (tmp_path / "closed").mkdir(mode=0)
    command = [sys.executable, "-c", LOOKING, tmp_path / "closed"]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    assert len(said) == 3
    assert all("Permission denied" in line and "closed/c" in line for line in said)


def test_an_empty_collection_opens_and_says_that_it_is_empty(tmp_path: Path) -> None:
    collection = Collection.create(tmp_path / "c", FACTS)
    with pytest.raises(InputError, match="no documents yet"):
        collection.view()
    with Collection.write(tmp_path / "c") as writer:
        assert writer.fold() is None
    assert collection.status().documents == 0
    assert collection.verify().problems == ()


def test_a_half_deleted_collection_names_what_is_missing(tmp_path: Path) -> None:
    made(tmp_path / "c", some(3))
    (tmp_path / "c" / "truth.sqlite").unlink()
    with pytest.raises(Damaged, match=r"truth\.sqlite, which holds the documents, is missing; found CURRENT, gen-000001"):
        Collection.open(tmp_path / "c")
    with pytest.raises(Damaged, match="half-deleted"):
        Collection.create(tmp_path / "c", FACTS)


def test_an_interrupted_creation_is_told_and_completed(tmp_path: Path) -> None:
    made(tmp_path / "c", some(1), fold=False)
    (tmp_path / "c" / "truth.sqlite").rename(tmp_path / "c" / "truth.sqlite.new")
    with pytest.raises(StoreError, match="creation was interrupted"):
        Collection.open(tmp_path / "c")
    Collection.create(tmp_path / "c", FACTS)
    assert Collection.open(tmp_path / "c").status().documents == 0


@pytest.mark.parametrize("content", [b"", b"no database at all" * 300], ids=["empty", "garbage"])
def test_a_truth_that_is_none_is_damage(tmp_path: Path, content: bytes) -> None:
    made(tmp_path / "c", some(1))
    (tmp_path / "c" / "truth.sqlite").write_bytes(content)
    with pytest.raises(Damaged, match=r"truth\.sqlite"):
        Collection.open(tmp_path / "c")


def test_a_second_writer_is_told_at_once_who_writes(tmp_path: Path) -> None:
    made(tmp_path / "c", some(1))
    code = "import sys, pathlib, bicross.collection.store as store; store.Collection.write(pathlib.Path(sys.argv[1])).__enter__()"
    with Collection.write(tmp_path / "c"):
        begun = time.monotonic()
        with pytest.raises(Locked, match="process"), Collection.write(tmp_path / "c"):
            pass
        assert time.monotonic() - begun < 1
        second = subprocess.run([sys.executable, "-c", code, tmp_path / "c"], capture_output=True, text=True, check=False)
        assert "Locked" in second.stderr
    with Collection.write(tmp_path / "c"):
        pass


def test_a_writer_that_lost_its_lock_cannot_write(tmp_path: Path) -> None:
    made(tmp_path / "c", some(2))
    with Collection.write(tmp_path / "c") as first:
        (tmp_path / "c" / "lock").unlink()
        with Collection.write(tmp_path / "c") as second:
            index(second, [document("late", "by the second")])
        for work in (lambda: index(first, [document("x", "by the first")]), lambda: first.delete(["d0"]), first.fold, first.prune):
            with pytest.raises(Locked, match="taken over"):
                work()
    status = Collection.open(tmp_path / "c").status()
    assert (status.documents, status.generations) == (3, ("gen-000001",))
    assert Collection.open(tmp_path / "c").verify().problems == ()


def test_a_newer_format_is_refused(tmp_path: Path) -> None:
    made(tmp_path / "c", some(1))
    truth(tmp_path / "c").execute("PRAGMA user_version = 2")
    with pytest.raises(StoreError, match="newer Bicross"):
        Collection.open(tmp_path / "c")


def test_a_copy_of_the_folder_is_the_collection(tmp_path: Path) -> None:
    collection = made(tmp_path / "c", some(3))
    copy = Collection.open(copied(tmp_path / "c", tmp_path / "copy"))
    assert copy.status().passages == collection.status().passages
    assert copy.verify().problems == ()
