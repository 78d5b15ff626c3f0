"""Judging by hand, from a collection and questions to a table of judgements, and what these prove."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil, inf
from pathlib import Path
from typing import Any

from bicross import asking, durable
from bicross.asking import STAGES
from bicross.data.questions import qrels_bytes, read_queries
from bicross.errors import InputError, StoreError
from bicross.evaluation.averages import Mean, mean_of
from bicross.evaluation.compare import randomisation_test
from bicross.evaluation.gate import needed_queries
from bicross.judging.draw import DEPTH, Pair, draw, order
from bicross.judging.estimate import dcg
from bicross.judging.plan import Plan, extend_plan, read_plan, require_alike
from bicross.judging.session import LOG, Grades, Session, grades_of, read_log
from bicross.opened import OpenCollection
from bicross.protocols import Progress, silent
from bicross.records import Query, Skip
from bicross.searchers.stopwatch import Stopwatch
from bicross.settings import JudgeSettings, SearchSettings

Ask = Callable[[Session], None]
"""Shows the pairs of a session and has them judged, until the user has enough."""
KEPT = ".session"  # behind the table's name: the folder of what was drawn and said
FEWEST = 10  # questions below which no verdict is given
CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class Judged:
    """`judge`: the table of judgements, what is done and left, and what the judgements prove so far.

    `complete` questions, with all their pairs judged, carry the estimates. `stages` are estimates of DCG@10 with gain grade / 3, where 1
    is a perfect document at the first rank; `difference` is the second of `compared` minus the first; both are there from two complete
    questions on, because one says nothing of how others vary. `needed` is about how many questions would show a difference as large as the
    one seen, where it is not shown. `truncated` names the questions drawn now that a model could not read whole, or not with all of a
    passage beside them.
    """

    qrels: str
    session: str
    counts: Mapping[str, int]
    grades: Mapping[str, int]
    complete: int
    compared: tuple[str, str]
    stages: Mapping[str, Mean]
    difference: Mean | None
    p_value: float | None
    needed: int | None
    verdict: str
    truncated: tuple[str, ...]
    skipped: tuple[Skip, ...]
    seconds: float


def judge(path: Path, queries_path: Path, into: Path, settings: JudgeSettings, ask: Ask, progress: Progress = silent) -> Judged:
    """Have the pairs judged that tell most, and say what that proves; `ask` shows them. Interrupted, it goes on where it was.

    Raises:
        InputError: the queries are not what they should be, or `into` holds other judgements. Locked: another process judges into it.
    """
    start, cut = time.perf_counter(), set[str]()
    queries, skipped = read_queries(queries_path)
    folder = _folder(into)
    with durable.lock(folder / "lock"):
        _require_own(into, folder / LOG)
        with OpenCollection(path) as collection:
            plan = read_plan(folder)
            require_alike(folder, plan, {"seed": settings.seed, "per_question": settings.per_question})
            if fresh := _next(plan, queries, settings):
                plan = _extended(folder, plan, fresh, settings, collection, progress, cut)
            gone = _gone(collection, plan.pairs)
        session = Session(folder, plan.pairs, gone, lambda grades: durable.write_file(into, qrels_bytes(grades)))
        if session.events:
            durable.write_file(into, qrels_bytes(session.grades))  # a kill may have come between the log and the table
        ask(session)
    left_out = tuple(sorted(cut)), tuple(skipped)
    return _result(into, folder, plan, session, *left_out, time.perf_counter() - start)


def _folder(into: Path) -> Path:
    """The session's folder beside the table, made if it is not there."""
    folder = into.with_name(into.name + KEPT)
    durable.writable_target(into, "The table of judgements")
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise StoreError(
            f"{folder} cannot be made ({error.strerror}); check the folder and its permissions, or name another file."
        ) from error
    return folder


def _require_own(into: Path, log: Path) -> None:
    """Raises InputError where the table has anything in it that was not judged here: it would be lost."""
    # A kill between the log and the table leaves the table one line behind.
    known = {qrels_bytes(grades_of(read_log(log, all_but))) for all_but in (0, 1)}
    if into.exists() and into.read_bytes() not in known:
        raise InputError(
            f"{into} holds judgements that were not made here, or was changed since; they would be lost. Name a new file: several can be "
            "joined afterwards."
        )


def _next(plan: Plan, queries: Sequence[Query], settings: JudgeSettings) -> list[Query]:
    """The questions that are still to be drawn, so that there are pairs enough."""
    by_id = {query.id: query for query in queries}
    wanted = ceil(settings.pairs / settings.per_question) - len(plan.questions)
    left = order(by_id.keys() - set(plan.questions), settings.seed)
    return [by_id[query] for query in left[: max(0, wanted)]]


