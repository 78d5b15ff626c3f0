"""Rows of Parquet and Arrow files, a batch of records at a time. The only file that imports pyarrow."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bicross.data.plain import plain
from bicross.data.rows import Row
from bicross.errors import InputError, MissingExtra
from bicross.records import Skip

if TYPE_CHECKING:
    from bicross.vectors import Vectors

_BATCH = 256  # rows that are Python objects at once
_BUFFER = 1 << 20  # bytes of a Parquet column that are read ahead
_UNREADABLE = (ValueError, OverflowError, LookupError)  # what pyarrow raises where Python has no such value: UnicodeDecodeError is one
_LFS_POINTER = b"version https://git-lfs"
_IPC_FILE = b"ARROW1"  # the magic of the file format, which a stream lacks


def read_tables(paths: Sequence[Path]) -> Iterator[Row | Skip]:
    """Rows of the files in their order; `place` is file:row, rows counted from 1. A row with a text that is not UTF-8, or with a value that
    Python cannot hold, is a Skip.

    Nested columns become lists and mappings, times text (ISO 8601; those with a zone in UTC), a column of bytes text where it is UTF-8
    (some writers of Parquet do not say that it is), and values that JSON cannot say what it can (`plain`). Memory holds a batch of rows,
    and of a Parquet file what one of its row groups needs.

    Raises:
        MissingExtra: pyarrow is not installed.
        InputError: a file cannot be read, or names a column twice.
    """
    for path in paths:
        with _explained(path):
            first = 1
            for batch in _batches(path):
                for start in range(0, batch.num_rows, _BATCH):
                    yield from _rows(path, batch.slice(start, _BATCH), first + start)
                first += batch.num_rows


def parquet_of_vectors(columns: Mapping[str, Sequence[Any]], vectors: Vectors, facts: Mapping[str, Any]) -> bytes:
    """A Parquet file of the columns and the vectors (rows, dim), the latter as lists of one size; `facts` as JSON in its metadata.

    Raises:
        MissingExtra: pyarrow is not installed.
    """
    pa, pq = _writing()
    width = vectors.shape[1]
    lists = pa.FixedSizeListArray.from_arrays(pa.array(vectors.reshape(-1)), width)
    table = pa.table({**columns, "vector": lists}).replace_schema_metadata({"bicross": json.dumps(facts)})
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    return bytes(sink.getvalue())


def parquet_of_rows(rows: Sequence[Mapping[str, Any]]) -> bytes:
    """A Parquet file of the rows; a column that a row lacks is null there.

    Raises:
        MissingExtra: pyarrow is not installed. InputError: a column has values of several kinds.
    """
    pa, pq = _writing()
    names = dict.fromkeys(name for row in rows for name in row)
    try:
        table = pa.table({name: pa.array([row.get(name) for row in rows]) for name in names})
    except (pa.ArrowException, ValueError, OverflowError) as error:
        raise InputError(f"A column cannot be written as Parquet ({error}); write JSONL.") from error
    written = pa.BufferOutputStream()
    pq.write_table(table, written)
    return bytes(written.getvalue())


def _writing() -> tuple[Any, Any]:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        raise MissingExtra("Writing Parquet needs pyarrow, which is not installed: pip install 'bicross[formats]'") from error
    return pa, pq


def count_rows(paths: Sequence[Path]) -> int:
    """How many rows the files have; no column is read. Raises as `read_tables`."""
    total = 0
    for path in paths:
        with _explained(path):
            if _is_parquet(path):
                total += _parquet(path).metadata.num_rows
            else:
                total += sum(batch.num_rows for batch in _ipc_batches(path))
    return total


def _batches(path: Path) -> Iterator[Any]:
    if not _is_parquet(path):
        return _ipc_batches(path)
    file = _parquet(path)
    _check_columns(path, file.schema_arrow.names)
    return iter(file.iter_batches(batch_size=_BATCH))


def _parquet(path: Path) -> Any:
    from pyarrow.parquet import ParquetFile

    return ParquetFile(path, buffer_size=_BUFFER, pre_buffer=False)


def _ipc_batches(path: Path) -> Iterator[Any]:
    """Batches of an Arrow file or stream, mapped from the disk."""
    import pyarrow as pa

    with pa.memory_map(str(path)) as source:
        if _head(path).startswith(_IPC_FILE):
            reader = pa.ipc.open_file(source)
            _check_columns(path, reader.schema.names)
            yield from (reader.get_batch(number) for number in range(reader.num_record_batches))
        else:
            stream = pa.ipc.open_stream(source)
            _check_columns(path, stream.schema.names)
            yield from stream


def _rows(path: Path, batch: Any, first: int) -> Iterator[Row | Skip]:
    """The rows of a batch, the first of which is number `first` of the file."""
    batch = _with_times_as_text(batch)
    try:
        rows = batch.to_pylist()
    except _UNREADABLE:
        rows = None
    for offset in range(batch.num_rows):
        place = f"{path}:{first + offset}"
        try:
            fields = rows[offset] if rows is not None else batch.slice(offset, 1).to_pylist()[0]
        except UnicodeDecodeError as error:
            yield Skip(place, f"a text is not UTF-8 at byte {error.start}")
        except _UNREADABLE as error:
            yield Skip(place, f"a value cannot be read ({error})")
        else:
            yield Row(place, {name: plain(_decoded(value)) for name, value in fields.items()})


def _with_times_as_text(batch: Any) -> Any:
    """The batch with each column of times as text: Python's own times know no nanoseconds, no years beyond 9999 and not every zone."""
    import pyarrow as pa

    for place, field in enumerate(batch.schema):
        if pa.types.is_timestamp(field.type) or pa.types.is_date(field.type) or pa.types.is_time(field.type):
            batch = batch.set_column(place, field.name, _iso(batch.column(place)))
    return batch


def _iso(column: Any) -> Any:
    """Times as text."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if not pa.types.is_timestamp(column.type):
        return column.cast(pa.string())
    without_zone = column.cast(pa.timestamp(column.type.unit))  # the moment in UTC
    text = pc.replace_substring(without_zone.cast(pa.string()), " ", "T")
    return text if column.type.tz is None else pc.binary_join_element_wise(text, "Z", "")


def _decoded(value: Any) -> Any:
    if not isinstance(value, bytes):
        return value
    try:
        return value.decode()
    except UnicodeDecodeError:
        return None


def _check_columns(path: Path, names: Sequence[str]) -> None:
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise InputError(f"{path} names the column {twice[0]!r} more than once: {', '.join(names)}. Rename one.")


def _is_parquet(path: Path) -> bool:
    return path.suffix.lower() == ".parquet"


def _head(path: Path) -> bytes:
    with path.open("rb") as handle:
        return handle.read(len(_LFS_POINTER))


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """What pyarrow raises, as an InputError that names the file."""
    try:
        import pyarrow as pa
    except ImportError as error:
        raise MissingExtra(f"{path} needs pyarrow, which is not installed: pip install 'bicross[formats]'") from error
    try:
        if _head(path).startswith(_LFS_POINTER):
            raise InputError(f"{path} is a pointer of Git LFS, not the file itself. Fetch it with: git lfs pull")
        yield
    except (pa.ArrowException, OSError) as error:
        kind = "Parquet" if _is_parquet(path) else "Arrow"
        raise InputError(f"{path} cannot be read as {kind} ({str(error).splitlines()[0][:200]}). Fetch or write it again.") from error
