"""Click logs: JSONL, CSV and TSV, one row an event. Columns are found by their usual names, those of UBI among them.

(User Behavior Insights, the events of OpenSearch and Elasticsearch: `user_query`, `object_id`, `action_name`, `event_attributes`.)
"""

from __future__ import annotations

import json
import math
import re
from array import array
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bicross.data.lines import Malformed, require_file
from bicross.data.pairs import same
from bicross.data.rows import NoColumn, Row, column, content, identifier, missing, read_rows
from bicross.errors import InputError
from bicross.records import Skip

_QUERY_TEXTS = ("user_query", "query", "query_text", "question", "text")
_QUERY_IDS = ("query_id", "query-id", "qid")
_DOCUMENTS = ("object_id", "doc_id", "document_id", "corpus-id", "corpus_id", "docid", "item_id", "document", "doc")
_POSITIONS = ("position", "rank", "ordinal", "pos")
_CLICKS = ("clicked", "click", "is_click")
_ACTIONS = ("action_name", "action", "event")
_TIMES = ("timestamp", "time", "ts", "date")
_SHOWN = frozenset(("impression", "impressions", "view", "show", "shown", "display", "displayed"))
_YES_NO = {"1": 1, "1.0": 1, "true": 1, "yes": 1, "0": 0, "0.0": 0, "false": 0, "no": 0, "": 0}
_WHOLE = re.compile(r"([0-9]{1,4})(\.0*)?")
EVERY = 10_000  # rows between two calls of progress


@dataclass(frozen=True, slots=True)
class Log:
    """Events in columns, (rows,) each; queries and documents by number.

    `position` is 0 throughout where the log has none (`positions` is false); `time` is seconds, NaN where it has none. `impressions`
    says whether any row is of a document that was shown and not clicked.
    """

    queries: tuple[str, ...]
    documents: tuple[str, ...]
    query: NDArray[np.int64]
    document: NDArray[np.int64]
    position: NDArray[np.int64]
    shown: NDArray[np.int64]
    clicked: NDArray[np.int64]
    time: NDArray[np.float64]
    positions: bool
    impressions: bool
    left_out: Mapping[str, int]
    skipped: tuple[Skip, ...]


@dataclass(slots=True)
class _Reading:
    """The columns as they grow. A query is known by its text, or else by its id until the log or `texts` says the text."""

    texts: dict[str, str]
    names: dict[tuple[str, str], int] = field(default_factory=dict)
    documents: dict[str, int] = field(default_factory=dict)
    whole: tuple[array[int], ...] = field(default_factory=lambda: tuple(array("q") for _ in range(5)))
    time: array[float] = field(default_factory=lambda: array("d"))
    left_out: Counter[str] = field(default_factory=Counter)
    skipped: list[Skip] = field(default_factory=list)


def read_clicks(sources: Sequence[Path], texts: Mapping[str, str], progress: Callable[[str, int, int], None]) -> Log:
    """A log of one file or several.

    A row is an event: a query (text or id), a document's id and, where the log has them, a position from 1, a time (ISO 8601, or a number)
    and what happened: `clicked` (0 or 1) of a document that was shown, or `action_name`, a click or an impression; with neither every
    row is a click. Texts that differ in case and white space are one query, under the text that came first. Times without a zone are in
    UTC. Rows that are not as expected are Skips. Memory is 48 bytes a row, and the texts.

    Args:
        texts: query id -> text, for rows that have an id alone. Rows with both teach it too.

    Raises:
        InputError: a file cannot be read, its first row has no query or document, a position is 0, or no row is left.
    """
    if not sources:
        raise InputError("No click log is given; expected JSONL, CSV or TSV files, one event a row.")
    reading = _Reading(dict(texts))
    number = 0
    for path in sources:
        require_file(path, "a click log: JSONL, CSV or TSV, one event a row")
        first = True
        for row in read_rows(path):
            number += 1
            if number % EVERY == 0:
                progress("rows", number, 0)
            if isinstance(row, Skip):
                reading.skipped.append(row)
                continue
            try:
                _take(row, reading)
            except Malformed as error:
                if first and isinstance(error, NoColumn):
                    raise InputError(f"{error}. Rename a column.") from error
                reading.skipped.append(Skip(row.place, str(error).removeprefix(f"{row.place} has ")))
            first = False
    return _finished(reading, sources)


def _take(row: Row, reading: _Reading) -> None:
    fields = _flat(row.fields)
    of_document, of_action = column(fields, None, _DOCUMENTS), column(fields, None, _ACTIONS)
    if of_document is None and of_action is not None and not _is_click(fields, of_action):
        reading.left_out["events without a document"] += 1
        return
    if of_document is None:
        raise NoColumn(missing(row.place, fields, "document", None, _DOCUMENTS))
    name = _query(row.place, fields, reading)
    if (happened := _happened(fields, reading)) is None:
        return
    document, position, time = identifier(fields[of_document]), _position(row.place, fields), _time(fields)
    numbers = (reading.names.setdefault(name, len(reading.names)), reading.documents.setdefault(document, len(reading.documents)))
    for values, value in zip(reading.whole, (*numbers, position, *happened), strict=True):
        values.append(value)
    reading.time.append(time)


