"""TREC run files: `query Q0 document rank score name`, one hit a line.

The columns are parted by white space, so white space in a name is percent-encoded (RFC 3986, section 2.1): `my%20file.txt`.
A `%` is written as `%25` only where it would otherwise be read as white space, so that most names with a `%` stand as they are.

trec_eval keeps scores in single precision, and puts the later id first where they are equal, whatever the rank column says. A run is
read in that order, and written so that trec_eval gives it the order that it has.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote, unquote

import numpy as np

from bicross import durable
from bicross.data.lines import read_lines, require_file
from bicross.errors import InputError
from bicross.records import Hit, Qrels, Ranking, Run

LARGEST = 1e38  # of a score that is written
_COLUMNS = "`query Q0 document rank score name`"
_CODES = "|".join(quote(character)[1:] for character in map(chr, range(0x3001)) if character.isspace())  # all that str.split parts at
_TO_ESCAPE = re.compile(rf"\s|%(?=25|{_CODES})")
_ESCAPED = re.compile(rf"%(?:25|{_CODES})")


def read_run(path: Path) -> Run:
    """A run in trec_eval's order: by score in single precision, highest first, equal ones by id, last first, whatever the rank column says.

    Its name is that of the last line. White space and `%` in per cent are read back as themselves.

    Raises:
        InputError: the file does not exist or is empty, a line is not six columns with a finite score, or a document comes
            twice for a query; file and line are named.
    """
    require_file(path, f"a run with the columns {_COLUMNS}")
    hits: dict[str, dict[str, Hit]] = {}
    name = ""
    for line in read_lines(path):
        place, fields = f"{path}:{line.number}", line.text.split()
        if not fields and not line.reason:
            continue
        if len(fields) != 6:
            raise InputError(f"{place} has {line.reason or f'{len(fields)} columns'}; expected {_COLUMNS}.")
        query_id, _, doc_id, _, score, name = map(unescaped, fields)
        ranked = hits.setdefault(query_id, {})
        if doc_id in ranked:
            raise InputError(f"{place} ranks {doc_id!r} a second time for query {query_id!r}; expected each document once.")
        ranked[doc_id] = Hit(doc_id, _score(score, place))
    if not hits:
        raise InputError(f"{path} holds no hit; expected lines {_COLUMNS}.")
    return Run(name, {query_id: _as_trec_eval(ranked.values()) for query_id, ranked in hits.items()})


def read_runs(paths: Sequence[Path]) -> list[Run]:
    """Runs to be told apart: where two have the same name, each is named for its file, without the suffix if that is enough.

    Raises:
        InputError: as `read_run`.
    """
    runs = [read_run(path) for path in paths]
    for names in ([run.name for run in runs], [path.stem for path in paths]):
        if len(set(names)) == len(names):
            break
    else:
        names = [str(path) for path in paths]
    return [replace(run, name=name) for run, name in zip(runs, names, strict=True)]


def write_run(path: Path, run: Run) -> None:
    """Write a run in the order of its rankings, in which it reads back. A query without hits has no line in the format.

    Names read back equal, and so do scores, but for those that are not below the one before in single precision: they are written a step
    lower.

    Raises:
        InputError: an id or the run's name is empty, a score is none of single precision, or `durable.writable_target` refuses the path.
        StoreError: the file cannot be written.
    """
    target = durable.writable_target(path, "A run")
    lines = []
    name = _word(run.name, "run")
    for query_id, ranking in run.rankings.items():
        query = _word(query_id, "query")
        before = np.float32(np.inf)
        for rank, hit in enumerate(ranking, start=1):
            if not abs(hit.score) < LARGEST:
                raise InputError(
                    f"Document {hit.doc_id!r} has score {hit.score} for query {query_id!r}; expected a finite number below {LARGEST:g}."
                )
            score = float(hit.score)
            if not np.float32(score) < before:
                score = float(np.nextafter(before, np.float32(-np.inf)))
            before = np.float32(score)
            lines.append(f"{query} Q0 {_word(hit.doc_id, 'document')} {rank} {score!r} {name}\n")
    durable.write_file(target, "".join(lines).encode())


def qrels_lines(qrels: Qrels) -> bytes:
    """Judgements as TREC's lines `query 0 document grade`, which `read_qrels` reads. White space in ids stands as in runs.

    Raises:
        InputError: an id is empty.
    """
    lines = (
        f"{_word(query, 'query')} 0 {_word(document, 'document')} {grade}\n"
        for query, grades in qrels.items()
        for document, grade in grades.items()
    )
    return "".join(lines).encode()


def _as_trec_eval(hits: Iterable[Hit]) -> Ranking:
    with np.errstate(over="ignore"):  # beyond single precision all are equally high
        return tuple(sorted(hits, key=lambda hit: (np.float32(hit.score), hit.doc_id), reverse=True))


def _score(text: str, place: str) -> float:
    try:
        score = float(text)
    except ValueError as error:
        raise InputError(f"{place} has the score {text!r}; expected a number.") from error
    if not math.isfinite(score):
        raise InputError(f"{place} has the score {text!r}; expected a finite number.")
    return score


def _word(name: str, what: str) -> str:
    if not name:
        raise InputError(f"A {what} has an empty name, which cannot stand in a TREC run. Rename it.")
    return _TO_ESCAPE.sub(lambda found: "%25" if found[0] == "%" else quote(found[0]), name)


def unescaped(word: str) -> str:
    """A name as it was before it was written as a word of a TREC file."""
    return _ESCAPED.sub(lambda found: unquote(found[0]), word)
