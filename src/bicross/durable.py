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
import stat
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from weakref import finalize

from bicross.errors import Damaged, InputError, Locked, StoreError

MANIFEST = "MANIFEST.json"
LOOK = 5.0  # seconds that a writer lets others look whether its lock is held, at most; each look lasts an instant
Content = bytes | memoryview


class InParts(mmap.mmap):
    """A mapped file of which parts can be read, too, so that they take no more of the process's memory than they are long: a system may
    map megabytes around each place of a map that is touched."""

    def __init__(self, handle: int, *_: object, **__: object) -> None:
        self.handle = os.dup(handle)
        if hasattr(os, "posix_fadvise"):  # so that the disk is not asked for what stands around a part
            os.posix_fadvise(self.handle, 0, 0, os.POSIX_FADV_RANDOM)
        finalize(self, os.close, self.handle)

    def read_parts(self, room: memoryview, offsets: Sequence[int], size: int) -> int | None:
        """Fill `room` with the `size` bytes from each offset on; the first offset where there are not enough, or None."""
        read, handle = os.preadv, self.handle  # a search reads a thousand parts: the loop costs as much as the reading
        for start, offset in zip(range(0, len(room), size), offsets, strict=True):
            if read(handle, [room[start : start + size]], offset) != size:
                return offset
        return None


def write_file(path: Path, content: Content, mode: int | None = None) -> None:
    """Put `content` at `path`, whole or not at all. `mode` is who may read it, such as 0o600; None for what the system gives new files.

    Raises:
        StoreError: the disk is full or refuses the write; what stood at `path` stands there still.
    """
    fresh = path.with_name(path.name + ".new")
    with _explained(path):
        _write_synced(fresh, content, mode)
        os.replace(fresh, path)
        _sync_folder(path.parent)


def writable_target(path: Path, what: str) -> Path:
    """The file that `path` stands for, links followed: a rename would put the file in the link's place. To be asked before the work that
    makes the file; `what` is what messages call it, such as "A run".

    Raises:
        InputError: its folder does not exist or cannot be written to, or what stands there is no regular file.
    """
    target, advice = Path(os.path.realpath(path)), "Name a file in a folder that exists and can be written to."
    try:
        mode = target.stat().st_mode
    except FileNotFoundError:
        mode = stat.S_IFREG
    except OSError as error:
        raise InputError(f"{what} cannot be written to {path}: {error.strerror}. {advice}") from error
    why = ""
    if stat.S_ISDIR(mode):
        why = "it is a folder"
    elif not stat.S_ISREG(mode):  # a device, such as /dev/null, would be replaced by a file
        why = "it is no regular file"
    elif not target.parent.is_dir():
        why = f"the folder {target.parent} does not exist"
    elif not os.access(target.parent, os.W_OK | os.X_OK):
        why = f"the folder {target.parent} cannot be written to"
    if why:
        raise InputError(f"{what} cannot be written to {path}: {why}. {advice}")
    return target


def append_file(path: Path, content: Content) -> None:
    """Put `content` behind what stands at `path`, which is made if it is not there; it is on the disk when this returns.

    A kill or a full disk may leave a part of it: who reads must be able to tell a torn end.

    Raises:
        StoreError: the disk is full or refuses the write.
    """
    with _explained(path):
        fresh = not path.exists()
        with path.open("ab") as handle:
            handle.write(content)
            handle.flush()
            os.fsync(handle.fileno())
        if fresh:
            _sync_folder(path.parent)


def write_folder(path: Path, files: Mapping[str, Content], facts: Mapping[str, Any]) -> None:
    """Put a folder of `files` at `path`, whole or not at all, with a manifest of `facts`, sizes and sha256.

    An empty folder that is there already is filled in place, its manifest last: it may be a mount point or the working
    folder, which no rename can replace.

    Raises:
        StoreError: the disk is full or refuses the write, or `path` holds something; nothing half-written stays.
    """
    path = Path(os.path.realpath(path))  # `.` has no name, and a symlink cannot be replaced by a folder
    with _explained(path):
        if path.is_dir():
            _check_empty(path)
            try:
                _fill(path, files, facts)
            except BaseException:
                _empty(path)
                raise
            return
        fresh, missing = path.with_name(path.name + ".new"), [parent for parent in path.parents if not parent.exists()]
        shutil.rmtree(fresh, ignore_errors=True)
        try:
            fresh.mkdir(parents=True)
            _fill(fresh, files, facts)
            os.rename(fresh, path)
            for changed in (path.parent, *(made.parent for made in missing)):
                _sync_folder(changed)
        except BaseException:
            shutil.rmtree(fresh, ignore_errors=True)
            raise


