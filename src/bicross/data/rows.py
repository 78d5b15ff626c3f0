"""Rows of JSONL, CSV and TSV files, and which column of a row holds what."""

from __future__ import annotations

import csv
import json
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

from bicross.data.lines import LIMIT, SURROGATE, Encoding, Line, Malformed, encoding_of, read_lines
from bicross.errors import InputError
from bicross.records import Skip

JSONL = (".jsonl", ".ndjson", ".json")
TABLES = (".csv", ".tsv")
ID_LIMIT = 512

_ESCAPED_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


class Row(NamedTuple):
    """A row of a file. `place` is file:line, where the row begins."""

    place: str
    fields: Mapping[str, Any]


def read_rows(path: Path) -> Iterator[Row | Skip]:
    """Rows of a JSONL, TSV or (any other suffix) CSV file; one is held at a time. A row that cannot be read is a Skip.

    Raises:
        InputError: the file is a JSON array, or its header cannot be read.
        OSError: the file cannot be read.
    """
    if path.suffix.lower() in JSONL:
        return _jsonl(path)
    return read_tsv(path) if path.suffix.lower() == ".tsv" else read_csv(path)


def column(fields: Mapping[str, Any], given: str | None, usual: Sequence[str]) -> str | None:
    """The column that holds what is looked for: the `given` one, or else the first of the `usual` names, in any case."""
    if given is not None:
        return given if given in fields else None
    lower = {name.lower(): name for name in reversed(list(fields))}
    return next((lower[name] for name in usual if name in lower), None)


class NoColumn(Malformed):
    """A row lacks a column that it must have. If it is the first of its file, the file has other columns than expected."""


def missing(place: str, fields: Mapping[str, Any], what: str, given: str | None, usual: Sequence[str]) -> str:
    """What to say where `column` found nothing."""
    looked_for = repr(given) if given is not None else f"any of {', '.join(usual)}"
    found = ", ".join(fields) or "none"
    return f"{place} has no {what} column: looked for {looked_for}, found {found}"


def identifier(value: object) -> str:
    """An id as text; whole numbers are ids too.

    Raises:
        Malformed: it is not an id; the message says why.
    """
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise Malformed(f"the id is {_kind(value)}, expected text or a whole number")
    name = str(value)
    if not name.strip():
        raise Malformed("the id is empty")
    if len(name) > ID_LIMIT:
        raise Malformed(f"the id has {len(name)} characters, at most {ID_LIMIT} are kept")
    if any(unicodedata.category(character) in ("Cc", "Cs") for character in name):
        raise Malformed(f"the id {name[:80]!a} holds a control character or a lone surrogate")
    return name


def content(value: object, what: str) -> str:
    """A text as it stands; null is empty.

    Raises:
        Malformed: it is not text that can be stored and shown; the message says why.
    """
    if value is None:
        return ""
    if not isinstance(value, str):
        raise Malformed(f"the {what} is {_kind(value)}, expected text")
    if (at := value.find("\0")) >= 0:
        raise Malformed(f"the {what} holds a NUL character at {at}")
    if found := SURROGATE.search(value):
        raise Malformed(f"the {what} holds a lone surrogate at {found.start()}")
    return value


def _kind(value: object) -> str:
    names = {bool: "true or false", int: "a number", float: "a number", list: "a list", dict: "an object", type(None): "null"}
    return names.get(type(value), type(value).__name__)


def _jsonl(path: Path) -> Iterator[Row | Skip]:
    for line in read_lines(path):
        place = f"{path}:{line.number}"
        if not line.reason and not line.text.strip():
            continue
        if line.number == 1 and line.text.lstrip().startswith("["):
            raise InputError(f"{path} holds a JSON array; expected one object a line. Turn it with: jq -c '.[]' {path.name}")
        try:
            yield Row(place, _object(line))
        except Malformed as error:
            yield Skip(place, str(error))


