"""What people say of hits: judgements and clicks, kept in a collection's folder `feedback/` in the forms that other verbs read.

    judgements.jsonl   every judgement, in the order in which it came: query, doc_id, grade (null: taken back), time
    queries.jsonl      the questions that have judgements, and
    qrels.tsv          what holds of them, the last word on a pair: what `bicross tune` and `evaluate` read as --queries and --qrels
    clicks.jsonl       what was shown and what was clicked: what `bicross questions --from clicks` reads

A question is known by its text; case and white space make no other question of it. What was acknowledged is on the disk. A line that a
kill tore was not, and does not count.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock
from typing import Any, NamedTuple

from bicross import durable
from bicross.data.lines import Malformed
from bicross.data.pairs import name_of, same
from bicross.data.questions import qrels_bytes
from bicross.data.rows import identifier
from bicross.data.values import filled
from bicross.errors import InputError, StoreError
from bicross.serving.engine import Engine

FOLDER, JUDGEMENTS, QUERIES, QRELS, CLICKS, LOCK = "feedback", "judgements.jsonl", "queries.jsonl", "qrels.tsv", "clicks.jsonl", "lock"
HIGHEST, LAST_POSITION = 3, 9_999
LONGEST_QUESTION = 4_096  # code points
NAMED = 20  # documents that are not there and are named; the rest is counted
LARGEST = 64 * 1024 * 1024  # bytes of a file of judgements or clicks
PATIENCE = 5.0  # seconds to wait for another server of the same collection


class Judgement(NamedTuple):
    """How well a document answers a question: 0 (not at all) to 3; None takes back what was said before."""

    question: str
    doc_id: str
    grade: int | None


class Shown(NamedTuple):
    """A document that was shown for a question at a position, from 1, and whether it was clicked; `time` in UTC, None for now."""

    question: str
    doc_id: str
    position: int
    clicked: bool
    time: datetime | None = None


class _Book:
    """The judgements of one collection, as far as its file was read."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.turn = folder, Lock()
        self.read = 0  # bytes of the file, up to the end of a line
        self.texts: dict[str, str] = {}  # what a question is known by -> its text, as it came first
        self.grades: dict[str, dict[str, int]] = {}

    def follow(self) -> None:
        """Read what was added since; all of it where the file is another."""
        path = self.folder / JUDGEMENTS
        size = path.stat().st_size if path.exists() else 0
        if size < self.read:
            self.texts, self.grades, self.read = {}, {}, 0
        if size == self.read:
            return
        with path.open("rb") as handle:
            handle.seek(self.read)
            content = handle.read()
        whole = content[: content.rfind(b"\n") + 1]
        self.read += len(whole)
        for line in whole.splitlines():
            try:
                row = json.loads(line)
                self.take(Judgement(row["query"], row["doc_id"], row["grade"]))
            except (ValueError, KeyError, TypeError, AttributeError):  # torn by a kill, so it was never acknowledged
                continue

    def take(self, said: Judgement) -> None:
        """Let one judgement hold."""
        known = same(said.question)
        grades = self.grades.setdefault(known, {})
        if said.grade is not None:
            self.texts.setdefault(known, said.question)
            grades[said.doc_id] = said.grade
        else:
            grades.pop(said.doc_id, None)
        if not grades:
            del self.grades[known]
            self.texts.pop(known, None)

    def publish(self) -> None:
        """Write what holds, first the questions, so that no judgement is without one."""
        names = {known: name_of("judged", text) for known, text in self.texts.items()}
        lines = (json.dumps({"_id": names[known], "text": text}, ensure_ascii=False) for known, text in self.texts.items())
        durable.write_file(self.folder / QUERIES, "".join(f"{line}\n" for line in lines).encode())
        durable.write_file(self.folder / QRELS, qrels_bytes({names[known]: grades for known, grades in self.grades.items()}))


_books: dict[Path, _Book] = {}
_opening = Lock()