def make_folder(path: Path) -> None:
    """Make an empty folder at `path`, unless there is one. Raises StoreError: the disk refuses, or the folder above is not there."""
    with _explained(path):
        if not path.is_dir():
            path.mkdir(exist_ok=True)
            _sync_folder(path.parent)


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


def read_folder(folder: Path, tested_later: Collection[str] = ()) -> tuple[dict[str, Any], dict[str, memoryview]]:
    """Manifest and files of a folder that `write_folder` made, mapped read-only, every hash checked first.

    Files in `tested_later` are not read: who reads them in small parts tests these parts (`indexes.rows`).

    Raises:
        Damaged: a file is missing, cut short or changed; the message names it.
    """
    manifest = read_manifest(folder)
    files = {}
    for name, entry in manifest["files"].items():
        content = _map(folder / name, in_parts=name in tested_later)
        changed = name not in tested_later and hashlib.sha256(content).hexdigest() != entry["sha256"]
        if changed or len(content) != entry["size"]:
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
        asked = time.monotonic()
        while not _try_lock(handle, fcntl.LOCK_EX):
            # Whoever may share it has met no writer, but somebody who looks (`is_locked`), which lasts an instant.
            looked_at = _try_lock(handle, fcntl.LOCK_SH)
            if looked_at:
                fcntl.flock(handle, fcntl.LOCK_UN)
            if time.monotonic() - asked >= (max(wait, LOOK) if looked_at else wait):
                owner = os.pread(handle, 32, 0).decode(errors="replace").strip() or "unknown"
                raise Locked(f"{path.parent} is being written by process {owner}; wait for it to end and run again.")
            time.sleep(0.005 if looked_at else 0.05)
        with _explained(path):
            os.ftruncate(handle, 0)
            os.pwrite(handle, str(os.getpid()).encode(), 0)
        yield
    finally:
        _release(handle)


def is_locked(path: Path) -> bool:
    """Whether a process holds the lock of this file; found out by sharing it for an instant, which writes nothing."""
    try:
        handle = os.open(path, os.O_RDONLY)
    except OSError:
        return False  # nobody has ever held it, or nobody lets us look
    try:
        return not _try_lock(handle, fcntl.LOCK_SH)
    finally:
        _release(handle)


def _try_lock(handle: int, kind: int) -> bool:
    try:
        fcntl.flock(handle, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _release(handle: int) -> None:
    fcntl.flock(handle, fcntl.LOCK_UN)  # closing leaves it held while a program that another thread starts has a copy of the handle
    os.close(handle)


def _check_empty(folder: Path) -> None:
    """What an interrupted `_fill` of a folder without files left does not count."""
    if found := sorted({entry.name for entry in folder.iterdir()} - {MANIFEST + ".new"}):
        raise StoreError(f"{folder} is not empty, it holds {found[0]!r}; name a new or an empty folder.")


def _empty(folder: Path) -> None:
    for entry in folder.iterdir():
        if entry.is_dir():
            shutil.rmtree(entry, ignore_errors=True)
        else:
            entry.unlink(missing_ok=True)


def _fill(folder: Path, files: Mapping[str, Content], facts: Mapping[str, Any]) -> None:
    """Write the files, and when they are on the disk the manifest."""
    entries = {}
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        _write_synced(folder / name, content)
        entries[name] = {"sha256": hashlib.sha256(content).hexdigest(), "size": len(memoryview(content).cast("B"))}
    for inner in {(folder / name).parent for name in files}:
        _sync_folder(inner)
    body = json.dumps({**facts, "files": entries}, ensure_ascii=False, indent=1, sort_keys=True).encode()
    seal = hashlib.sha256(body).hexdigest().encode()
    write_file(folder / MANIFEST, seal + b"\n" + body)


def _write_synced(path: Path, content: Content, mode: int | None = None) -> None:
    with path.open("wb") as handle:
        if mode is not None:
            os.fchmod(handle.fileno(), mode)  # before the content is in it
        handle.write(content)
        handle.flush()
        os.fsync(handle.fileno())


def _sync_folder(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _map(path: Path, in_parts: bool) -> memoryview:
    try:
        with path.open("rb") as handle:
            if os.fstat(handle.fileno()).st_size == 0:
                return memoryview(b"")
            return memoryview((InParts if in_parts else mmap.mmap)(handle.fileno(), 0, prot=mmap.PROT_READ))
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
