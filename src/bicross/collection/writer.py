"""The one writer of a collection. Every method that changes it is one transaction: afterwards all of it is on the disk, or nothing."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from bicross.collection import activation, folding, generations, lookup, spaces, truth
from bicross.collection.facts import Facts, State, as_meta
from bicross.collection.rows import checksum, chunks, document_row, marks, reading_hash, vector_is_whole
from bicross.errors import BicrossError, Damaged, InputError, Locked, StoreError
from bicross.models.names import MODELS
from bicross.records import Document, Passage, Space, reading
from bicross.vectors import Vectors

KEPT_JOBS = 100
PassagesOf = Mapping[str, Sequence[Passage]]
VectorsOf = Mapping[bytes, Vectors]


class Writer:
    """Made by `Collection.write`, which holds the lock. Not for use by two threads at once."""

    def __init__(self, path: Path, db: truth.Database) -> None:
        self.path = path
        self._db = db
        self._failed = False
        self._epoch = -1
        with self._transaction(fenced=False) as state:
            self._epoch = state.epoch + 1
            truth.write_meta(db, epoch=self._epoch)
            db.execute("UPDATE jobs SET state = 'interrupted' WHERE state = 'running'")
            folding.recover(path, state)
            generations.clean(path / MODELS)

    @property
    def facts(self) -> Facts:
        return self._state().facts

    @property
    def space(self) -> Space | None:
        """The active space; None before the first `register_space`."""
        return self._state().space

    def set_facts(self, facts: Facts) -> None:
        """Change how the collection is read. Documents cut to other lengths than `passage_tokens` count as changed from now on."""
        with self._transaction():
            truth.write_meta(self._db, **as_meta(facts))

    def require(self, space: Space) -> None:
        """Raises SpaceMismatch, with the command that mends it, unless `space` is the active one."""
        with truth.explained(self.path):
            spaces.require_active(self._state(), space, self.path)

    def register_space(self, space: Space, encoder: str) -> None:
        """Make room for vectors of `space`. The first one becomes active; others are filled beside it, then `activate`d."""
        with self._transaction() as state:
            spaces.register(self._db, self.path, state, space, encoder)

    def unchanged(self, documents: Sequence[Document]) -> set[str]:
        """Ids of those documents that are stored exactly so, cut to the present length, with whole passages and vectors.

        What is damaged counts as changed: to index it again mends it.
        """
        state = self._state()
        given = {document.id: document_row(document) for document in documents}
        with truth.explained(self.path):
            return {key for part in chunks(given) for key in self._unchanged({id: given[id] for id in part}, state)}

    def missing(self, space: Space, readings: Iterable[bytes]) -> set[bytes]:
        """Hashes (`reading_hash`) of those readings that have no whole vector in a registered space yet.

        Raises:
            SpaceMismatch: the space is not registered.
        """
        with truth.explained(self.path):
            return spaces.missing(self._db, self.path, space, readings)

    def commit(self, documents: Sequence[Document], passages: PassagesOf, space: Space, vectors: VectorsOf) -> None:
        """Put documents, replacing those of the same ids: passages by document id, vectors (dim,) by `reading_hash`.

        A reading that has a vector in the space already needs none. Passages get new keys, in the order given.

        Raises:
            SpaceMismatch: the space is not the active one. StoreError: the disk refuses; nothing was changed.
            InputError: an id stands twice, a passage is not its document's, a reading has no vector, or a value cannot be stored.
        """
        rows = [document_row(document) for document in documents]
        hashes = _checked(documents, passages)
        with self._transaction() as state:
            spaces.require_active(state, space, self.path)
            ids = [document.id for document in documents]
            replaced = self._remove_passages(ids)
            self._put_documents(rows, passages, state.facts.passage_tokens)
            last_key = self._put_passages(documents, passages, hashes, state.last_key)
            owners = {hashed: document.id for document in documents for hashed in hashes[document.id]}
            spaces.put_vectors(self._db, space, state.number, vectors, owners)
            if lacking := spaces.missing(self._db, self.path, space, owners):
                raise InputError(f"Document {owners[min(lacking)]!r} has a passage without a vector; give one for each of `missing`.")
            spaces.drop_unread(self._db, replaced)
            truth.write_meta(self._db, seq=state.seq + len(documents), last_key=last_key)

    def delete(self, ids: Iterable[str]) -> int:
        """Remove documents with their passages and the vectors that no other passage needs. Returns how many there were.

        Nothing of them stays in the truth (`secure_delete`); the next `fold`, whoever calls it, removes every generation of before.
        """
        with self._transaction() as state:
            unwanted = list(dict.fromkeys(ids))
            read = self._remove_passages(unwanted)
            gone = sum(self._db.execute(f"DELETE FROM documents WHERE id IN ({marks(part)})", part).rowcount for part in chunks(unwanted))
            spaces.drop_unread(self._db, read)
            truth.write_meta(self._db, seq=state.seq + gone, forgetting=state.forgetting or gone > 0)
            return gone

    def pending(self, space: Space) -> list[int]:
        """Keys of passages whose readings have no vector in a registered space, one a reading, ascending: what re-embedding has to do."""
        with self._transaction():
            return spaces.pending(self._db, self.path, space)

    def readings(self, keys: Iterable[int]) -> dict[int, str]:
        """Key -> what a model reads of that live passage, in the order asked. Raises Damaged."""
        with self._transaction():
            return lookup.readings(self._db, keys)

    def embed(self, space: Space, vectors: VectorsOf) -> None:
        """Put vectors (dim,) of live readings, by `reading_hash`, into a registered space, active or not."""
        with self._transaction():
            number = spaces.registered(self._db, self.path, space)
            owners = spaces.owners(self._db, vectors)
            spaces.put_vectors(self._db, space, number, {hashed: vectors[hashed] for hashed in vectors if hashed in owners}, owners)

    def activate(self, space: Space, facts: Facts | None = None) -> None:
        """Search in `space`, with the models and weights of `facts`, from now on, and keep what answered before for `rollback`
        (`activation.KEPT` changes, and of spaces the one before).

        Without `facts` only the encoder changes, to the one that the space was registered with. The space may be the active one,
        where only reranker or weights change. Where nothing changes but the encoder's name, what is kept for going back stays as it is.

        Raises:
            SpaceMismatch: the space is not registered. InputError: readings are `pending`.
        """
        with self._transaction() as state:
            wanted = facts or replace(state.facts, encoder=spaces.encoder_of(self._db, self.path, space))
            activation.activate(self._db, self.path, state, space, wanted)

    def before(self) -> tuple[Facts, Space]:
        """The facts and the space that `rollback` goes back to. Raises InputError where there are none."""
        with truth.explained(self.path):
            return activation.before(self.path, self._state())

    def rollback(self) -> Facts:
        """Go back to the space and the facts of before the last `activate`. Each further call goes one change further back; what was left
        comes behind the oldest, so that the call after the last goes forward again, to where the first began.

        Raises:
            InputError: there is nothing to go back to, or readings are `pending` in that space.
        """
        with self._transaction() as state:
            return activation.roll_back(self._db, self.path, state)

    def fold(self, keep: int = 2, questions: Vectors | None = None) -> str | None:
        """Build a generation of the truth as it is, unless one is there; keep the newest `keep` that are whole, after `delete` only it.

        Given vectors of `questions` (n, dim), one is built in any case; its recall and that of those after it is measured with them.
        Returns its name, None of no passages.

        Raises:
            StoreError: the disk refuses; collection and generations are as before. Damaged: a row is not what was written.
        """
        with self._transaction() as state:
            return None if state.space is None else folding.fold(self._db, self.path, state, state.space, keep, questions)

    def prune(self) -> int:
        """Forget spaces that are neither active nor kept for `rollback`, with their vectors. Returns how many vectors went."""
        with self._transaction() as state:
            return spaces.prune(self._db, self.path, state)

    @contextmanager
    def job(self, kind: str, detail: Mapping[str, Any]) -> Iterator[None]:
        """Note that work of this kind goes on, so that `status` can tell what was not finished."""
        with self._transaction():
            row = (kind, json.dumps(detail, ensure_ascii=False, sort_keys=True), time.time())
            number = self._db.execute("INSERT INTO jobs (kind, state, detail, started) VALUES (?, 'running', ?, ?)", row).lastrowid
            self._db.execute("DELETE FROM jobs WHERE id <= ?", ((number or 0) - KEPT_JOBS,))
        try:
            yield
        except BaseException:
            with suppress(BicrossError):  # the cause matters more; the next writer marks the job
                self._end_job(number, "interrupted")
            raise
        self._end_job(number, "done")

    def close(self, hurry: bool = False) -> None:
        """Move the log into the file where no reader is in the way, waiting for those that are, unless in a `hurry`. What was committed
        is safe without it."""
        if not self._failed:
            with suppress(sqlite3.Error):
                if hurry:
                    self._db.execute("PRAGMA busy_timeout = 0")
                self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        self._db.close()

    def _state(self) -> State:
        with truth.explained(self.path):
            return State.of(self._db, self.path)

    @contextmanager
    def _transaction(self, fenced: bool = True) -> Iterator[State]:
        """One transaction of the writer that still is the writer.

        Raises:
            Locked: another writer has taken over.
        """
        if self._failed:
            raise StoreError(f"An earlier write to {self.path} failed in the system; end this process, check the disk and run again.")
        with truth.explained(self.path):
            self._db.execute("BEGIN IMMEDIATE")
            try:
                state = State.of(self._db, self.path)
                if fenced and state.epoch != self._epoch:
                    raise Locked(f"{self.path} was taken over by another writer (epoch {state.epoch}, ours {self._epoch}); run again.")
                yield state
                self._db.execute("COMMIT")
            except BaseException as error:
                # After a failed fsync nobody knows what the disk holds, so this connection must not write again (Rebello et al., ATC 2020).
                self._failed = truth.is_device_error(error) or truth.is_device_error(error.__cause__)
                if self._db.in_transaction:
                    with suppress(sqlite3.Error):
                        self._db.execute("ROLLBACK")
                raise

    def _end_job(self, number: int | None, state: str) -> None:
        with self._transaction():
            self._db.execute("UPDATE jobs SET state = ?, ended = ? WHERE id = ?", (state, time.time(), number))

    def _unchanged(self, given: Mapping[str, tuple[str, str, str, str, bytes]], state: State) -> set[str]:
        """Ids among one chunk of document rows."""
        ids = list(given)
        counts = {}
        query = "SELECT id, title, text, meta, sha256, passage_tokens, passages FROM documents WHERE id IN "
        for *row, tokens, count in self._db.execute(f"{query} ({marks(ids)})", ids):
            if tuple(row) == given.get(row[0]) and tokens == state.facts.passage_tokens:
                counts[row[0]] = count
        if state.space is None:
            return set()
        query = f"""SELECT {lookup.PASSAGE_COLUMNS}, v.vector, v.crc32 FROM passages p
            LEFT JOIN vectors v ON v.space = ? AND v.reading_sha256 = p.reading_sha256 WHERE p.doc_id IN ({marks(ids)})"""
        for *row, vector, crc in self._db.execute(query, (state.number, *ids)):
            with suppress(Damaged, KeyError):
                span = lookup.read_span(tuple(row))
                counts[span.doc_id] -= vector_is_whole(state.space, state.number, span.reading_sha256, vector, crc)
        return {key for key, lacking in counts.items() if lacking == 0}

    def _remove_passages(self, ids: Sequence[str]) -> set[bytes]:
        """Remove the passages of documents; returns the hashes of what was read of them."""
        read: set[bytes] = set()
        for part in chunks(ids):
            where = f"FROM passages WHERE doc_id IN ({marks(part)})"
            read.update(hashed for (hashed,) in self._db.execute(f"SELECT reading_sha256 {where}", part))
            self._db.execute(f"DELETE {where}", part)
        return read

    def _put_documents(self, rows: Sequence[tuple[str, str, str, str, bytes]], passages: PassagesOf, tokens: int) -> None:
        self._db.executemany(
            """INSERT INTO documents VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET title = excluded.title, text = excluded.text,
                meta = excluded.meta, sha256 = excluded.sha256, passage_tokens = excluded.passage_tokens, passages = excluded.passages""",
            [(*row, tokens, len(passages.get(row[0], ()))) for row in rows],
        )

    def _put_passages(
        self, documents: Sequence[Document], passages: PassagesOf, hashes: Mapping[str, Sequence[bytes]], last_key: int
    ) -> int:
        """Insert passages under the keys after `last_key`; returns the last key given."""
        for document in documents:
            for passage, hashed in zip(passages.get(document.id, ()), hashes[document.id], strict=True):
                last_key += 1
                row = (last_key, passage.id, passage.doc_id, passage.start, passage.end, hashed)
                try:
                    self._db.execute("INSERT INTO passages VALUES (?, ?, ?, ?, ?, ?, ?)", (*row, checksum(*row)))
                except sqlite3.IntegrityError as error:
                    raise InputError(
                        f"Passage id {passage.id!r} of document {document.id!r} is taken ({error}); ids must differ."
                    ) from error
        return last_key


def _checked(documents: Sequence[Document], passages: PassagesOf) -> dict[str, list[bytes]]:
    """Document id -> hashes of the readings of its passages. Raises InputError where documents and passages do not fit."""
    by_id = {document.id: document for document in documents}
    if len(by_id) < len(documents):
        ids = [document.id for document in documents]
        raise InputError(f"Document id {next(id for id in ids if ids.count(id) > 1)!r} stands twice in one batch; ids must differ.")
    if unknown := passages.keys() - by_id.keys():
        raise InputError(f"Passages are given for document {min(unknown)!r}, which is not in the batch.")
    hashes: dict[str, list[bytes]] = {}
    for document in documents:
        hashes[document.id] = []
        for passage in passages.get(document.id, ()):
            if passage.doc_id != document.id or document.text[passage.start : passage.end] != passage.text:
                raise InputError(
                    f"Passage {passage.id!r} is not the text of document {document.id!r} from {passage.start} to {passage.end}."
                )
            hashes[document.id].append(reading_hash(reading(document.title, passage.text)))
    return hashes
