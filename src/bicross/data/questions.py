"""Questions and relevance judgements, out of the files that the field keeps them in."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from bicross.data import ir_datasets
from bicross.data.arrow import read_tables
from bicross.data.lines import Malformed, encoding_of, read_lines, require_file
from bicross.data.rows import JSONL, NoColumn, Row, column, content, identifier, missing, read_csv, read_rows, read_tsv
from bicross.data.tables import find_table, named_like
from bicross.data.trec import unescaped
from bicross.errors import InputError
from bicross.records import Qrels, Query, Skip

_IDS = ("_id", "id", "query-id", "query_id", "qid")
_TEXTS = ("text", "query", "question")
_QUERY_COLUMNS = ("query-id", "query_id", "qid", "query")
_DOCUMENT_COLUMNS = ("corpus-id", "corpus_id", "doc-id", "doc_id", "docid", "document-id", "document_id")
_GRADE_COLUMNS = ("score", "grade", "relevance", "rel", "label")
_GRADE = re.compile(r"([+-]?[0-9]{1,9})(\.0*)?")  # 1.0 is how a table of floats says 1
_SHAPES = "a table with the header query-id, corpus-id, score (tabs or commas), or TREC lines `query 0 document grade`"


def read_queries(path: Path) -> tuple[list[Query], list[Skip]]:
    """Queries of a BEIR folder, a file or table (`find_table`) with id and text columns, lines `id<TAB>text`, or `ir_datasets:` and an id.

    What was left out comes with them. Columns besides id and text go to `meta`. Of an id that comes twice the first is kept.

    Raises:
        InputError: the path does not exist, has no id or text column, or holds no query.
    """
    queries: dict[str, Query] = {}
    skips: list[Skip] = []
    for row in _query_rows(path):
        if isinstance(row, Skip):
            skips.append(row)
            continue
        try:
            query = _query(row)
        except Malformed as error:
            if isinstance(error, NoColumn) and not queries:
                raise InputError(f"{error}.") from error
            skips.append(Skip(row.place, str(error).removeprefix(f"{row.place} has ")))
            continue
        if query.id in queries:
            skips.append(Skip(query.id, f"the id comes a second time (in {row.place}); the first is kept"))
        else:
            queries[query.id] = query
    if not queries:
        why = f"the first of {len(skips)} skipped is {skips[0].id}: {skips[0].reason}" if skips else "it is empty"
        raise InputError(f"{path} has no query ({why}); expected rows with an id and a text.")
    return list(queries.values()), skips


def read_qrels(path: Path) -> dict[str, dict[str, int]]:
    """Judgements of a file or table with the columns of BEIR's, of TREC lines, of a folder that has one of them, or of an ir_datasets id.

    Grades are whole numbers, kept as they are; 0 and below (which TREC uses for spam) is judged and not relevant. A pair may be
    repeated with the same grade.

    Raises:
        InputError: the path does not exist, a row is not a judgement, a pair has two grades, or there is none; file and line are named.
    """
    qrels: dict[str, dict[str, int]] = {}
    for place, query_id, doc_id, grade in _judgements(path):
        try:
            query_id, doc_id, value = identifier(query_id), identifier(doc_id), _whole(str(grade))
        except Malformed as error:
            raise InputError(f"{place} is not a judgement: {error}.") from error
        known = qrels.setdefault(query_id, {}).setdefault(doc_id, value)
        if known != value:
            raise InputError(f"{place} gives {doc_id!r} grade {value} for query {query_id!r}, but an earlier line says {known}. Keep one.")
    if not qrels:
        raise InputError(f"{path} has no judgement; expected {_SHAPES}.")
    return qrels


def read_splits(path: Path) -> dict[str, dict[str, dict[str, int]]]:
    """Split -> judgements, of a folder with several: BEIR's qrels/*.tsv, or tables of judgements; else `read_qrels` as "test".

    Raises:
        InputError: as `read_qrels`.
    """
    files = _beir_files(path) if path.is_dir() else []
    if files:
        return {file.stem: read_qrels(file) for file in files}
    names = named_like(path, "judgements")
    splits = {name.rpartition("/")[2]: read_qrels(path / name) for name in names if name}
    return splits if len(splits) == len(names) and splits else {"test": read_qrels(path)}


def qrels_bytes(qrels: Qrels) -> bytes:
    """Judgements as BEIR's table, which `read_qrels` reads."""
    rows = [f"{query}\t{document}\t{grade}\n" for query, grades in qrels.items() for document, grade in grades.items()]
    return ("query-id\tcorpus-id\tscore\n" + "".join(rows)).encode()


def _whole(grade: str) -> int:
    found = _GRADE.fullmatch(grade.strip())
    if found is None:
        raise Malformed(f"the grade is {grade!r}, expected a whole number")
    return int(found[1])


