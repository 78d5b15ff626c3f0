"""Files of training rows: mined questions, which are written and read back, and the rows that the field's trainers take."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from bicross import durable
from bicross.data.arrow import read_tables
from bicross.data.lines import Malformed, require_file
from bicross.data.rows import JSONL, Row, column, content, identifier, read_rows
from bicross.data.tables import find_table
from bicross.data.values import filled, mapping, number, numbers, texts, unpacked
from bicross.errors import InputError
from bicross.records import KINDS, Candidate, Example, LabelledPair, Mined, Query, Skip

_QUERIES = ("query", "anchor", "question")
_FIRSTS = ("sentence1", "text_a", *_QUERIES)
_SECONDS = ("sentence2", "text_b", "document", "passage")
_LABELS = ("score", "label")
_SCORES = ("scores", "score", "labels", "label")
_NUMBERED = re.compile(r"negative_?([0-9]{1,6})")
_NEGATIVES = re.compile(r"negatives?|negative_?[0-9]{1,6}")
_NEG = re.compile(r"neg(_scores|_ids?)?")
_MINED = ("query_id", "query", "positives", "candidates")
_SHAPES = (
    "query, positive and negatives (or negative, or negative_1, negative_2, ...); query, pos and neg; or sentence1, sentence2 and score. "
    "anchor may stand for query; scores, or pos_scores and neg_scores, may be added"
)


def mined_bytes(rows: Sequence[Mined]) -> bytes:
    """JSONL in UTF-8: a line for each row, keys sorted, floats rounded to 6 decimals. Equal rows give equal bytes.

    A query's `meta` stands there only if there is any.

    Raises:
        InputError: a score or a number of the source is not finite; the question is named.
    """
    lines = []
    for row in rows:
        fields = {
            "query_id": row.query.id,
            "query": row.query.text,
            "positives": [_candidate_fields(one) for one in row.positives],
            "candidates": [_candidate_fields(one) for one in row.candidates],
            "source": row.source,
        } | ({"meta": row.query.meta} if row.query.meta else {})
        try:
            lines.append(json.dumps(_rounded(fields), ensure_ascii=False, sort_keys=True, allow_nan=False) + "\n")
        except ValueError as error:
            raise InputError(f"A number mined for query {row.query.id!r} is not finite; its model's weights may be damaged.") from error
    return "".join(lines).encode()


def write_mined(path: Path, rows: Sequence[Mined]) -> None:
    """Write mined rows, whole or not at all; a link is followed. `read_mined` reads them back, floats rounded to 6 decimals.

    Raises:
        InputError: the path does not end in .jsonl, or is no regular file; or as `mined_bytes`.
        StoreError: the file cannot be written.
    """
    require_jsonl(path)
    target = Path(os.path.realpath(path))
    if target.exists() and not target.is_file():  # a device, such as /dev/null, would be replaced by a file
        raise InputError(f"Mined rows cannot be written to {path}: it is no regular file. Name another file.")
    durable.write_file(target, mined_bytes(rows))


def read_mined(path: Path) -> list[Mined]:
    """The rows that `write_mined` wrote.

    Raises:
        InputError: the file cannot be read, has no row, a row is not a mined one, or a question comes twice; file and line are named.
    """
    require_jsonl(path)
    mined: dict[str, Mined] = {}
    for row in _rows(path, "mined rows"):
        if not set(_MINED) <= row.fields.keys():
            raise InputError(
                f"{row.place} has the fields {', '.join(row.fields)}; expected a mined row, with {', '.join(_MINED)}. "
                "Make one with `bicross mine`; rows of other shapes are for `bicross train`."
            )
        try:
            found = _mined(row.fields)
        except Malformed as error:
            raise InputError(f"{row.place} is not a mined row: {error}. Mine again, or mend the line.") from error
        if found.query.id in mined:
            raise InputError(f"{row.place} has query {found.query.id!r} a second time; expected each question once.")
        mined[found.query.id] = found
    return list(mined.values())


def read_training(path: Path) -> list[Example] | list[LabelledPair]:
    """Training rows of a JSONL, CSV, TSV, Parquet or Arrow file or a saved dataset, all of one shape, which the names of fields tell.

    - `query` (or `anchor`), `positive`, and `negatives`, `negative` or `negative_1`, `negative_2`, ...: an Example; `scores` (or `score`,
      `label`), if there are any, are of the positive and then of the negatives. The rows of sentence-transformers.
    - `query`, `pos`, `neg`, and `pos_scores` and `neg_scores` or neither: an Example for each text in `pos`. The rows of FlagEmbedding.
    - `sentence1` (or `text_a`, `query`), `sentence2` (or `text_b`, `document`, `passage`), `score` (or `label`): a LabelledPair.

    In a table a list is a cell of JSON, and an empty `negative` is none. Other fields do not count. An Example's `source` is file:line.

    Raises:
        InputError: the file cannot be read, has no row, a row is of no shape or of another one than the first, or a field is
            not what it should be; file and line are named.
    """
    examples: list[Example] = []
    pairs: list[LabelledPair] = []
    began = ""
    for row in _rows(path, f"training rows with the fields {_SHAPES}"):
        shape = _shape(row)
        began = began or shape
        if shape != began:
            raise InputError(f"{row.place} has {shape}, but the file began with {began}; expected one shape. Part the file.")
        source = f"{path.name}:{row.place.rpartition(':')[2]}"
        try:
            if shape == _PAIR:
                pairs.append(_pair(row.fields))
            else:
                examples.extend(_of_lists(row.fields, source) if shape == _LISTS else [_of_positive(row.fields, source)])
        except Malformed as error:
            raise InputError(f"{row.place} is not a training row: {error}. Mend the line, or take it out.") from error
    return pairs or examples


_POSITIVE, _LISTS, _PAIR = "query and positive", "query and pos", "two texts and a score"


def _shape(row: Row) -> str:
    fields = row.fields
    if column(fields, None, _QUERIES) is not None:
        if column(fields, None, ("positive",)) is not None:
            return _POSITIVE
        if column(fields, None, ("pos",)) is not None:
            return _LISTS
    if all(column(fields, None, names) is not None for names in (_FIRSTS, _SECONDS, _LABELS)):
        return _PAIR
    advice = (
        " These are mined rows, as `bicross mine` makes them; name the file where mined rows are expected."
        if set(_MINED) <= fields.keys()
        else ""
    )
    raise InputError(f"{row.place} has the fields {', '.join(row.fields)}; expected {_SHAPES}.{advice}")


def _pair(fields: Mapping[str, Any]) -> LabelledPair:
    return LabelledPair(_text(fields, _FIRSTS), _text(fields, _SECONDS), number(_value(fields, _LABELS), "score"))


def _of_positive(fields: Mapping[str, Any], source: str) -> Example:
    _refuse_others(fields, _NEGATIVES, "negatives, negative, or negative_1 and so on")
    numbered = sorted((int(found[1]), name) for name in fields if (found := _NUMBERED.fullmatch(name.lower())))
    given = [unpacked(_value(fields, ("negatives",))), _value(fields, ("negative",)), *(fields[name] for _, name in numbered)]
    negatives = tuple(text for value in given for text in texts(value, "negative"))
    scores = numbers(unpacked(_value(fields, _SCORES)), "score")
    return _example(_text(fields, _QUERIES), _text(fields, ("positive",)), negatives, scores, source)


def _of_lists(fields: Mapping[str, Any], source: str) -> list[Example]:
    _refuse_others(fields, _NEG, "neg and neg_scores")
    query = _text(fields, _QUERIES)
    positives, negatives = (tuple(texts(unpacked(_value(fields, (name,))), name)) for name in ("pos", "neg"))
    if not positives:
        raise Malformed("pos is empty, expected one text or more")
    of_positives, of_negatives = (numbers(unpacked(_value(fields, (name,))), name) for name in ("pos_scores", "neg_scores"))
    if not of_positives and not of_negatives:
        return [_example(query, positive, negatives, (), source) for positive in positives]
    for name, scores, scored in (("pos", of_positives, positives), ("neg", of_negatives, negatives)):
        if len(scores) != len(scored):
            raise Malformed(f"{name}_scores has {len(scores)} numbers, expected {len(scored)}, one for each text of {name}")
    scored_positives = zip(positives, of_positives, strict=True)
    return [_example(query, positive, negatives, (score, *of_negatives), source) for positive, score in scored_positives]


def _example(query: str, positive: str, negatives: tuple[str, ...], scores: tuple[float, ...], source: str) -> Example:
    if scores and len(scores) != 1 + len(negatives):
        raise Malformed(f"the scores are {len(scores)}, expected {1 + len(negatives)}: the positive's, and one for each negative")
    return Example(query, positive, negatives, scores, source)


def _refuse_others(fields: Mapping[str, Any], known: re.Pattern[str], expected: str) -> None:
    """A misspelt name would leave the negatives out in silence."""
    for name in fields:
        if name.lower().startswith("neg") and not known.fullmatch(name.lower()):
            raise Malformed(f"the field {name!r} is unknown, expected {expected}")


def _value(fields: Mapping[str, Any], names: Sequence[str]) -> Any:
    name = column(fields, None, names)
    return None if name is None else fields[name]


def _text(fields: Mapping[str, Any], names: Sequence[str]) -> str:
    name = column(fields, None, names)
    return filled(None if name is None else fields[name], name or names[0])


def _mined(fields: Mapping[str, Any]) -> Mined:
    meta, source = (mapping(fields.get(name, {}), name) for name in ("meta", "source"))
    query = Query(identifier(fields["query_id"]), filled(fields["query"], "query"), meta)
    positives, candidates = (tuple(_candidates(fields[name], name)) for name in ("positives", "candidates"))
    return Mined(query, positives, candidates, source)


def _candidates(value: Any, what: str) -> Iterator[Candidate]:
    if not isinstance(value, list):
        raise Malformed(f"{what} is {type(value).__name__}, expected a list")
    for one in value:
        fields = mapping(one, f"an entry of {what}")
        if missing := {"id", "text", "kind", "scores"} - fields.keys():
            raise Malformed(f"an entry of {what} has no {', '.join(sorted(missing))}")
        if fields["kind"] not in KINDS:
            raise Malformed(f"an entry of {what} is of the kind {fields['kind']!r}, expected one of {', '.join(KINDS)}")
        scores = {name: number(score, f"score {name!r}") for name, score in mapping(fields["scores"], "scores").items()}
        yield Candidate(identifier(fields["id"]), content(fields["text"], "text"), fields["kind"], scores)


def _candidate_fields(one: Candidate) -> dict[str, Any]:
    return {"id": one.doc_id, "text": one.text, "kind": one.kind, "scores": {name: float(score) for name, score in one.scores.items()}}


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, 6) + 0.0  # -0.0 becomes 0.0
    if isinstance(value, Mapping):
        return {name: _rounded(inner) for name, inner in value.items()}
    return [_rounded(inner) for inner in value] if isinstance(value, list | tuple) else value


def _rows(path: Path, expected: str) -> Iterator[Row]:
    """The rows of a file of which none may be bad."""
    table = find_table(path, "training rows")
    if table is None:
        require_file(path, f"a file of {expected}")
    empty = True
    for row in read_rows(path) if table is None else read_tables(table):
        if isinstance(row, Skip):
            raise InputError(f"{row.id} cannot be read as a row: {row.reason}. Mend the line, or take it out.")
        empty = False
        yield row
    if empty:
        raise InputError(f"{path} has no row; expected {expected}.")


def require_jsonl(path: Path) -> None:
    """Raise InputError where the name is not one of a file of mined rows."""
    if path.suffix.lower() not in JSONL:
        raise InputError(f"{path} is not named as a file of mined rows; expected a name that ends in .jsonl.")
