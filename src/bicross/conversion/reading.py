"""What a source of data is, and what it holds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from bicross.data.click_log import read_clicks
from bicross.data.examples import read_mined, read_training
from bicross.data.near_duplicates import groups
from bicross.data.pairs import same
from bicross.data.questions import read_queries, read_splits
from bicross.data.sources import read_documents
from bicross.data.written import JudgedSet
from bicross.errors import InputError
from bicross.protocols import Progress
from bicross.records import Document, Example, LabelledPair, Mined, Query, Skip

Kind = Literal["judged set", "training rows", "click log"]
ALIKE = 0.7  # as `split` and `tune` part questions


@dataclass(frozen=True, slots=True)
class Data:
    """What a source holds; one of the three is there."""

    judged: JudgedSet | None = None
    rows: Sequence[Example] | Sequence[LabelledPair] = ()
    log: Any = None
    skipped: tuple[Skip, ...] = ()

    @property
    def kind(self) -> Kind:
        return "judged set" if self.judged is not None else "training rows" if self.rows else "click log"


def kind_for(form: str, source: Path, queries_path: Path | None, qrels_path: Path | None) -> Kind:
    """What to read a source as, to be written as `form`. Raises InputError where it cannot be."""
    if form in ("ubi", "clicks"):
        return "click log"
    kind = kind_of(source, queries_path, qrels_path)
    if kind == "click log":
        raise InputError(
            f"{source} is a click log, which {form} cannot say. Make judgements of it: bicross questions --from clicks {source} --into NEW"
        )
    return kind


def kind_of(source: Path, queries_path: Path | None, qrels_path: Path | None) -> Kind:
    """Found by trying: rows that train, else a set with questions, else a log."""
    if queries_path or qrels_path:
        return "judged set"
    refused = []
    kinds: tuple[tuple[Kind, Callable[[], object]], ...] = (
        ("training rows", lambda: _training_rows(source)),
        ("judged set", lambda: read_queries(source)),
        ("click log", lambda: read_clicks([source], {}, lambda *_: None)),
    )
    for kind, read in kinds:
        try:
            read()
        except InputError as error:
            refused.append(f"no {kind} ({error})")
        else:
            return kind
    raise InputError(f"{source} is {'; '.join(refused)}")


def read(source: Path, queries_path: Path | None, qrels_path: Path | None, kind: Kind, progress: Progress) -> Data:
    """The source as what it is. Raises InputError."""
    if kind == "training rows":
        return Data(rows=_training_rows(source))
    if kind == "click log":
        log = read_clicks([source], {}, progress)
        return Data(log=log, skipped=log.skipped)
    skipped: list[Skip] = []
    documents: list[Document] = []
    for number, item in enumerate(read_documents([source]), start=1):
        if isinstance(item, Skip):
            skipped.append(item)
        else:
            documents.append(item)
        if number % 1000 == 0:
            progress("documents", number, 0)
    queries, left = read_queries(queries_path or source)
    splits = read_splits(qrels_path or source)
    return Data(judged=JudgedSet(documents, queries, splits), skipped=(*skipped, *left))


def _training_rows(source: Path) -> Sequence[Example] | Sequence[LabelledPair]:
    try:
        return read_training(source)
    except InputError:
        try:
            return [example for row in read_mined(source) for example in _of_mined(row)]
        except InputError:
            pass
        raise


def _of_mined(row: Mined) -> list[Example]:
    """A row for each answer, with the candidates that are no answers; scored by the teacher, or by who sorted them, where all are."""
    negatives = [one for one in row.candidates if one.kind in ("hard", "easy", "random")]
    found = []
    for positive in row.positives:
        together = (positive, *negatives)
        by = next((name for name in ("teacher", "rerank") if all(name in one.scores for one in together)), None)
        scores = tuple(one.scores[by] for one in together) if by else ()
        found.append(Example(row.query.text, positive.text, tuple(one.text for one in negatives), scores, query_id=row.query.id))
    return found


def questions_of(path: Path, progress: Progress) -> list[Query]:
    """The questions of any source, those alone or with what belongs to them. Raises InputError."""
    try:
        return read_queries(path)[0]
    except InputError:
        return asked(read(path, None, None, kind_of(path, None, None), progress))


def asked(data: Data) -> list[Query]:
    """The different questions; of a set those that are judged."""
    if data.judged is not None:
        known = {query for qrels in data.judged.splits.values() for query in qrels}
        return [query for query in data.judged.queries if query.id in known]
    texts = data.log.queries if data.log is not None else map(asked_of, data.rows)
    first: dict[str, str] = {}
    for text in texts:
        first.setdefault(same(text), text)
    return [Query(str(number), text) for number, text in enumerate(first.values())]


def asked_of(row: Example | LabelledPair) -> str:
    """The question of a row; of a pair its first text."""
    return row.query if isinstance(row, Example) else row.first


def leakage(ours: Sequence[Query], theirs: Sequence[Query]) -> dict[str, int]:
    """How many of our questions are the same as one of theirs, but for case and white space, and how many nearly so."""
    equal = {same(query.text) for query in theirs}
    texts = sorted({query.text for query in (*ours, *theirs)})
    number = dict(zip(texts, groups(texts, ALIKE), strict=True)) if texts else {}
    near = {number[query.text] for query in theirs}
    same_ones = sum(same(query.text) in equal for query in ours)
    return {"same questions": same_ones, "near-duplicate questions": sum(number[query.text] in near for query in ours) - same_ones}
