"""A disk that loses what was not synced, fed with the system calls of a program (`strace -y -xx`).

POSIX promises no more than this: what `fsync` of a file returned for is on the disk, what `fsync` of a folder returned for are
its entries. Of the rest, each write may be there, cut off at a sector, or not; of a folder's changes a prefix is there, because
file systems log them in order. (Method: Pillai et al., "All File Systems Are Not Created Equal", OSDI 2014.)
"""

from __future__ import annotations

import os
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

SECTOR = 512
CALLS = "openat,write,pwrite64,fsync,fdatasync,ftruncate,rename,mkdir,unlink,unlinkat,rmdir"
LINE = re.compile(r"(\w+)\((\d*).*\) += (\d+)")
STRING = re.compile(r'[<"]((?:\\x[0-9a-f]{2})*)[>"]')
LAST = re.compile(r", (\d+)\) += \d+")


@dataclass
class File:
    """`pending` are writes at an offset, and truncations (None) to a size, in order."""

    durable: bytes = b""
    pending: list[tuple[int, bytes | None]] = field(default_factory=list)

    def sync(self) -> None:
        for change in self.pending:
            self.durable = changed(self.durable, *change)
        self.pending.clear()

    def after_crash(self, chance: random.Random) -> bytes:
        content = self.durable
        for place, data in self.pending:
            luck = chance.random()
            if luck < 0.1 and data:
                content = changed(content, place, data[: chance.randrange(0, len(data), SECTOR)])
            elif luck < 0.6:
                content = changed(content, place, data)
        return content


@dataclass
class Folder:
    """`live` is what the program sees; each of `pending` is one change: name -> what it names from then on, None for nothing."""

    live: dict[str, File | Folder] = field(default_factory=dict)
    durable: dict[str, File | Folder] = field(default_factory=dict)
    pending: list[dict[str, File | Folder | None]] = field(default_factory=list)

    def change(self, names: dict[str, File | Folder | None]) -> None:
        self.pending.append(names)
        put(self.live, names)

    def sync(self) -> None:
        for names in self.pending:
            put(self.durable, names)
        self.pending.clear()

    def crash(self, to: Path, chance: random.Random) -> None:
        """Write what a power cut leaves into the new folder `to`."""
        entries = dict(self.durable)
        for names in self.pending[: chance.randint(0, len(self.pending))]:
            put(entries, names)
        to.mkdir()
        for name, node in entries.items():
            if isinstance(node, Folder):
                node.crash(to / name, chance)
            elif not name.endswith("-shm"):  # shared memory of processes that are gone
                (to / name).write_bytes(node.after_crash(chance))


def put(entries: dict[str, File | Folder], names: dict[str, File | Folder | None]) -> None:
    for name, node in names.items():
        if node is None:
            entries.pop(name, None)
        else:
            entries[name] = node


def changed(content: bytes, place: int, data: bytes | None) -> bytes:
    if data is None:
        return content[:place].ljust(place, b"\0")
    return content[:place].ljust(place, b"\0") + data + content[place + len(data) :]


@dataclass(frozen=True)
class Call:
    """A system call that succeeded. `strings` are the names of its file numbers, its paths and data, in order."""

    name: str
    handle: int
    strings: list[bytes]
    result: int
    last: int
    flags: str

    @property
    def path(self) -> PurePosixPath:
        beside = self.strings[:2] if self.name in ("openat", "unlinkat") else self.strings[:1]
        return PurePosixPath(*map(os.fsdecode, beside))


def calls(trace: Path) -> Iterator[Call]:
    """The calls in a trace, those that failed left out."""
    for line in trace.read_text("ascii", "replace").splitlines():
        if found := LINE.match(line):
            strings = [bytes.fromhex(text.replace("\\x", "")) for text in STRING.findall(line)]
            last = LAST.search(line)
            flags = STRING.sub("", line)
            yield Call(found[1], int(found[2] or -1), strings, int(found[3]), int(last[1]) if last else 0, flags)


class Disk:
    """What lies below the folder `root`, which was empty when the program began. `syncs=False` takes every fsync for nothing."""

    def __init__(self, root: Path, syncs: bool = True) -> None:
        self.top = Folder()
        self._root, self._syncs = PurePosixPath(root), syncs
        self._places: dict[int, int] = {}  # how far each open file was written

    def touched(self, call: Call) -> bool:
        """Whether a call is about this disk."""
        return call.path == self._root or self._root in call.path.parents

    def apply(self, call: Call) -> bool:
        """Take in one call; returns whether it touched this disk."""
        path = call.path
        if call.name == "openat":
            self._places[call.result] = 0
        if not self.touched(call):
            return False
        if call.name in ("fsync", "fdatasync"):
            node = self._find(path)
            if node and self._syncs:
                node.sync()
        elif path != self._root:
            self._change(call, path)
        return True

    def _change(self, call: Call, path: PurePosixPath) -> None:
        folder = self._find(path.parent)
        if not isinstance(folder, Folder):
            raise TypeError(f"{call.name} in {path.parent}, which the trace did not make.")
        node = folder.live.get(path.name)
        if call.name == "openat":
            if "O_CREAT" in call.flags and node is None:
                folder.change({path.name: File()})
            if "O_TRUNC" in call.flags and isinstance(node, File):
                node.pending.append((0, None))
        elif call.name == "mkdir":
            folder.change({path.name: Folder()})
        elif call.name in ("unlink", "unlinkat", "rmdir"):
            folder.change({path.name: None})
        elif call.name == "rename":
            target = PurePosixPath(os.fsdecode(call.strings[1]))
            if target.parent != path.parent:
                raise ValueError(f"{path} is renamed into another folder, {target}.")
            folder.change({path.name: None, target.name: node})
        elif isinstance(node, File):
            self._write(call, node)

    def _write(self, call: Call, file: File) -> None:
        if call.name == "ftruncate":
            file.pending.append((call.last, None))
            return
        place = call.last if call.name == "pwrite64" else self._places[call.handle]
        file.pending.append((place, call.strings[1][: call.result]))
        if call.name == "write":
            self._places[call.handle] = place + call.result

    def _find(self, path: PurePosixPath) -> File | Folder | None:
        node: File | Folder | None = self.top
        for part in path.relative_to(self._root).parts:
            node = node.live.get(part) if isinstance(node, Folder) else None
        return node