def _query_rows(path: Path) -> Iterable[Row | Skip]:
    if (name := ir_datasets.dataset_id(path)) is not None:
        return ir_datasets.query_rows(name)
    in_folder = path / "queries.jsonl"
    if not in_folder.is_file() and (table := find_table(path, "queries")) is not None:
        return read_tables(table)
    path = in_folder if path.is_dir() else path
    require_file(path, "a file of queries, a BEIR folder with queries.jsonl, or a folder with a table of queries")
    if path.suffix.lower() in JSONL:
        return read_rows(path)
    head = _head(path)
    cells = [cell.strip().strip('"').lower() for cell in head.split("\t")]
    if len(cells) == 2 and not set(cells) & {*_IDS, *_TEXTS}:
        return _bare_lines(path)
    return _table(path, head)


def _table(path: Path, head: str) -> Iterator[Row | Skip]:
    """Rows of a table whatever its suffix. Quotation marks mean something between tabs only if the header has them."""
    return read_tsv(path) if "\t" in head and '"' not in head else read_csv(path)


def _bare_lines(path: Path) -> Iterator[Row | Skip]:
    """Lines `id<TAB>text`."""
    for line in read_lines(path, encoding_of(path)):
        query_id, tab, text = line.text.rstrip("\r\n").partition("\t")
        place = f"{path}:{line.number}"
        if line.reason or (line.text.strip() and not tab):
            yield Skip(place, line.reason or "no tab between id and text")
        elif line.text.strip():
            yield Row(place, {"id": query_id, "text": text})


def _query(row: Row) -> Query:
    of_id, of_text = column(row.fields, None, _IDS), column(row.fields, None, _TEXTS)
    if of_id is None or of_text is None:
        what, usual = ("id", _IDS) if of_id is None else ("text", _TEXTS)
        raise NoColumn(f"{missing(row.place, row.fields, what, None, usual)}; rename a column")
    text = content(row.fields[of_text], "text")
    if not text.strip():
        raise Malformed("the text is empty")
    meta = {name: value for name, value in row.fields.items() if name not in (of_id, of_text)}
    return Query(identifier(row.fields[of_id]), text, meta)


def _qrels_file(path: Path) -> Path:
    if not path.is_dir():
        require_file(path, f"a file of judgements: {_SHAPES}")
        return path
    files = _beir_files(path)
    if len(files) != 1:
        found = ", ".join(str(file) for file in files) or "none"
        raise InputError(f"{path} has {len(files)} files of judgements ({found}), expected one. Name the file itself.")
    return files[0]


def _judgements(path: Path) -> Iterator[tuple[str, Any, Any, Any]]:
    """Place, query id, document id and grade of each row."""
    if (name := ir_datasets.dataset_id(path)) is not None:
        yield from ir_datasets.judgements(name)
        return
    if not _beir_files(path) and (table := find_table(path, "judgements")) is not None:
        yield from _judged_rows(read_tables(table))
        return
    path = _qrels_file(path)
    if path.suffix.lower() in JSONL:
        yield from _judged_rows(read_rows(path))
        return
    head = _head(path)
    cells = dict.fromkeys(cell.strip().strip('"') for cell in head.split("\t" if "\t" in head else ","))
    of_query, of_document, of_grade = (column(cells, None, usual) for usual in (_QUERY_COLUMNS, _DOCUMENT_COLUMNS, _GRADE_COLUMNS))
    if of_query is not None and of_document is not None and of_grade is not None:
        yield from _judged_rows(_table(path, head))
    elif len(head.split()) == 4:
        yield from _trec_judgements(path)
    else:
        raise InputError(f"{path} begins with {head.strip()[:200]!r}; expected {_SHAPES}.")


def _beir_files(path: Path) -> list[Path]:
    """The files of judgements in a BEIR folder; JSONL where there is no TSV."""
    folder = path / "qrels" if (path / "qrels").is_dir() else path
    return sorted(folder.glob("*.tsv")) or (sorted(folder.glob("*.jsonl")) if folder.name == "qrels" else [])


def _judged_rows(rows: Iterable[Row | Skip]) -> Iterator[tuple[str, Any, Any, Any]]:
    for row in rows:
        if isinstance(row, Skip):
            raise InputError(f"{row.id} is not a judgement: {row.reason}.")
        values = []
        for what, usual in (("query id", _QUERY_COLUMNS), ("document id", _DOCUMENT_COLUMNS), ("grade", _GRADE_COLUMNS)):
            name = column(row.fields, None, usual)
            if name is None:
                raise InputError(f"{missing(row.place, row.fields, what, None, usual)}. Rename a column.")
            values.append(row.fields[name])
        yield row.place, values[0], values[1], values[2]


def _trec_judgements(path: Path) -> Iterator[tuple[str, str, str, str]]:
    for line in read_lines(path, encoding_of(path)):
        fields = line.text.split()
        if line.reason or len(fields) not in (0, 4):
            raise InputError(f"{path}:{line.number} is not a judgement: {line.reason or f'{len(fields)} fields, expected {_SHAPES}'}.")
        if fields:
            yield f"{path}:{line.number}", unescaped(fields[0]), unescaped(fields[2]), fields[3]


def _head(path: Path) -> str:
    """The first line that is not blank."""
    return next((line.text for line in read_lines(path, encoding_of(path)) if line.text.strip()), "")