def _object(line: Line) -> dict[str, Any]:
    if line.reason:
        raise Malformed(line.reason)
    try:
        found = json.loads(line.text, parse_constant=_refuse_constant)
    except Malformed:
        raise
    except json.JSONDecodeError as error:
        raise Malformed(f"not JSON: {error.msg} at character {error.pos}") from error
    except (RecursionError, ValueError) as error:  # nested too deeply, or a number of thousands of digits
        raise Malformed(f"not JSON that can be read: {error}") from error
    if not isinstance(found, dict):
        raise Malformed(f"the line is {_kind(found)}, expected an object")
    # Only an escape can bring a lone surrogate in; a good pair of them is one character by now.
    if _ESCAPED_SURROGATE.search(line.text) and (lone := SURROGATE.search(json.dumps(found, ensure_ascii=False))):
        raise Malformed(f"the line holds a lone surrogate, {lone.group()!a}")
    return found


def _refuse_constant(name: str) -> NoReturn:
    raise Malformed(f"not JSON: {name} is no JSON value")


def read_tsv(path: Path) -> Iterator[Row | Skip]:
    """Rows of a tab-separated file with a header and no quoting: a quotation mark in a text is only that.

    (The media type text/tab-separated-values, IANA.) Raises as `read_rows`.
    """
    header: list[str] | None = None
    for line in read_lines(path, encoding_of(path)):
        cells = line.text.rstrip("\r\n").split("\t")
        if not line.reason and not line.text.strip():
            continue
        if header is None:
            if "\r" in line.text.rstrip("\r\n"):
                raise _returns(path)
            header = _header(path, cells, line.reason)
        elif line.reason:
            yield Skip(f"{path}:{line.number}", line.reason)
        else:
            yield _row(f"{path}:{line.number}", header, cells)


class _CsvLines:
    """Feeds the lines of a file to `csv.reader`; unlike a generator it can go on after it has raised."""

    def __init__(self, path: Path, encoding: Encoding) -> None:
        self.lines = read_lines(path, encoding)
        self.number = 0
        self.row_start = 1
        self.size = 0

    def __iter__(self) -> _CsvLines:
        return self

    def __next__(self) -> str:
        line = next(self.lines)
        self.number = line.number
        self.size += len(line.text)
        if line.reason:
            raise Malformed(line.reason)
        if self.size > LIMIT:  # a quotation mark that nothing closes would read the whole file into one field
            raise Malformed(f"the row is longer than {LIMIT // 2**20} MB; is a quotation mark not closed?")
        return line.text

    def begin_row(self) -> str:
        self.row_start, self.size = self.number + 1, 0
        return str(self.row_start)


def read_csv(path: Path) -> Iterator[Row | Skip]:
    """Rows of an RFC 4180 file with a header; commas, semicolons or tabs, whichever the header has most of, separate fields.

    Raises as `read_rows`.
    """
    csv.field_size_limit(max(LIMIT, csv.field_size_limit()))
    encoding = encoding_of(path)
    with_header = next((line for line in read_lines(path, encoding) if line.text.strip() or line.reason), Line(1, ""))
    if "\r" in with_header.text.rstrip("\r\n"):
        raise _returns(path)
    delimiter = max(",;\t", key=with_header.text.count)
    lines = _CsvLines(path, encoding)
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    header: list[str] | None = None
    while True:
        place = f"{path}:{lines.begin_row()}"
        try:
            cells = next(reader)
        except StopIteration:
            return
        except (csv.Error, Malformed) as error:
            if header is None:
                _header(path, [], str(error))
            yield Skip(place, str(error))
            continue
        if not cells or (header is None and not any(map(str.strip, cells))):
            continue
        if header is None:
            header = _header(path, cells, "")
        else:
            yield _row(place, header, cells)


def _returns(path: Path) -> InputError:
    return InputError(
        f"The lines of {path} end in carriage returns alone; expected line feeds. "
        f"Turn it with: tr '\\r' '\\n' < {path.name} > new{path.suffix}"
    )


def _header(path: Path, cells: list[str], reason: str) -> list[str]:
    names = [cell.strip() for cell in cells]
    if reason:
        raise InputError(f"The header of {path} cannot be read: {reason}.")
    if twice := {name for name in names if name and names.count(name) > 1}:
        raise InputError(f"The header of {path} names {', '.join(sorted(map(repr, twice)))} more than once: {', '.join(names)}.")
    return names


def _row(place: str, header: list[str], cells: list[str]) -> Row | Skip:
    if len(cells) != len(header):
        return Skip(place, f"{len(cells)} fields, expected {len(header)} as in the header")
    return Row(place, dict(zip(header, cells, strict=True)))
