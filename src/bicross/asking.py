"""Questions with known answers asked of a collection: what `evaluate` and `tune` have in common."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from bicross.data.questions import read_qrels, read_queries
from bicross.errors import InputError
from bicross.opened import OpenCollection
from bicross.protocols import Progress
from bicross.records import Qrels, Query, Ranking, Skip
from bicross.searchers.stopwatch import Stopwatch
from bicross.settings import SearchSettings, StageName

Times = dict[int, list[dict[str, float]]]
"""Depth -> seconds by stage, "total" among them, of each single question."""
BATCH_QUESTIONS = 64  # asked together: batches span questions
TIMED_QUESTIONS = 30  # asked one by one at each depth that is timed
STAGES: Mapping[str, StageName] = {"lexical": "lexical", "dense": "dense", "fused": "fused", "reranked": "both"}
"""The stages of search, by the names that reports have for them."""


def judged(queries_path: Path, qrels_path: Path) -> tuple[list[Query], Qrels, list[Skip]]:
    """The questions that are judged, their judgements, and by name what is left out.

    Raises:
        InputError: a file is not what it should be, or none of the queries is judged.
    """
    qrels = read_qrels(qrels_path)
    queries, skipped = read_queries(queries_path)
    asked = [query for query in queries if query.id in qrels]
    if not asked:
        raise InputError(
            f"None of the {len(queries)} queries of {queries_path} is judged in {qrels_path}; expected the same query ids in both."
        )
    silent_ids = sorted(set(qrels) - {query.id for query in asked})
    skipped += [Skip(query, f"it is judged in {qrels_path}, but {queries_path} has no text for it") for query in silent_ids]
    return asked, {query.id: qrels[query.id] for query in asked}, skipped


def ranked(
    collection: OpenCollection,
    queries: Sequence[Query],
    settings: SearchSettings,
    stopwatch: Stopwatch,
    progress: Progress,
    truncated: set[str] | None = None,
) -> dict[str, Ranking]:
    """The rankings of all questions, a batch at a time. `truncated` gets the ids of those that a model could not read whole, or not with
    all of a passage beside them."""
    found: dict[str, Ranking] = {}
    for start in range(0, len(queries), BATCH_QUESTIONS):
        batch = queries[start : start + BATCH_QUESTIONS]
        found.update(collection.rank(batch, settings, stopwatch))
        cut = collection.cut()
        if truncated is not None:
            truncated |= {query.id for query in batch if query.text in cut}
        progress("questions", len(found), len(queries))
    return found


def recalled(
    collection: OpenCollection, queries: Sequence[Query], settings: SearchSettings, found: Mapping[str, Ranking], progress: Progress
) -> dict[str, Ranking]:
    """The order of recall, as the first stage alone gives it; a hit that was `found` by all of the search has its scores, too."""
    if not collection.depth(settings):
        return dict(found)
    alone = settings.model_copy(update={"stage": "fused"})
    first = ranked(collection, queries, alone, Stopwatch(), lambda _, done, total: progress("recall alone", done, total))
    scored = {query: {hit.doc_id: hit.stages for hit in ranking} for query, ranking in found.items()}
    return {
        query: tuple(replace(hit, stages={**scored[query].get(hit.doc_id, {}), **hit.stages}) for hit in ranking)
        for query, ranking in first.items()
    }


def timed(collection: OpenCollection, queries: Sequence[Query], settings: SearchSettings, depths: Sequence[int]) -> Times:
    """Single questions, spread over all, each asked alone, the depths in turn so that a busy moment meets them all.

    As a process that keeps running answers them: models are warm. No question is asked twice unless there are too few (`asked_again`),
    because late interaction keeps what it has read.
    """
    collection.rank(queries[:1], settings, Stopwatch())
    wanted, spread = _spread(queries, depths)
    times: Times = {depth: [] for depth in depths}
    for number in range(wanted):
        lap, place = divmod(number, len(spread))
        depth = depths[(number + lap) % len(depths)]
        stopwatch, start = Stopwatch(), time.perf_counter()
        usual = depth == collection.depth(settings)
        collection.rank([spread[place]], settings if usual else settings.model_copy(update={"depth": depth}), stopwatch)
        times[depth].append({**stopwatch.seconds, "total": time.perf_counter() - start})
    return times


def asked_again(queries: Sequence[Query], depths: Sequence[int]) -> int:
    """How many searches of `timed` ask a question that another of them asked."""
    wanted, spread = _spread(queries, depths)
    return max(0, wanted - len(spread))


def _spread(queries: Sequence[Query], depths: Sequence[int]) -> tuple[int, Sequence[Query]]:
    """How many searches are timed, over all depths, and the questions that they ask in turn."""
    wanted = min(TIMED_QUESTIONS, len(queries)) * len(depths)
    return wanted, (queries[1:] or queries)[:: max(1, len(queries) // wanted)]
