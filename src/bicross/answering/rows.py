"""Known texts, each with its answer or label, out of a file of rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from bicross.data.arrow import read_tables
from bicross.data.lines import Malformed, require_file
from bicross.data.rows import Row, column, content, identifier, missing, read_rows
from bicross.errors import InputError
from bicross.records import Skip

TEXTS = ("question", "text", "query", "utterance", "sentence", "问题", "文本")
LABELS = ("label", "intent", "category", "class", "标签", "类别")
ANSWERS = ("answer", "response", "reply", "答案", "回答")
IDS = ("_id", "id")
ARROW = (".parquet", ".arrow")


@dataclass(frozen=True, slots=True)
class Known:
    """A text and its label; of an FAQ the label is the answer."""

    id: str
    text: str
    label: str


def read_known(source: Path, text: str | None, label: str | None, usual: Sequence[str]) -> tuple[list[Known], list[Skip]]:
    """Rows of a JSONL, CSV, TSV, Parquet or Arrow file, or of the corpus.jsonl of a folder. `text` and `label` name their columns; None for
    the usual names, of labels `usual`. A row without an id is named by its place.

    Raises:
        InputError: the file cannot be read, or its first row has no such columns.
    """
    path = source / "corpus.jsonl" if source.is_dir() else source
    require_file(path, "a file of rows (JSONL, CSV, TSV or Parquet), or a folder with a corpus.jsonl")
    known, skipped = list[Known](), list[Skip]()
    for row in _rows(path):
        if isinstance(row, Skip):
            skipped.append(row)
            continue
        names = column(row.fields, text, TEXTS), column(row.fields, label, usual)
        for name, what, given, tried in zip(names, ("text", "label"), (text, label), (TEXTS, usual), strict=True):
            if name is None and not known and not skipped:
                flag = "--text-column" if what == "text" else "--label-column"
                raise InputError(f"{missing(row.place, row.fields, what, given, tried)}; name it with {flag}.")
        try:
            known.append(_known(row, *names))
        except Malformed as error:
            skipped.append(Skip(row.place, str(error)))
    return known, skipped


def _rows(path: Path) -> Iterator[Row | Skip]:
    return read_tables([path]) if path.suffix.lower() in ARROW else read_rows(path)


def _known(row: Row, text: str | None, label: str | None) -> Known:
    if text is None or label is None:
        raise Malformed("a column is missing")
    found, said = content(row.fields[text], "text").strip(), row.fields[label]
    name = str(said).strip() if isinstance(said, int | float) and not isinstance(said, bool) else content(said, "label").strip()
    if not found or not name:
        raise Malformed("the text is empty" if not found else "the label is empty")
    place = column(row.fields, None, IDS)
    return Known(row.place if place is None else identifier(row.fields[place]), found, name)
