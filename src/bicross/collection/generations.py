"""Generations: immutable folders with the indexes of one state of the truth, and which of them a reader uses.

`gen-000001/` is written whole (`durable.write_folder`), then `CURRENT` is swapped to its name. A generation is used only
if it is of the space that is searched, not newer than the truth, and every byte has the sha256 of the manifest; else the
next newest, else none, and the truth is scanned. What the writer removes it first renames to `*.new`, which is always rubbish.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Collection as Items
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from bicross import durable
from bicross.errors import Damaged, StoreError
from bicross.indexes.recall import READ_LATER, TESTING
from bicross.records import Space
from bicross.vectors import Keys, Vectors

CURRENT = "CURRENT"
FORMAT = 1
QUESTIONS = "questions.f32"
BUILDERS = ("bicross", "numpy", "faiss-cpu", "bm25s", "PyStemmer", "rjieba")
Stamp = tuple[int, int] | None


@dataclass(frozen=True, slots=True)
class Generation:
    """A generation whose every hash was checked.

    `covers_key` is the highest passage key folded, `covers_seq` the truth's state.
    """

    path: Path
    space: Space
    covers_key: int
    covers_seq: int
    dense_kind: str
    files: Mapping[str, memoryview]
    recall: Mapping[str, Any] | None = None
    """Of the index of vectors against the exact scan, as it was measured when it was built (`indexes.recall.Recall`)."""

    @property
    def keys(self) -> Keys:
        """Keys of the passages folded, ascending, (n,)."""
        return np.frombuffer(self.files["keys.i64"], dtype="<i8")

    def part(self, name: str) -> dict[str, memoryview]:
        """The files of one index, `dense` or `lexical`, under the names that it gave them."""
        return {file.removeprefix(f"{name}-"): content for file, content in self.files.items() if file.startswith(f"{name}-")}


@dataclass(frozen=True, slots=True)
class Choice:
    """The generation to use, if any, and why each one tried before it was not used."""

    generation: Generation | None
    refused: tuple[str, ...]


def publish(path: Path, number: int, files: Mapping[str, durable.Content], facts: Mapping[str, Any]) -> str:
    """Write generation `number` of the collection at `path` and make it current. Returns its name.

    Raises:
        StoreError: the disk refuses; the generations that were there are untouched.
    """
    name = f"gen-{number:06d}"
    durable.write_folder(path / name, files, {**facts, "format": FORMAT, "builders": {builder: version(builder) for builder in BUILDERS}})
    point_to(path, name)
    return name


def point_to(path: Path, name: str) -> None:
    """Make a complete generation the current one."""
    if current(path) != name:
        durable.write_file(path / CURRENT, f"{name}\n".encode())


def current(path: Path) -> str | None:
    """The name in `CURRENT`; None where there is none that can be read."""
    try:
        return (path / CURRENT).read_text("ascii").strip()
    except (OSError, UnicodeDecodeError):
        return None


def names(path: Path) -> list[str]:
    """Generations on disk, newest first, damaged ones too. Raises StoreError where the system refuses to list the folder."""
    try:
        present = [entry.name for entry in path.iterdir() if re.fullmatch(r"gen-\d{6,}", entry.name)]
    except OSError as error:
        raise StoreError(f"Cannot list {path}: {error.strerror}. Check the folder's permissions and run again.") from error
    return sorted(present, key=number_of, reverse=True)


def number_of(name: str) -> int:
    """12 of `gen-000012`."""
    return int(name.removeprefix("gen-"))


def stamp(path: Path) -> Stamp:
    """Changes whenever another generation becomes current."""
    try:
        status = (path / CURRENT).stat()
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns


def choose(path: Path, space: Space, seq: int, last_key: int) -> Choice:
    """The generation to search `space` at the truth's state `seq`: the current one, else the newest that is whole."""
    while True:
        before = stamp(path)
        refused: list[str] = []
        pointed, present = current(path), names(path)
        for name in sorted(present, key=lambda name: name != pointed):  # stable: the current one, then newest first
            try:
                return Choice(load(path / name, space, seq, last_key, whole=False), tuple(refused))
            except StoreError as error:
                if (path / name).exists():  # else the writer removed it while we read
                    refused.append(f"{name}: {error}")
        if stamp(path) == before:  # else the writer published and cleaned up while we looked
            return Choice(None, tuple(refused))


