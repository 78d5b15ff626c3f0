"""Documents, one at a time, from whatever the user names: a BEIR folder, rows of a file, a saved dataset, a file, a folder of files."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from bicross.data import ir_datasets
from bicross.data.arrow import read_tables
from bicross.data.files import CODE, TEXTS, is_document, read_file, read_folder
from bicross.data.lines import Malformed
from bicross.data.rows import JSONL, TABLES, NoColumn, Row, column, content, identifier, missing, read_rows
from bicross.data.tables import TABLE_FILES, find_table
from bicross.errors import InputError
from bicross.records import Document, Skip
from bicross.settings import ColumnSettings

_USUAL = ColumnSettings()
_IDS = ("_id", "id", "doc_id", "docid", "doc-id")
_TEXTS = ("text", "content", "body", "contents", "passage")
_TITLES = ("title", "heading", "name")
_FILES = ", ".join(TEXTS + JSONL + TABLES + TABLE_FILES)
_KINDS = f"a folder, a file that ends in {_FILES}, source code ({', '.join(CODE)}), or {ir_datasets.PREFIX}ID"
Reader = Callable[[], Iterator[Document | Skip]]


def read_documents(sources: Sequence[Path], columns: ColumnSettings = _USUAL) -> Iterator[Document | Skip]:
    """Documents of all sources in their order, and a Skip for each row or file that is not one.

    A source is a BEIR folder (it has corpus.jsonl), a JSONL, CSV, TSV, Parquet or Arrow file, a table in a folder (`find_table`),
    a file of text, Markdown, HTML, PDF, Word, e-mail or source code, a folder of such files, searched recursively in the order of names, or
    `ir_datasets:` and an id.
    Title and text keep their characters exactly, so that offsets hold; the
    text of an HTML page is what was extracted. A row with a title and no text has its title for text. All columns but id, title
    and text go to `meta`. A file's id is its path below the source, with /. Of an id that comes twice the first is kept.
    Memory holds one document and the ids seen.

    Raises:
        InputError: no source is given, one does not exist or is of an unknown kind, its first row has no id or text column,
            or it has no readable document. All are raised before any document is given: the others, where there is more than
            one source, by reading each up to its first document.
    """
    if not sources:
        raise InputError(f"No source is given; expected {_KINDS}.")
    readers = [(source, _reader(source, columns)) for source in sources]
    if len(readers) > 1:
        for source, reader in readers:
            any(isinstance(item, Document) for item in _never_empty(source, reader))
    return _without_repeats(readers)


def _reader(source: Path, columns: ColumnSettings) -> Reader:
    if (name := ir_datasets.dataset_id(source)) is not None:
        return lambda: _from_rows(ir_datasets.document_rows(name), columns)
    try:
        corpus = source / "corpus.jsonl"
        is_beir = corpus.is_file()
        if not is_beir and (table := find_table(source, "documents")) is not None:
            return lambda: _from_rows(read_tables(table), columns)
        source.stat()
    except FileNotFoundError as error:
        raise InputError(f"{source} does not exist; expected {_KINDS}.") from error
    except OSError as error:
        raise InputError(f"{source} cannot be read ({error.strerror}); expected {_KINDS}.") from error
    if source.is_dir():
        return (lambda: _from_rows(read_rows(corpus), columns)) if is_beir else (lambda: read_folder(source))
    if source.is_file() and source.suffix.lower() in JSONL + TABLES:
        return lambda: _from_rows(read_rows(source), columns)
    if source.is_file() and is_document(source.name):
        return lambda: read_file(source, source.name)
    raise InputError(f"{source} is not a kind of source that is read; expected {_KINDS}.")


def is_folder_of_files(source: Path) -> bool:
    """Whether a source is read file by file: a folder without rows of its own. Raises InputError where tables cannot be told apart."""
    return source.is_dir() and not (source / "corpus.jsonl").is_file() and find_table(source, "documents") is None


def _never_empty(source: Path, read: Reader) -> Iterator[Document | Skip]:
    skipped, first, found = 0, None, False
    try:
        for item in read():
            if isinstance(item, Skip):
                skipped, first = skipped + 1, first or item
            else:
                found = True
            yield item
    except OSError as error:
        raise InputError(f"{error.filename or source} cannot be read: {error.strerror}. Check its permissions and run again.") from error
    if not found:
        why = f"{skipped} skipped, the first being {first.id}: {first.reason}" if first else "it is empty"
        expected = f"files that end in {', '.join(TEXTS)}, or corpus.jsonl" if source.is_dir() else "one document or more"
        raise InputError(f"{source} has no readable document ({why}); expected {expected}. Mend it, or name another source.")


def _without_repeats(readers: Sequence[tuple[Path, Reader]]) -> Iterator[Document | Skip]:
    seen: set[str] = set()
    for source, reader in readers:
        for item in _never_empty(source, reader):
            if isinstance(item, Document):
                if item.id in seen:
                    yield Skip(item.id, f"the id comes a second time (in {source}); the first is kept")
                    continue
                seen.add(item.id)
            yield item


def _from_rows(rows: Iterable[Row | Skip], columns: ColumnSettings) -> Iterator[Document | Skip]:
    first = True
    for row in rows:
        if isinstance(row, Skip):
            yield row
            continue
        if first and columns.title is not None and columns.title not in row.fields:
            raise InputError(f"{missing(row.place, row.fields, 'title', columns.title, ())}. Name another with --title-column.")
        try:
            yield _document(row, columns)
        except NoColumn as error:
            if first:  # the file has other columns than expected: all its rows would be skipped
                raise InputError(f"{error}.") from error
            yield Skip(row.place, str(error).removeprefix(f"{row.place} has "))
        except Malformed as error:
            yield Skip(row.place, str(error))
        first = False


def _document(row: Row, columns: ColumnSettings) -> Document:
    fields = row.fields
    of_id = column(fields, columns.id, _IDS)
    of_text = column(fields, columns.text, _TEXTS)
    of_title = column(fields, columns.title, _TITLES)
    if of_id is None:
        raise NoColumn(f"{missing(row.place, fields, 'id', columns.id, _IDS)}; name it with --id-column")
    if of_text is None:
        raise NoColumn(f"{missing(row.place, fields, 'text', columns.text, _TEXTS)}; name it with --text-column")
    title = content(fields[of_title], "title") if of_title is not None else ""
    text = content(fields[of_text], "text")
    if not text.strip():
        text = title
    if not text.strip():
        raise Malformed("the text is empty")
    meta = {name: value for name, value in fields.items() if name not in (of_id, of_text, of_title)}
    return Document(identifier(fields[of_id]), text, title, meta)
