"""What changed in sources since they were looked at last: a folder's files one by one, any other source as a whole.

Found by looking (sizes and times of modification), not by the system's notices: those do not come from network drives, from folders that a
container has mounted, or where a system's limit of watches is reached.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from bicross.data.apart import Apart
from bicross.data.files import Items, is_document, read_one, shown, walk
from bicross.data.sources import is_folder_of_files, read_documents
from bicross.errors import InputError
from bicross.records import Skip
from bicross.settings import ColumnSettings

Stamp = tuple[int, int, int]
"""Size, time of modification in nanoseconds, and number on the disk; of a folder's files together, their sums."""


class Unit(NamedTuple):
    """What is read at once: a file of a folder by its path below it, or with no name the source itself."""

    source: Path
    name: str

    @property
    def path(self) -> Path:
        """Where it lies."""
        return self.source / self.name

    def read(self, columns: ColumnSettings, apart: Apart) -> Items:
        """Its documents, and what of it is none."""
        if self.name:
            yield from read_one(self.path, self.name, apart)
            return
        try:
            yield from read_documents([self.source], columns)
        except InputError as error:
            yield Skip(shown(self.source), str(error))

    def stamp(self) -> Stamp | None:
        """How it is now; None where it is not there."""
        if self.name or not self.path.is_dir():
            return _stamp(self.path)
        stamps = [found for name in walk(self.path, []) if (found := _stamp(self.path / name))]
        return len(stamps) + sum(size for size, _, _ in stamps), max((time for _, time, _ in stamps), default=0), 0


@dataclass(slots=True)
class Look:
    """What is there. `hidden` are sources and folders that could not be looked into: what was in them is not known to be gone."""

    stamps: dict[Unit, Stamp] = field(default_factory=dict)
    hidden: list[Path] = field(default_factory=list)

    def may_be_there(self, unit: Unit) -> bool:
        """Whether a unit that was not seen may lie where nothing could be seen."""
        return any(unit.path == place or place in unit.path.parents for place in self.hidden)


class Watcher:
    """Looks at sources and tells what changed, once it has come to rest: what is being written looks another way each time.

    Raises:
        InputError: a source does not exist.
    """

    def __init__(self, sources: Sequence[Path]) -> None:
        self._devices: dict[Path, int | None] = {}  # of folders
        for source in sources:
            try:
                self._devices[source] = source.stat().st_dev if source.is_dir() else None
                source.stat()
            except OSError as error:
                raise InputError(f"{source} cannot be watched ({error.strerror}); expected a folder or a file.") from error
        self._known: dict[Unit, Stamp] = {}
        self._last = Look()

    def known(self, unit: Unit, stamp: Stamp | None) -> None:
        """The unit was read when it was so; None: it is gone, or is to be read again."""
        if stamp is None:
            self._known.pop(unit, None)
        else:
            self._known[unit] = stamp

    def changed(self, at_once: bool = False) -> tuple[dict[Unit, Stamp], list[Unit]]:
        """What is new or another than it was known to be, and what is gone; but for `at_once`, only what looked the same twice running."""
        now, before = self._look(), self._last
        self._last = now
        other = {unit: stamp for unit, stamp in now.stamps.items() if self._known.get(unit) != stamp}
        settled = {unit: stamp for unit, stamp in other.items() if at_once or before.stamps.get(unit) == stamp}
        gone = [unit for unit in self._known if unit not in now.stamps and not now.may_be_there(unit)]
        return settled, [unit for unit in gone if unit not in before.stamps]

    def _look(self) -> Look:
        found = Look()
        for source, device in self._devices.items():
            if not _is_there(source, device):
                found.hidden.append(source)
                continue
            try:
                whole = not is_folder_of_files(source)
            except InputError:  # tables that cannot be told apart: reading says why
                whole = True
            for unit in [Unit(source, "")] if whole else _files(source, found.hidden):
                if (stamp := unit.stamp()) is not None:
                    found.stamps[unit] = stamp
        return found


def _files(folder: Path, hidden: list[Path]) -> Iterator[Unit]:
    closed: list[OSError] = []
    yield from (Unit(folder, name) for name in walk(folder, closed) if is_document(name))
    hidden += (Path(error.filename) for error in closed)


def _is_there(source: Path, device: int | None) -> bool:
    """Whether can be told what is there. A disk that was unmounted leaves an empty folder of another device, which says nothing."""
    try:
        return source.parent.is_dir() if device is None else source.stat().st_dev == device
    except OSError:
        return False


def _stamp(path: Path) -> Stamp | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_size, found.st_mtime_ns, found.st_ino