def _extended(
    folder: Path,
    plan: Plan,
    queries: Sequence[Query],
    settings: JudgeSettings,
    collection: OpenCollection,
    progress: Progress,
    cut: set[str],
) -> Plan:
    """The plan with the pairs of these questions too."""
    reranks = collection.depth(SearchSettings()) > 0
    stages = [stage for stage in STAGES if reranks or stage != "reranked"]
    compared = ("fused", "reranked") if reranks else ("lexical", "fused")
    ranked = {}
    for stage in stages:
        searching = SearchSettings(k=DEPTH, stage=STAGES[stage])
        ranked[stage] = asking.ranked(collection, queries, searching, Stopwatch(), progress, cut)
    titles = collection.corpus.titles({hit.doc_id for found in ranked.values() for ranking in found.values() for hit in ranking})
    pairs = []
    for query in queries:
        found = {stage: ranked[stage][query.id] for stage in stages}
        pairs += draw(query, found, compared, titles, settings.per_question, settings.seed)
    return extend_plan(folder, plan, [query.id for query in queries], pairs, _facts(collection, settings, compared, stages))


def _facts(collection: OpenCollection, settings: JudgeSettings, compared: tuple[str, str], stages: Sequence[str]) -> dict[str, Any]:
    """How pairs are drawn, and by what models."""
    return {
        "seed": settings.seed,
        "per_question": settings.per_question,
        "compared": compared,
        "stages": stages,
        "space": collection.corpus.space.fingerprint,
        "reranker": collection.reranker().fingerprint if "reranked" in stages else "",
        "weights": collection.weights.as_json(),
    }


def _gone(collection: OpenCollection, pairs: Sequence[Pair]) -> set[tuple[str, str]]:
    """The pairs whose document was deleted or changed since: what would be shown is no longer what is searched."""
    documents = {pair.doc_id for pair in pairs}
    with collection.snapshot():
        titles, passages = collection.corpus.titles(documents), collection.corpus.of_documents(documents)
    texts = {document: {passage.text for passage in found} for document, found in passages.items()}
    return {
        (pair.query_id, pair.doc_id)
        for pair in pairs
        if titles.get(pair.doc_id) != pair.title or not texts.get(pair.doc_id, set()).issuperset(pair.passages)
    }


def _result(
    into: Path, folder: Path, plan: Plan, session: Session, truncated: tuple[str, ...], skipped: tuple[Skip, ...], seconds: float
) -> Judged:
    grades: Grades = session.grades
    judged = {(query, document): grade for query, row in grades.items() for document, grade in row.items()}
    stages, (left, right) = plan.facts["stages"], plan.facts["compared"]
    estimated = dcg(plan.questions, plan.pairs, judged, stages)
    differences = [row[right] - row[left] for row in estimated.values()]
    several = len(estimated) > 1
    difference = mean_of(differences, (-inf, inf), CONFIDENCE) if several else None
    p_value = randomisation_test(differences) if several else None
    needed = _needed(differences, difference, p_value)
    return Judged(
        qrels=str(into),
        session=str(folder),
        counts=session.counts,
        grades={str(grade): sum(given == grade for given in judged.values()) for grade in sorted(set(judged.values()))},
        complete=len(estimated),
        compared=(left, right),
        stages={stage: mean_of([row[stage] for row in estimated.values()], (0.0, inf), CONFIDENCE) for stage in stages if several},
        difference=difference,
        p_value=p_value,
        needed=needed,
        verdict=_verdict(left, right, difference, p_value, needed),
        truncated=truncated,
        skipped=skipped,
        seconds=seconds,
    )


def _shown(difference: Mean, p_value: float) -> bool:
    """Both the interval and the test say so, over questions enough."""
    low, high = difference.confidence
    return difference.questions >= FEWEST and p_value < 1 - CONFIDENCE and (low > 0 or high < 0)


def _needed(differences: Sequence[float], difference: Mean | None, p_value: float | None) -> int | None:
    if difference is None or p_value is None or difference.questions < FEWEST or not difference.mean or _shown(difference, p_value):
        return None
    return needed_queries(differences, difference.mean, confidence=CONFIDENCE)


def _verdict(left: str, right: str, difference: Mean | None, p_value: float | None, needed: int | None) -> str:
    """One plain sentence or two."""
    if difference is None or p_value is None:
        return "Nothing can be said yet: fewer than two questions have all their pairs judged."
    low, high = difference.confidence
    better, worse = (right, left) if difference.mean > 0 else (left, right)
    said = f"{better} is better than {worse}" if _shown(difference, p_value) else "no difference shown"
    numbers = (
        f"DCG@10 of {right} minus {left} is estimated as {difference.mean:+.3f}, {CONFIDENCE:.0%} interval [{low:+.3f}, {high:+.3f}], "
        f"p = {p_value:.3f}, over {difference.questions} questions"
    )
    if difference.questions < FEWEST:
        return f"Too few to say: {numbers}; at least {FEWEST} are needed for a verdict."
    return f"{said}: {numbers}." + (f" About {needed} questions would show a difference as large as this one." if needed else "")
