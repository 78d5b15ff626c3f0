"""`data convert`, `data inspect` and `data split`: between the formats of the field."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from bicross import durable
from bicross.conversion.figures import counted, of_log, of_rows, of_set, shared_positives
from bicross.conversion.reading import ALIKE, Kind, asked, kind_for, kind_of, leakage, questions_of, read
from bicross.conversion.shapes import judged_of, part_files, rows_of, table_of
from bicross.data import written
from bicross.data.pairs import same
from bicross.data.splits import split as split_questions
from bicross.errors import InputError
from bicross.protocols import Progress
from bicross.records import Skip

Format = Literal["beir", "trec", "mteb", "sentence-transformers", "flagembedding", "ubi", "clicks"]
_SETS = {"beir": written.beir_files, "trec": written.trec_files, "mteb": written.mteb_files}


@dataclass(frozen=True, slots=True)
class Converted:
    """`data convert`: what was read, where it was written, how much of what it holds, and what did not fit."""

    kind: Kind
    format: Format
    path: str
    counts: Mapping[str, int]
    left_out: Mapping[str, int]
    skipped: tuple[Skip, ...]
    written: bool
    seconds: float


@dataclass(frozen=True, slots=True)
class DataInspected:
    """`data inspect`: what a data set holds, what is wrong with it, and, beside another, what the two share (`leakage`)."""

    kind: Kind
    counts: Mapping[str, int]
    figures: Mapping[str, Any]
    problems: Mapping[str, int]
    leakage: Mapping[str, int]
    skipped: tuple[Skip, ...]
    seconds: float


@dataclass(frozen=True, slots=True)
class DataSplit:
    """`data split`: the files, how many questions and rows each has, and what the parts share, which for questions is nothing."""

    files: Mapping[str, str]
    questions: Mapping[str, int]
    rows: Mapping[str, int]
    leakage: Mapping[str, int]
    skipped: tuple[Skip, ...]


def convert(
    source: Path,
    into: Path,
    form: str,
    queries_path: Path | None = None,
    qrels_path: Path | None = None,
    negatives: int | None = None,
    dry_run: bool = False,
    progress: Progress = lambda *_: None,
) -> Converted:
    """A judged set (documents, with questions and judgements in the same folder or named), training rows, or a click log in another format.

    Raises:
        InputError: the source is none of them, or cannot be said in the format. StoreError: it cannot be written.
    """
    start = time.perf_counter()
    known: Format | None = next((one for one in get_args(Format) if one == form), None)
    if known is None:
        raise InputError(f"--to is {form!r}; expected one of {', '.join(get_args(Format))}.")
    data = read(source, queries_path, qrels_path, kind_for(form, source, queries_path, qrels_path), progress)
    left: dict[str, int] = {}
    if form in _SETS:
        judged = data.judged or judged_of(data.rows)
        files: Mapping[str, bytes] | bytes = _SETS[form](judged)
        counts = counted(judged)
    else:
        rows, left = rows_of(data, form, negatives)
        counts = {"rows": len(rows)}
        files = table_of(rows, into)
    if not any(counts.values()):
        raise InputError(
            f"Nothing of {source} can be written as {form}: {', '.join(f'{n} {why}' for why, n in left.items()) or 'it is empty'}."
        )
    if not dry_run:
        if isinstance(files, bytes):
            durable.write_file(durable.writable_target(into, "The rows"), files)
        else:
            durable.write_folder(into, files, {"made_of": str(source), "format": form})
    return Converted(data.kind, known, str(into), counts, left, data.skipped, not dry_run, time.perf_counter() - start)


def inspect_data(
    source: Path,
    queries_path: Path | None = None,
    qrels_path: Path | None = None,
    against: Path | None = None,
    progress: Progress = lambda *_: None,
) -> DataInspected:
    """What a judged set, training rows or a click log hold, and what is wrong with them. `against`: another set or other rows, or questions
    alone, whose questions must not be among these.

    Raises:
        InputError: the source is none of them.
    """
    start = time.perf_counter()
    data = read(source, queries_path, qrels_path, kind_of(source, queries_path, qrels_path), progress)
    if data.judged is not None:
        counts, figures, problems = of_set(data.judged)
    elif data.rows:
        counts, figures, problems = of_rows(data.rows)
    else:
        counts, figures, problems = of_log(data.log)
    shared = {} if against is None else leakage(asked(data), questions_of(against, progress))
    found = {reason: count for reason, count in problems.items() if count}
    return DataInspected(data.kind, counts, figures, found, shared, data.skipped, time.perf_counter() - start)


def split_data(
    source: Path,
    into: Path,
    dev: float = 0.1,
    test: float = 0.1,
    seed: int = 0,
    queries_path: Path | None = None,
    qrels_path: Path | None = None,
    progress: Progress = lambda *_: None,
) -> DataSplit:
    """Training rows into train.jsonl, dev.jsonl and test.jsonl, or the judgements of a set into tables of such names, in a new folder. No
    question of one part is a near-duplicate of one of another's (`data.splits`).

    Raises:
        InputError: a share is not between 0 and 1, or there are too few different questions. StoreError: `into` is not empty.
    """
    if not 0 <= dev < 1 or not 0 <= test < 1 or dev + test >= 1 or not dev + test:
        raise InputError(f"--dev is {dev:g} and --test {test:g}; expected shares from 0 on that leave some for training, not both 0.")
    data = read(source, queries_path, qrels_path, kind_of(source, queries_path, qrels_path), progress)
    if data.kind == "click log":
        raise InputError(
            f"{source} is a click log; expected training rows or a judged set. Make one: bicross questions --from clicks {source}"
        )
    different = asked(data)
    rest, tested = split_questions(different, test, seed, ALIKE) if test else (different, [])
    trained, developed = split_questions(rest, dev / (1 - test), seed, ALIKE) if dev else (rest, [])
    parts = {name: part for name, part in (("train", trained), ("dev", developed), ("test", tested)) if part}
    files, rows = part_files(data, parts)
    durable.write_folder(into, files, {"made_of": str(source), "dev": dev, "test": test, "seed": seed})
    named = {name: str(into / file) for name, file in zip(parts, files, strict=True)}
    others = [query for name, part in parts.items() if name != "train" for query in part]
    shared = leakage(trained, others) | shared_positives(data, {same(query.text) for query in trained})
    return DataSplit(named, {name: len(part) for name, part in parts.items()}, rows, shared, data.skipped)
