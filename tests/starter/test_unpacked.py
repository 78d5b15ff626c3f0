"""The starter pair in the cache: unpacked once, made again where it is not whole, by one process at a time."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from bicross import durable, starter
from bicross.errors import StoreError
from bicross.settings import STARTER_ENCODER, STARTER_RERANKER


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("BICROSS_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def stamps(folder: Path) -> dict[str, tuple[int, int]]:
    return {str(path): (path.stat().st_mtime_ns, path.stat().st_ino) for path in sorted(folder.rglob("*")) if path.is_file()}


def test_unpacked_once_and_whole(cache: Path) -> None:
    folder = starter.unpacked(STARTER_ENCODER)
    assert folder.parent == cache
    durable.read_folder(folder)  # every hash
    made = stamps(folder)
    assert {"model.safetensors", "tokenizer.json", "config.json", "modules.json", "1_Pooling/config.json"} <= {
        Path(path).relative_to(folder).as_posix() for path in made
    }
    assert starter.unpacked(STARTER_ENCODER) == folder
    assert stamps(folder) == made


def test_made_again_where_a_file_is_cut_short_or_lacks(cache: Path) -> None:
    folder = starter.unpacked(STARTER_ENCODER)
    whole = durable.read_manifest(folder)
    weights = folder / "model.safetensors"
    for damage in (
        lambda: weights.write_bytes(weights.read_bytes()[:1000]),
        (folder / "tokenizer.json").unlink,
        (folder / durable.MANIFEST).unlink,
        lambda: (folder / durable.MANIFEST).write_text("{}"),
    ):
        damage()
        assert starter.unpacked(STARTER_ENCODER) == folder
        manifest, _ = durable.read_folder(folder)
        assert manifest == whole


@pytest.mark.parametrize("file", ["model.safetensors", "tokenizer.json", "config.json"])
def test_made_again_where_a_bit_has_flipped(cache: Path, file: str) -> None:
    spoiled = starter.unpacked(STARTER_RERANKER) / file
    whole = spoiled.read_bytes()
    changed = bytearray(whole)
    changed[len(changed) // 2] ^= 1
    spoiled.write_bytes(changed)
    assert (starter.unpacked(STARTER_RERANKER) / file).read_bytes() == whole


def test_what_an_interrupted_process_left_is_no_obstacle(cache: Path) -> None:
    target = starter.unpacked(STARTER_ENCODER)
    (target.parent / (target.name + ".new")).mkdir()
    (target / durable.MANIFEST).unlink()
    durable.read_folder(starter.unpacked(STARTER_ENCODER))


def test_two_processes_at_once(cache: Path) -> None:
    script = f"from bicross import starter; print(starter.unpacked({STARTER_RERANKER!r}))"
    env = {**os.environ, "BICROSS_CACHE": str(cache)}
    both = [subprocess.Popen([sys.executable, "-c", script], env=env, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    said = [process.communicate(timeout=120)[0].strip() for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert said[0] == said[1]
    durable.read_folder(Path(said[0]))
    assert sorted(path.name for path in cache.iterdir()) == sorted([Path(said[0]).name, "reranker.lock"])


def test_a_cache_that_cannot_be_made_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("BICROSS_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(StoreError, match=r"file/cache.*BICROSS_CACHE"):
        starter.unpacked(STARTER_ENCODER)


def test_the_cache_is_the_users(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BICROSS_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert starter.cache() == Path("/somewhere/bicross")
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", "/home/someone")
    assert starter.cache() == Path("/home/someone/.cache/bicross")
