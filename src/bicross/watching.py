"""A collection that follows its sources: what is new or changed is indexed, what is gone is deleted, a round at a time.

Which documents a file gave is kept in the collection's folder, so that what was deleted while nobody watched is found when watching begins
again. A file that cannot be read keeps what it gave before: it may be half-written.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from bicross import durable
from bicross.collection.shelf import Shelf
from bicross.collection.store import Collection, Writer
from bicross.data.apart import Apart
from bicross.data.changes import Stamp, Unit, Watcher
from bicross.data.files import shown
from bicross.errors import Locked
from bicross.models.registry import TokenEncoder
from bicross.protocols import Progress
from bicross.records import Document, Skip
from bicross.results import Round
from bicross.settings import IndexSettings
from bicross.upsert import Upsert, adopt, begun, chunks_of, encoder_of

LEDGER = "watched.json"
TAIL = 1_000  # passages without an index that are always borne; beyond, a tenth of all
CARE = 10  # times as long as a look takes is waited for the next one
_UNREAD: Stamp = (-1, -1, -1)


def watch(
    sources: Sequence[Path],
    into: Path,
    settings: IndexSettings = IndexSettings(),
    progress: Progress = lambda *_: None,
    every: float = 1.0,
) -> Iterator[Round]:
    """`index`, and then what changes, as it changes: a Round for each time that something was done, or could not be. It looks `every` so
    many seconds, and ends when its caller does.

    Raises:
        InputError: a source, model or setting is not what it should be. StoreError: the collection cannot be written.
    """
    watcher = Watcher(sources)
    encoder = begun(into, settings)
    with Apart() as apart:
        follower = _Follower(into, settings, apart, encoder, sources)
        for unit in follower.owned:
            watcher.known(unit, _UNREAD)
        first = True
        while True:
            start = time.monotonic()
            changed, gone = watcher.changed(at_once=first)
            looked = time.monotonic() - start
            if changed or gone or first:
                done = follower.follow(changed, gone, progress, first)
                for unit, stamp in follower.taken.items():
                    watcher.known(unit, stamp)
                if not done.waiting:
                    first = False
                yield done
            time.sleep(max(every, CARE * looked))


class _Follower:
    """Brings a collection to what units are now. `taken` are the units that the last round has dealt with: as they were, None if gone."""

    def __init__(self, into: Path, settings: IndexSettings, apart: Apart, encoder: TokenEncoder | None, sources: Sequence[Path]) -> None:
        self.into, self._settings, self._apart, self._encoder = into, settings, apart, encoder
        self.owned = _read_ledger(into, sources)
        self.taken: dict[Unit, Stamp | None] = {}

    def follow(self, changed: Mapping[Unit, Stamp], gone: Sequence[Unit], progress: Progress, first: bool) -> Round:
        """One round. What is put comes before what is deleted, so that a file that was renamed is not embedded again."""
        start = time.perf_counter()
        self.taken = {}
        names = (tuple(shown(unit.path) for unit in changed), tuple(shown(unit.path) for unit in gone))
        try:
            with Collection.write(self.into) as writer:
                encoder = self._encoder_for(writer)
                done = Upsert(writer, encoder)
                before = {unit: set(self.owned.get(unit, ())) for unit in (*changed, *gone)}
                self._put(changed, done, progress)
                for unit in gone:
                    self.owned.pop(unit, None)
                    self.taken[unit] = None
                kept = {name for ids in self.owned.values() for name in ids}
                deleted = writer.delete(sorted(set().union(*before.values()) - kept))
                if first or deleted or _tail_is_long(self.into):
                    writer.fold()
        except Locked as error:
            return Round(*names, 0, 0, 0, _documents(self.into), (), (), time.perf_counter() - start, str(error))
        self._write_ledger()
        seconds, documents = time.perf_counter() - start, _documents(self.into)
        return Round(*names, done.changed, deleted, done.embedded, documents, tuple(done.truncated), tuple(done.skipped), seconds)

    def _encoder_for(self, writer: Writer) -> TokenEncoder:
        """The collection's encoder, which other commands may have changed meanwhile."""
        if self._encoder is None or writer.space not in (None, self._encoder.space):
            self._encoder = encoder_of(self._settings.encoder or writer.facts.encoder, self.into)
        adopt(writer, self._encoder, self._settings)
        return self._encoder

    def _put(self, changed: Mapping[Unit, Stamp], done: Upsert, progress: Progress) -> None:
        owners = {name: unit for unit, ids in self.owned.items() for name in ids}
        read = (item for unit, stamp in changed.items() for item in self._read(unit, stamp, owners))
        for documents, skips in chunks_of(read):
            done.skipped += skips
            done.put(documents)
            progress("documents", done.seen, 0)

    def _read(self, unit: Unit, stamp: Stamp, owners: dict[str, Unit]) -> Iterator[Document | Skip]:
        """What is in a unit; nothing but a Skip, and what it gave before stays, where it has no document or changed while it was read."""
        items = list(unit.read(self._settings.columns, self._apart))
        if unit.stamp() != stamp:  # still being written: the next looks will see it come to rest
            return
        self.taken[unit] = stamp
        found = [item for item in items if isinstance(item, Document)]
        yield from (item for item in items if isinstance(item, Skip))
        if not found:
            return
        others = {name for name, owner in owners.items() if owner != unit}
        for document in found:
            if document.id in others:
                yield Skip(document.id, f"the id comes a second time (in {shown(unit.path)}); the first is kept")
            else:
                yield document
        mine = [document.id for document in found if document.id not in others]
        owners.update(dict.fromkeys(mine, unit))
        self.owned[unit] = mine

    def _write_ledger(self) -> None:
        told: dict[str, dict[str, list[str]]] = {}
        for unit, ids in self.owned.items():
            told.setdefault(str(unit.source.absolute()), {})[unit.name] = list(ids)
        others = {source: files for source, files in _ledger(self.into).items() if source not in told}
        durable.write_file(self.into / LEDGER, json.dumps(others | told, sort_keys=True).encode())  # escapes, so that any name fits


def _ledger(into: Path) -> dict[str, Any]:
    """Source -> file -> ids; nothing where it was not written or cannot be read: deletions of before are then not known."""
    try:
        found = json.loads((into / LEDGER).read_bytes())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _read_ledger(into: Path, sources: Sequence[Path]) -> dict[Unit, list[str]]:
    ledger = _ledger(into)
    files = ((source, ledger.get(str(source.absolute()), {})) for source in sources)
    return {Unit(source, name): list(ids) for source, names in files for name, ids in names.items()}


def _tail_is_long(into: Path) -> bool:
    shelf = Shelf(into)
    try:
        counts = shelf.counts()
    finally:
        shelf.close()
    return counts.tail > max(TAIL, counts.passages // 10)


def _documents(into: Path) -> int:
    shelf = Shelf(into)
    try:
        return shelf.counts().documents
    finally:
        shelf.close()