def _flat(fields: Mapping[str, Any]) -> Mapping[str, Any]:
    """The fields of a row; object and position of UBI, which lie deeper, beside the others."""
    attributes = fields.get("event_attributes")
    try:
        attributes = json.loads(attributes) if isinstance(attributes, str) else attributes
    except (ValueError, RecursionError):
        return fields
    if not isinstance(attributes, dict):
        return fields
    parts = (attributes.get("object"), attributes.get("position"))
    inner = {name: value for part in parts if isinstance(part, dict) for name, value in part.items()}
    return {**{name: inner[name] for name in ("object_id", "ordinal") if name in inner}, **fields}


def _query(place: str, fields: Mapping[str, Any], reading: _Reading) -> tuple[str, str]:
    of_text, of_id = column(fields, None, _QUERY_TEXTS), column(fields, None, _QUERY_IDS)
    if of_text is None and of_id is None:
        raise NoColumn(missing(place, fields, "query", None, (*_QUERY_TEXTS, *_QUERY_IDS)))
    text = " ".join(content(fields[of_text], "query").split()) if of_text is not None else ""
    if text and of_id is not None and fields[of_id] not in (None, ""):
        reading.texts.setdefault(identifier(fields[of_id]), text)
    if not text and of_id is None:
        raise Malformed("the query is empty")
    return ("text", text) if text else ("id", identifier(fields[of_id or ""]))


def _is_click(fields: Mapping[str, Any], of_action: str | None) -> bool:
    return of_action is not None and "click" in str(fields[of_action]).lower()


def _happened(fields: Mapping[str, Any], reading: _Reading) -> tuple[int, int] | None:
    """Whether the document was shown, and whether it was clicked; None for another event."""
    of_click, of_action = column(fields, None, _CLICKS), column(fields, None, _ACTIONS)
    if of_click is not None:
        said = _YES_NO.get(str(fields[of_click] if fields[of_click] is not None else "").strip().lower())
        if said is None:
            raise Malformed(f"the click is {str(fields[of_click])[:60]!r}, expected 0 or 1")
        return 1, said
    if of_action is None or _is_click(fields, of_action):
        return 0, 1
    if str(fields[of_action]).strip().lower() in _SHOWN:
        return 1, 0
    reading.left_out[f"events {str(fields[of_action])[:40]!r}, neither click nor impression"] += 1
    return None


def _position(place: str, fields: Mapping[str, Any]) -> int:
    of_position = column(fields, None, _POSITIONS)
    if of_position is None or fields[of_position] in (None, ""):
        return 0
    found = _WHOLE.fullmatch(str(fields[of_position]).strip())
    if found is None:
        raise Malformed(f"the position is {str(fields[of_position])[:60]!r}, expected a whole number from 1 to 9999")
    if int(found[1]) == 0:  # the log counts from 0, or says something else with it: either way every position would be wrong
        raise InputError(f"{place} has position 0; expected positions that count from 1. Add 1 to the column {of_position!r}.")
    return int(found[1])


def _time(fields: Mapping[str, Any]) -> float:
    """Seconds since 1970; numbers as they are, in whatever unit: only their order counts. NaN where there is none."""
    of_time = column(fields, None, _TIMES)
    value = fields[of_time] if of_time is not None else None
    if value is None or value == "":
        return math.nan
    try:
        found = float(value) if not isinstance(value, bool) else math.nan
    except (ValueError, TypeError, OverflowError):
        try:
            moment = datetime.fromisoformat(str(value).strip().replace("/", "-"))
            found = moment.replace(tzinfo=moment.tzinfo or UTC).timestamp()
        except (ValueError, OverflowError) as error:
            raise Malformed(f"the time is {str(value)[:60]!r}, expected ISO 8601 or a number") from error
    if not math.isfinite(found):
        raise Malformed(f"the time is {str(value)[:60]!r}, expected ISO 8601 or a number")
    return found


def _finished(reading: _Reading, sources: Sequence[Path]) -> Log:
    """The columns as arrays: queries joined by their texts, rows left out that lack what other rows have."""
    query, document, position, shown, clicked = (np.array(values, dtype=np.int64) for values in reading.whole)
    time = np.array(reading.time)
    texts: dict[str, str] = {}
    number: dict[str, int] = {}
    joined = []
    for kind, name in reading.names:
        text = name if kind == "text" else reading.texts.get(name, "")
        texts.setdefault(same(text), text)
        joined.append(number.setdefault(same(text), len(number)) if text else -1)
    query = np.array(joined, dtype=np.int64)[query] if joined else query
    positions, timed = bool(position.any()), bool((~np.isnan(time)).any())
    reasons = {
        "rows with a query id that has no text: name the file of queries with --queries": query < 0,
        "rows without a position, which others have": (position == 0) & positions,
        "rows without a time, which others have": np.isnan(time) & timed,
    }
    good = np.ones(len(query), dtype=bool)
    for reason, bad in reasons.items():
        reading.left_out[reason] += int((good & bad).sum())
        good &= ~bad
    left_out, skipped = dict(+reading.left_out), tuple(reading.skipped)
    if not good.any():
        why = [f"{count} {reason}" for reason, count in left_out.items()] + [f"{skip.id}: {skip.reason}" for skip in skipped[:1]]
        named = ", ".join(map(str, sources))
        raise InputError(f"{named} has no event that can be used ({'; '.join(why) or 'empty'}). Mend the rows, or name another log.")
    return Log(
        queries=tuple(texts[text] for text in number),
        documents=tuple(reading.documents),
        query=query[good],
        document=document[good],
        position=position[good],
        shown=shown[good],
        clicked=clicked[good],
        time=time[good],
        positions=positions,
        impressions=bool((shown > clicked)[good].any()),
        left_out=left_out,
        skipped=skipped,
    )
