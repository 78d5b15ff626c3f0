"""A session of judging on the disk: every judgement is there before the next pair is shown, whatever happens then.

The log has a line for each judgement, skip and undo, and is only ever added to. A last line that was torn by a kill or a full disk was
never answered for, so it is cut off and its pair shown again.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from bicross import durable
from bicross.errors import Damaged, InputError
from bicross.judging.draw import Pair
from bicross.judging.estimate import HIGHEST

LOG = "judgements.jsonl"
Grades = dict[str, dict[str, int]]
"""Query id -> document id -> grade."""


class Event(NamedTuple):
    """What was said of a pair that still holds; `grade` is None where it was skipped."""

    query_id: str
    doc_id: str
    grade: int | None


class Session:
    """Pairs in the order in which they are shown, and what was said of them.

    Args:
        pairs: all that was drawn.
        gone: pairs, by (query id, document id), that cannot be shown any more; they are passed over.
        publish: called with the grades after every change; it writes the table of judgements.

    Raises:
        Damaged: a line of the log other than the last is not what was written.
    """

    def __init__(self, folder: Path, pairs: Sequence[Pair], gone: Collection[tuple[str, str]], publish: Callable[[Grades], None]) -> None:
        self._log, self._publish = folder / LOG, publish
        self.pairs, self.gone = tuple(pairs), frozenset(gone)
        self.events = read_log(self._log)

    @property
    def current(self) -> Pair | None:
        """The pair to be judged next; None where all are done."""
        said = {(event.query_id, event.doc_id) for event in self.events} | self.gone
        return next((pair for pair in self.pairs if (pair.query_id, pair.doc_id) not in said), None)

    @property
    def grades(self) -> Grades:
        """What was judged, in the order in which it was."""
        return grades_of(self.events)

    @property
    def counts(self) -> Mapping[str, int]:
        """Pairs drawn, judged, relevant, skipped, gone and left."""
        judged = [event for event in self.events if event.grade is not None]
        said = {(event.query_id, event.doc_id) for event in self.events}
        done = said | self.gone
        return {
            "pairs": len(self.pairs),
            "judged": len(judged),
            "relevant": sum(bool(event.grade) for event in judged),
            "skipped": len(self.events) - len(judged),
            "gone": len(self.gone - said),
            "left": sum((pair.query_id, pair.doc_id) not in done for pair in self.pairs),
        }

    def say(self, query_id: str, doc_id: str, grade: int | None) -> None:
        """Judge the current pair, or skip it (None).

        Raises:
            InputError: it is not the pair that is shown, or the grade is not 0 to 3. StoreError: the disk refuses.
        """
        pair = self.current
        if pair is None or (pair.query_id, pair.doc_id) != (query_id, doc_id):
            raise InputError(f"The pair of question {query_id!r} and document {doc_id!r} is not the one that is shown; expected that one.")
        if grade is not None and not 0 <= grade <= HIGHEST:
            raise InputError(f"The grade is {grade}; expected 0 to {HIGHEST}.")
        self._add({"query": query_id, "document": doc_id, "grade": grade})
        self.events.append(Event(query_id, doc_id, grade))
        self._publish(self.grades)

    def undo(self) -> bool:
        """Take back what was said last, of this session or an earlier one; its pair is shown again. False where there is nothing."""
        if not self.events:
            return False
        last = self.events[-1]
        self._add({"query": last.query_id, "document": last.doc_id, "undo": True})
        self.events.pop()
        self._publish(self.grades)
        return True

    def _add(self, row: Mapping[str, Any]) -> None:
        durable.append_file(self._log, (json.dumps(row, ensure_ascii=False) + "\n").encode())


def progress(session: Session, counts: Mapping[str, int]) -> str:
    """How far it is, in a line; `counts` are the session's, which take a walk over all pairs."""
    pair = session.current
    done = f"{counts['judged'] + counts['skipped']} of {counts['pairs'] - counts['gone']} pairs, {counts['relevant']} relevant"
    questions = list(dict.fromkeys(one.query_id for one in session.pairs))
    return f"question {questions.index(pair.query_id) + 1} of {len(questions)}, {done}" if pair else done


def grades_of(events: Sequence[Event]) -> Grades:
    """The grades among the events."""
    grades: Grades = {}
    for event in events:
        if event.grade is not None:
            grades.setdefault(event.query_id, {})[event.doc_id] = event.grade
    return grades


def read_log(path: Path, all_but: int = 0) -> list[Event]:
    """What the lines of a log amount to, without the last `all_but`; a torn last line is cut off the file.

    Raises:
        Damaged: another line is not what was written.
    """
    content = path.read_bytes() if path.exists() else b""
    whole = content[: content.rfind(b"\n") + 1]
    if whole != content:
        durable.write_file(path, whole)
    lines = whole.splitlines()
    events: list[Event] = []
    for number, line in enumerate(lines[: len(lines) - all_but], start=1):
        try:
            row = json.loads(line)
            if row.get("undo"):
                if (events[-1].query_id, events[-1].doc_id) != (row["query"], row["document"]):
                    raise KeyError(row["document"])
                events.pop()
            else:
                events.append(Event(row["query"], row["document"], row["grade"]))
        except (ValueError, KeyError, AttributeError, IndexError, TypeError) as error:
            raise Damaged(f"{path}:{number} is not a line that was written. Take it out, or put back a copy of the file.") from error
    return events