def load(folder: Path, space: Space, seq: int, last_key: int, whole: bool = True) -> Generation:
    """A generation that fits, every hash checked before anything is parsed. Unless all of it is to be read (`whole`), the vectors of a
    large index are left to it, which tests each when it reads it.

    Raises:
        StoreError: it is of another space or format, or of a later state than the truth. Damaged: its bytes are not as written.
    """
    facts = durable.read_manifest(folder)
    if facts.get("format") != FORMAT:
        raise StoreError(f"It has format {facts.get('format')}, expected {FORMAT}; the next fold replaces it.")
    if facts["space"]["fingerprint"] != space.fingerprint:
        raise StoreError(f"It is of space {facts['space']['fingerprint'][:12]}, searched is {space.fingerprint[:12]}.")
    if facts["covers_seq"] > seq or facts["covers_key"] > last_key:  # the keys above `last_key` would be given to other texts
        raise Damaged(f"It was made at write {facts['covers_seq']}, but the truth stands at {seq}: acknowledged writes were lost.")
    later = [] if whole or facts["dense_kind"] not in TESTING else [f"dense-{name}" for name in READ_LATER]
    _, files = durable.read_folder(folder, later)
    recall = facts.get("recall")
    return Generation(folder, space, facts["covers_key"], facts["covers_seq"], facts["dense_kind"], files, recall)


def questions_of(path: Path, space: Space) -> Vectors | None:
    """Vectors of the user's own questions, (n, dim), that the newest whole generation of this space was measured with; None where none
    was."""
    for name in names(path):
        try:
            facts, files = durable.read_folder(path / name)
        except Damaged:
            continue
        if facts["space"]["fingerprint"] == space.fingerprint:
            kept = files.get(QUESTIONS)
            return None if kept is None else np.frombuffer(kept, dtype="<f4").reshape(-1, space.dim).copy()
    return None


def space_of(folder: Path) -> Space:
    """The space of a generation. Raises Damaged."""
    return Space(**durable.read_manifest(folder)["space"])


def is_ahead(folder: Path, seq: int, last_key: int) -> bool:
    """Whether a generation is of a later state than the truth, which must have been put back to an earlier one."""
    try:
        facts = durable.read_manifest(folder)
    except Damaged:
        return False
    return facts.get("format") == FORMAT and bool(facts["covers_seq"] > seq or facts["covers_key"] > last_key)


def is_whole(folder: Path) -> bool:
    """Whether every byte of a generation is as written."""
    try:
        durable.read_folder(folder)
    except Damaged:
        return False
    return True


def remove(path: Path, unwanted: Items[str]) -> None:
    """Remove generations; readers that have them open keep them. Only the writer calls this.

    Raises:
        StoreError: the system refuses.
    """
    try:
        for name in unwanted:
            (path / name).rename(path / f"{name}.new")
        if unwanted:
            handle = os.open(path, os.O_RDONLY)
            try:
                os.fsync(handle)  # or a power cut could leave a generation under its name, but without its files
            finally:
                os.close(handle)
        for name in unwanted:
            shutil.rmtree(path / f"{name}.new")
        if not names(path):
            (path / CURRENT).unlink(missing_ok=True)
    except OSError as error:
        raise StoreError(f"Cannot remove {error.filename}: {error.strerror}. Check the folder's permissions and run again.") from error


def clean(path: Path) -> None:
    """Remove what an interrupted write left, `*.new`. Only the writer calls this: another's `*.new` may be in the making."""
    for rubbish in path.glob("*.new"):
        if rubbish.is_dir():
            shutil.rmtree(rubbish, ignore_errors=True)
        else:
            rubbish.unlink(missing_ok=True)