def add(collection: Path, judgements: Sequence[Judgement], shown: Sequence[Shown]) -> None:
    """Keep what was said; all of it is on the disk when this returns. It waits for the disk: not to be called in an event loop.

    Raises:
        InputError: a question, an id, a grade or a position is not what it should be; then nothing is kept.
        StoreError: the disk refuses, or there are 64 MB of judgements or of clicks already. Locked: another process writes them.
    """
    now = datetime.now(UTC)
    said = [_judgement(one) for one in judgements]
    events = [_row(one, now) for one in shown]
    book = _book(collection)
    with book.turn:
        durable.make_folder(book.folder)
        with durable.lock(book.folder / LOCK, PATIENCE):
            if events:
                _append(book.folder / CLICKS, events)
            if said:
                book.follow()
                rows = [{"query": one.question, "doc_id": one.doc_id, "grade": one.grade, "time": now.isoformat()} for one in said]
                _append(book.folder / JUDGEMENTS, rows)
                book.follow()
                book.publish()


async def check_there(engine: Engine, collection: str, ids: Iterable[str]) -> None:
    """That documents are in a collection: of others neither tuning nor evaluation could make anything but a miss.

    Raises:
        InputError: some are not; it has their ids.
    """
    wanted = list(dict.fromkeys(ids))
    there = {one["id"] for one in await engine.documents(collection, wanted, brief=True)} if wanted else set()
    gone = [one for one in wanted if one not in there]
    if gone:
        more = f" and {len(gone) - NAMED} more" if len(gone) > NAMED else ""
        raise InputError(f"Nothing was kept, for {collection} has no document {', '.join(map(repr, gone[:NAMED]))}{more}.")


def judge(collection: Path, question: str, doc_id: str, grade: int | None) -> None:
    """Keep one judgement. Raises as `add`."""
    add(collection, [Judgement(question, doc_id, grade)], [])


def grades(collection: Path, question: str) -> Mapping[str, int]:
    """Document id -> the grade that holds for the question."""
    book = _book(collection)
    with book.turn:
        book.follow()
        return dict(book.grades.get(same(question), {}))


def _book(collection: Path) -> _Book:
    with _opening:
        return _books.setdefault(collection, _Book(collection / FOLDER))


def _judgement(one: Judgement) -> Judgement:
    if one.grade is not None and not 0 <= one.grade <= HIGHEST:
        raise InputError(f"The grade is {one.grade}; expected 0 to {HIGHEST}.")
    return Judgement(_question(one.question), _id(one.doc_id), one.grade)


def _row(one: Shown, now: datetime) -> dict[str, Any]:
    """As `data.click_log` reads it."""
    if not 1 <= one.position <= LAST_POSITION:
        raise InputError(f"The position is {one.position}; expected 1 to {LAST_POSITION}.")
    seen = {"query": _question(one.question), "doc_id": _id(one.doc_id), "position": one.position}
    return {**seen, "clicked": int(one.clicked), "time": (one.time or now).isoformat()}


def _question(text: str) -> str:
    try:
        if len(text) > LONGEST_QUESTION:
            raise Malformed(f"the question has {len(text)} characters, at most {LONGEST_QUESTION} are kept")
        return filled(text, "question").strip()
    except Malformed as error:
        raise InputError(f"Feedback cannot be kept: {error}.") from error


def _id(doc_id: str) -> str:
    try:
        return identifier(doc_id)
    except Malformed as error:
        raise InputError(f"Feedback cannot be kept: {error}.") from error


def _append(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    size = path.stat().st_size if path.exists() else 0
    content = "".join(f"{json.dumps(row, ensure_ascii=False)}\n" for row in rows).encode()
    if size and not _ends_whole(path):  # a line that a kill tore is ended, so that it takes no other with it
        content = b"\n" + content
    if size + len(content) > LARGEST:
        raise StoreError(
            f"{path} has {size} bytes, at most {LARGEST} are kept. Use it up with bicross tune or questions, and move it away."
        )
    durable.append_file(path, content)


def _ends_whole(path: Path) -> bool:
    with path.open("rb") as handle:
        handle.seek(-1, 2)
        return handle.read(1) == b"\n"
