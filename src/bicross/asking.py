"""Questions with known answers asked of a collection: what `evaluate` and `tune` have in common."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

from bicross.data.questions import read_qrels, read_queries
from bicross.errors import InputError
from bicross.opened import OpenCollection
from bicross.records import Qrels, Query, Ranking, Skip
from bicross.searchers.stopwatch import Stopwatch
from bicross.settings import SearchSettings

Progress = Callable[[str, int, int], None]
Times = dict[int, list[dict[str, float]]]
"""Depth -> seconds by stage, "total" among them, of each single question."""
BATCH_QUESTIONS = 64  # asked together: batches span questions
TIMED_QUESTIONS = 30  # asked one by one at each depth that is timed


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
    collection: OpenCollection, queries: Sequence[Query], settings: SearchSettings, stopwatch: Stopwatch, progress: Progress
) -> dict[str, Ranking]:
    """The rankings of all questions, a batch at a time."""
    found: dict[str, Ranking] = {}
    for start in range(0, len(queries), BATCH_QUESTIONS):
        found.update(collection.rank(queries[start : start + BATCH_QUESTIONS], settings, stopwatch))
        progress("questions", len(found), len(queries))
    return found


def timed(collection: OpenCollection, queries: Sequence[Query], settings: SearchSettings, depths: Sequence[int]) -> Times:
    """Single questions, spread over all, each asked alone, the depths in turn so that a busy moment meets them all.

    As a process that keeps running answers them: models are warm. No question is asked twice unless there are too few, because late
    interaction keeps what it has read.
    """
    collection.rank(queries[:1], settings, Stopwatch())
    wanted = min(TIMED_QUESTIONS, len(queries)) * len(depths)
    spread = (queries[1:] or queries)[:: max(1, len(queries) // wanted)]
    times: Times = {depth: [] for depth in depths}
    for number in range(wanted):
        lap, place = divmod(number, len(spread))
        depth = depths[(number + lap) % len(depths)]
        stopwatch, start = Stopwatch(), time.perf_counter()
        collection.rank([spread[place]], settings.model_copy(update={"depth": depth}), stopwatch)
        times[depth].append({**stopwatch.seconds, "total": time.perf_counter() - start})
    return times
