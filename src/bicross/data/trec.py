"""TREC run files: `query Q0 document rank score name`, one hit a line."""

from __future__ import annotations

import math
from pathlib import Path

from bicross import durable
from bicross.data.lines import read_lines, require_file
from bicross.errors import InputError
from bicross.records import Hit, Run
from bicross.vectors import best_first

_COLUMNS = "`query Q0 document rank score name`"


def read_run(path: Path) -> Run:
    """A run as trec_eval reads it: by score, highest first, whatever the rank column says; ties break by id.

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
        query_id, _, doc_id, _, score, name = fields
        ranked = hits.setdefault(query_id, {})
        if doc_id in ranked:
            raise InputError(f"{place} ranks {doc_id!r} a second time for query {query_id!r}; expected each document once.")
        ranked[doc_id] = Hit(doc_id, _score(score, place))
    if not hits:
        raise InputError(f"{path} holds no hit; expected lines {_COLUMNS}.")
    return Run(name, {query_id: best_first(ranked.values()) for query_id, ranked in hits.items()})


def write_run(path: Path, run: Run) -> None:
    """Write a run in the order of its rankings; scores read back equal. A query without hits has no line in the format.

    Raises:
        InputError: an id or the run's name holds white space or is empty, which six columns cannot say, or a score is not finite.
        StoreError: the file cannot be written.
    """
    lines = []
    name = _word(run.name, "run")
    for query_id, ranking in run.rankings.items():
        query = _word(query_id, "query")
        for rank, hit in enumerate(ranking, start=1):
            if not math.isfinite(hit.score):
                raise InputError(f"Document {hit.doc_id!r} has score {hit.score} for query {query_id!r}; expected a finite number.")
            lines.append(f"{query} Q0 {_word(hit.doc_id, 'document')} {rank} {float(hit.score)!r} {name}\n")
    durable.write_file(path, "".join(lines).encode())


def _score(text: str, place: str) -> float:
    try:
        score = float(text)
    except ValueError as error:
        raise InputError(f"{place} has the score {text!r}; expected a number.") from error
    if not math.isfinite(score):
        raise InputError(f"{place} has the score {text!r}; expected a finite number.")
    return score


def _word(name: str, what: str) -> str:
    if name.split() != [name]:
        raise InputError(f"The {what} {name!r} cannot stand in a TREC run: names there are not empty and have no white space. Rename it.")
    return name
