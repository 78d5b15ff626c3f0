"""Files and folders that must last: whole or not there, wherever they are put; a lock that names its owner."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from bicross import durable
from bicross.errors import Damaged, InputError, Locked, StoreError

FILES = {"a": b"one", "inner/b": b"", "c": memoryview(b"three")}


def written(path: Path) -> dict[str, bytes]:
    return {name: bytes(content) for name, content in durable.read_folder(path)[1].items()}


@pytest.mark.parametrize("shape", ["new", "below new folders", "empty", "symlink to an empty one", "symlink to nothing", "working folder"])
def test_a_folder_is_written_wherever_nothing_stands(tmp_path: Path, shape: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path, target = tmp_path / "folder", tmp_path / "target"
    if shape == "below new folders":
        path = path / "and" / "more"
    elif shape == "empty":
        path.mkdir()
    elif shape.startswith("symlink"):
        path.symlink_to(target)
        if shape == "symlink to an empty one":
            target.mkdir()
    elif shape == "working folder":
        monkeypatch.chdir(tmp_path)
        path = Path()
    durable.write_folder(path, FILES, {"kind": "test"})
    assert written(path) == {name: bytes(content) for name, content in FILES.items()}
    assert durable.read_manifest(path)["kind"] == "test"
    assert path.is_symlink() == shape.startswith("symlink")
    assert not list(tmp_path.rglob("*.new"))


def test_an_empty_folder_is_filled_and_not_replaced(tmp_path: Path) -> None:
    """A mount point can be filled only so."""
    before = tmp_path.stat().st_ino
    durable.write_folder(tmp_path, FILES, {})
    assert tmp_path.stat().st_ino == before


def test_what_an_interrupted_write_left_is_no_obstacle(tmp_path: Path) -> None:
    (tmp_path / "f.new").mkdir()
    (tmp_path / "f.new" / "half").touch()
    durable.write_folder(tmp_path / "f", FILES, {})
    assert set(written(tmp_path / "f")) == set(FILES)
    (tmp_path / "g").mkdir()
    (tmp_path / "g" / (durable.MANIFEST + ".new")).write_text("half")
    durable.write_folder(tmp_path / "g", {}, {})
    assert written(tmp_path / "g") == {}


@pytest.mark.parametrize("content", ["folder", "file"])
def test_what_is_there_stays(tmp_path: Path, content: str) -> None:
    path = tmp_path / "mine"
    if content == "folder":
        path.mkdir()
        (path / "notes").write_text("mine")
    else:
        path.write_text("mine")
    with pytest.raises(StoreError, match=str(path)):
        durable.write_folder(path, FILES, {})
    assert [entry.name for entry in tmp_path.iterdir()] == ["mine"]
    assert (path / "notes" if content == "folder" else path).read_text() == "mine"


LIMITED = """
import resource, sys
from pathlib import Path
from bicross import durable
from bicross.errors import StoreError
resource.setrlimit(resource.RLIMIT_FSIZE, (1_000, resource.RLIM_INFINITY))
for name in ("new", "empty"):
    try:
        durable.write_folder(Path(sys.argv[1]) / name, {"a": b"x", "in/b": bytes(2_000)}, {})
    except StoreError as error:
        print(error)
try:
    durable.write_file(Path(sys.argv[1]) / "file", bytes(2_000))
except StoreError as error:
    print(error)
"""


def test_a_disk_that_refuses_leaves_what_was_there(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("before")
    said = subprocess.run([sys.executable, "-c", LIMITED, tmp_path], capture_output=True, text=True, check=True).stdout.splitlines()
    assert len(said) == 3
    assert all("free some space" in line for line in said)
    assert not (tmp_path / "new").exists()
    assert list((tmp_path / "empty").iterdir()) == []
    assert (tmp_path / "file").read_text() == "before"


@pytest.mark.parametrize("name", [*FILES, durable.MANIFEST])
@pytest.mark.parametrize("damage", ["flipped", "longer", "lost"])
def test_no_file_that_was_changed_is_read(tmp_path: Path, name: str, damage: str) -> None:
    durable.write_folder(tmp_path / "f", FILES, {})
    file = tmp_path / "f" / name
    content = file.read_bytes()
    if damage == "lost" or (damage == "flipped" and not content):
        file.unlink()
    else:
        file.write_bytes(content + b"x" if damage == "longer" else content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(Damaged, match=f"{file.name}|has no readable manifest"):
        durable.read_folder(tmp_path / "f")


def test_a_lock_names_its_owner_and_ends_with_it(tmp_path: Path) -> None:
    with durable.lock(tmp_path / "lock"), pytest.raises(Locked, match=f"process {os.getpid()}"), durable.lock(tmp_path / "lock", wait=0.1):
        pass
    with durable.lock(tmp_path / "lock"):
        pass


def test_a_program_that_another_thread_starts_keeps_no_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept: list[int] = []
    with monkeypatch.context() as patch:
        patch.setattr(durable.os, "close", kept.append)  # between fork and exec, the program has what its parent has closed
        with durable.lock(tmp_path / "lock"):
            pass
    with durable.lock(tmp_path / "lock"):
        assert len(kept) == 1
    os.close(kept[0])


def test_who_looks_whether_a_lock_is_held_keeps_no_writer_out(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    with durable.lock(lock):
        assert durable.is_locked(lock)
    look = os.open(lock, os.O_RDONLY)
    fcntl.flock(look, fcntl.LOCK_SH)  # as `is_locked` does for an instant, here for longer than a writer takes to ask
    threading.Timer(0.2, os.close, (look,)).start()
    with durable.lock(lock):
        assert durable.is_locked(lock)


def test_a_file_that_cannot_be_written_is_refused_before_the_work(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "file").write_text("mine")
    (tmp_path / "null").symlink_to("/dev/null")
    for name, word in (
        ("", "it is a folder"),
        ("none/page", "the folder .* does not exist"),
        ("file/page", "Not a directory"),
        ("pipe", "no regular file"),
        ("null", "no regular file"),
        ("x" * 300, "too long"),
    ):
        with pytest.raises(InputError, match=f"The page cannot be written to .*{word}.*Name a file in a folder"):
            durable.writable_target(tmp_path / name, "The page")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "null", "pipe"] and (tmp_path / "file").read_text() == "mine"


def test_a_file_that_can_be_written_is_the_one_behind_the_links(tmp_path: Path) -> None:
    (tmp_path / "real").touch()
    (tmp_path / "link").symlink_to("real")
    (tmp_path / "dangling").symlink_to("new")
    targets = {name: durable.writable_target(tmp_path / name, "A run").name for name in ("real", "link", "dangling", "fresh")}
    assert targets == {"real": "real", "link": "real", "dangling": "new", "fresh": "fresh"} and not (tmp_path / "fresh").exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="the administrator may write everywhere")
def test_a_folder_that_is_closed_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(InputError, match="cannot be written to"):
        durable.writable_target(tmp_path / "run", "A run")
