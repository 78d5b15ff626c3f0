"""Documents, queries and judgements by their ids in ir_datasets (https://ir-datasets.com), from what is on disk. Nothing is fetched.

    ir_datasets:beir/scifact/test

The only file that imports the package.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NoReturn

from bicross.data.plain import plain
from bicross.data.rows import Row
from bicross.errors import InputError, MissingExtra

PREFIX = "ir_datasets:"

_TITLES = ("title", "headline", "page_title", "document_title")
_CHUNK = 256  # records between two looks at whether the library would fetch something


def dataset_id(path: Path) -> str | None:
    """The id that a source names with the prefix; None where it is a path."""
    name = str(path)
    return name.removeprefix(PREFIX) if name.startswith(PREFIX) else None


def document_rows(name: str) -> Iterator[Row]:
    """Documents with `_id`, `title` and `text`: together the document's `default_text`, the title apart where that begins with it.

    Fields that `default_text` does not read are columns of their own. `place` is the id and the number of the document, from 1.

    Raises:
        MissingExtra: ir_datasets is not installed.
        InputError: there is no such dataset, it has no documents, or they are not on disk; the last names the command that fetches them.
    """
    return _rows(name, "docs", "_id", "doc_id")


def query_rows(name: str) -> Iterator[Row]:
    """Queries with `_id` and `text`, their `default_text`; other fields are columns of their own. Raises as `document_rows`."""
    for row in _rows(name, "queries", "_id", "query_id"):
        fields = dict(row.fields)
        title = fields.pop("title")
        yield Row(row.place, {**fields, "text": f"{title} {fields['text']}".strip() if title else fields["text"]})


def judgements(name: str) -> Iterator[tuple[str, str, str, str]]:
    """Place, query id, document id and grade of each judgement. Raises as `document_rows`."""
    for number, judged in enumerate(_records(name, "qrels"), start=1):
        yield f"{PREFIX}{name}:{number}", judged.query_id, judged.doc_id, str(judged.relevance)


def count_documents(name: str) -> int:
    """How many documents the library says there are; 0 where it does not. Raises as `document_rows`."""
    dataset = _load(name, "docs")
    with _offline(name, "docs"):
        return int(dataset.docs_count() or 0)


def _rows(name: str, kind: str, id_column: str, id_field: str) -> Iterator[Row]:
    for number, record in enumerate(_records(name, kind), start=1):
        text, read = _default_text(record)
        if text is None:
            raise InputError(f"The {kind} of {PREFIX}{name} are of the kind {type(record).__name__}, which has no text. Name another.")
        title_field = next((field for field in _TITLES if field in read and field in record._fields), None)
        title = str(getattr(record, title_field) or "") if title_field else ""
        if title_field and text.startswith(title):
            text = text[len(title) :].lstrip()
        else:
            title = ""
        others = {field: plain(value) for field, value in zip(record._fields, record, strict=True) if field not in (id_field, *read)}
        yield Row(f"{PREFIX}{name}:{number}", {**others, id_column: getattr(record, id_field), "title": title, "text": text})


def _default_text(record: Any) -> tuple[str | None, tuple[str, ...]]:
    """A record's default text, and the names that it is made of, its fields among them; a few kinds have none, but a field `text`."""
    if hasattr(record, "default_text"):
        return str(record.default_text()), type(record).default_text.__code__.co_names
    return (str(record.text), ("text",)) if hasattr(record, "text") else (None, ())


def _records(name: str, kind: str) -> Iterator[Any]:
    """The records of one kind ("docs", "queries", "qrels"), a chunk at a time."""
    dataset = _load(name, kind)
    with _offline(name, kind):
        records = iter(getattr(dataset, f"{kind}_iter")())
    while True:
        with _offline(name, kind):
            chunk = list(itertools.islice(records, _CHUNK))
        if not chunk:
            return
        yield from chunk


def _load(name: str, kind: str) -> Any:
    try:
        import ir_datasets
    except ImportError as error:
        raise MissingExtra(f"{PREFIX}{name} needs ir_datasets, which is not installed: pip install 'bicross[formats]'") from error
    try:
        dataset = ir_datasets.load(name)
    except KeyError as error:
        known = get_close_matches(name, list(ir_datasets.registry), n=3, cutoff=0.5)
        near = f"Near it are {', '.join(known)}. " if known else ""
        raise InputError(f"ir_datasets has no dataset {name!r}. {near}All are listed by: ir_datasets list") from error
    if not dataset.has(kind):
        has = [one for one in ("docs", "queries", "qrels") if dataset.has(one)]
        others = [one for one in ir_datasets.registry if one.startswith(f"{name}/") and ir_datasets.load(one).has(kind)][:5]
        below = f" Name one that has: {', '.join(others)}." if others else ""
        raise InputError(f"{PREFIX}{name} has no {kind}; it has {' and '.join(has) or 'nothing that is read'}.{below}")
    return dataset


class _WouldFetch(BaseException):
    """The library was about to open a connection. No Exception, so that its own retries and mirrors do not catch it."""


@contextmanager
def _offline(name: str, kind: str) -> Iterator[None]:
    """What is asked inside reads the disk alone: the library has no switch for it, so its ways out are shut one by one.

    Raises:
        InputError: something would be fetched, or cannot be read.
    """
    with _shut(_ways_out()):
        try:
            yield
        except _WouldFetch as error:
            raise InputError(
                f"The {kind} of {PREFIX}{name} are not on disk, and nothing is fetched without being asked for. "
                f"Fetch them once with: ir_datasets export {name} {kind} > /dev/null"
            ) from error
        except Exception as error:
            raise InputError(f"The {kind} of {PREFIX}{name} cannot be read ({type(error).__name__}: {error}).") from error


def _ways_out() -> list[Any]:
    """The library's classes that open connections."""
    from ir_datasets.util.download import BaseDownload, LocalDownload

    return [kind for kind in BaseDownload.__subclasses__() if not issubclass(kind, LocalDownload)]


@contextmanager
def _shut(kinds: list[Any]) -> Iterator[None]:
    opened = [kind.stream for kind in kinds]

    def refuse(self: object) -> NoReturn:
        raise _WouldFetch(repr(self))

    for kind in kinds:
        kind.stream = refuse
    try:
        yield
    finally:
        for kind, stream in zip(kinds, opened, strict=True):
            kind.stream = stream
