"""The only code that writes files that must last: write, fsync, rename, fsync the folder, and a manifest of sha256.

A reader sees the old state or the new one, after a kill or a power cut too, and never parses a byte whose hash
was not checked. (Method: Pillai et al., "All File Systems Are Not Created Equal", OSDI 2014.)
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import mmap
import os
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bicross.errors import Damaged, Locked, StoreError

MANIFEST = "MANIFEST.json"
Content = bytes | memoryview


def write_file(path: Path, content: Content) -> None:
    """Put `content` at `path`, whole or not at all.

    Raises:
        StoreError: the disk is full or refuses the write; what stood at `path` stands there still.
    """
    fresh = path.with_name(path.name + ".new")
    with _explained(path):
        _write_synced(fresh, content)
        os.replace(fresh, path)
        _sync_folder(path.parent)


def write_folder(path: Path, files: Mapping[str, Content], facts: Mapping[str, Any]) -> None:
    """Put a folder of `files` at `path`, whole or not at all, with a manifest of `facts`, sizes and sha256.

    Raises:
        StoreError: the disk is full or refuses the write, or `path` exists; nothing half-written stays.
    """
    fresh = path.with_name(path.name + ".new")
    with _explained(path):
        shutil.rmtree(fresh, ignore_errors=True)
        try:
            fresh.mkdir(parents=True)
            entries = {}
            for name, content in files.items():
                (fresh / name).parent.mkdir(parents=True, exist_ok=True)
                _write_synced(fresh / name, content)
                entries[name] = {"sha256": hashlib.sha256(content).hexdigest(), "size": len(memoryview(content).cast("B"))}
            body = json.dumps({**facts, "files": entries}, ensure_ascii=False, indent=1, sort_keys=True).encode()
            seal = hashlib.sha256(body).hexdigest().encode()
            _write_synced(fresh / MANIFEST, seal + b"\n" + body)
            for inner in {(fresh / name).parent for name in files} | {fresh}:
                _sync_folder(inner)
            os.rename(fresh, path)
            _sync_folder(path.parent)
        except BaseException:
            shutil.rmtree(fresh, ignore_errors=True)
            raise


def remove_folder(path: Path) -> None:
    """Remove a folder, and the half-written one beside it, if they are there."""
    with _explained(path):
        for folder in (path, path.with_name(path.name + ".new")):
            if folder.exists():
                shutil.rmtree(folder)


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of a folder that `write_folder` made, its own seal checked.

    Raises:
        Damaged: the manifest is missing, cut short or changed.
    """
    try:
        seal, _, body = (folder / MANIFEST).read_bytes().partition(b"\n")
    except OSError as error:
        raise Damaged(f"{folder} has no readable manifest ({error.strerror}).") from error
    if hashlib.sha256(body).hexdigest().encode() != seal:
        raise Damaged(f"{folder / MANIFEST} is not the file that was written.")
    manifest: dict[str, Any] = json.loads(body)
    return manifest


def read_folder(folder: Path) -> tuple[dict[str, Any], dict[str, memoryview]]:
    """Manifest and files of a folder that `write_folder` made, mapped read-only, every hash checked first.

    Raises:
        Damaged: a file is missing, cut short or changed; the message names it.
    """
    manifest = read_manifest(folder)
    files = {}
    for name, entry in manifest["files"].items():
        content = _map(folder / name)
        if len(content) != entry["size"] or hashlib.sha256(content).hexdigest() != entry["sha256"]:
            raise Damaged(f"{folder / name} is not the file that was written: sha256 or size differ from the manifest.")
        files[name] = content
    return manifest, files


@contextmanager
def lock(path: Path, wait: float = 0.0) -> Iterator[None]:
    """Hold the one writer's lock, waiting up to `wait` seconds; the system frees it when the process ends, however it ends.

    Raises:
        Locked: another process holds it; the message names its number.
    """
    with _explained(path):
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        deadline = time.monotonic() + wait
        while not _try_lock(handle):
            if time.monotonic() >= deadline:
                owner = os.pread(handle, 32, 0).decode(errors="replace").strip() or "unknown"
                raise Locked(f"{path.parent} is being written by process {owner}; wait for it to end and run again.")
            time.sleep(0.05)
        with _explained(path):
            os.ftruncate(handle, 0)
            os.pwrite(handle, str(os.getpid()).encode(), 0)
        yield
    finally:
        os.close(handle)


def _try_lock(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _write_synced(path: Path, content: Content) -> None:
    with path.open("wb") as handle:
        handle.write(content)
        handle.flush()
        os.fsync(handle.fileno())


def _sync_folder(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _map(path: Path) -> memoryview:
    try:
        with path.open("rb") as handle:
            if os.fstat(handle.fileno()).st_size == 0:
                return memoryview(b"")
            return memoryview(mmap.mmap(handle.fileno(), 0, prot=mmap.PROT_READ))
    except OSError as error:
        raise Damaged(f"{path} cannot be read ({error.strerror}), but the manifest names it.") from error


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Turn the system's error codes into what the user can do about them."""
    try:
        yield
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
        advice = "free some space" if full else "check the folder and its permissions"
        raise StoreError(f"Cannot write {path}: {error.strerror}. What was there before is unchanged; {advice} and run again.") from error
