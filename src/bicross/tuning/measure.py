"""Old and new models side by side on questions that neither saw: every stage, the slices, other data, and the time that a search takes."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from statistics import median
from typing import Any

import numpy as np

from bicross import asking
from bicross.data.languages import language_of
from bicross.data.questions import read_qrels, read_queries
from bicross.data.sources import read_documents
from bicross.evaluation.calibration import pairs_of
from bicross.evaluation.compare import compare
from bicross.evaluation.gate import Decision, General, decide
from bicross.evaluation.metrics import means, per_query
from bicross.evaluation.reliability import reliability
from bicross.evaluation.slices import slices
from bicross.opened import OpenCollection
from bicross.protocols import Encoder, Progress
from bicross.records import Document, Hit, Qrels, Query, Ranking, Run, reading
from bicross.searchers.stopwatch import Stopwatch
from bicross.settings import GateSettings, SearchSettings, StageName
from bicross.starter import GENERAL
from bicross.tuning.weights import SHOWN
from bicross.vectors import best_first, similarities

STAGES: tuple[StageName, ...] = ("dense", "fused", "both")
MEASURES = ("nDCG@10", "RR@10", "R@100")  # and the gate's
FOUND = 100
GENERAL_SETS = ("xquad_en", "xquad_zh")
TIMED = 15  # single questions a side, in turn, so that a busy moment meets both


def side_by_side(
    old: OpenCollection, new: OpenCollection, queries: Sequence[Query], qrels: Qrels, depth: int, gate: GateSettings, progress: Progress
) -> tuple[dict[str, Any], Decision]:
    """What both find, stage by stage, and the decision on the two-stage search."""
    runs = {side: _runs(one, side, queries, depth, progress) for side, one in (("before", old), ("after", new))}
    measures = tuple(dict.fromkeys([*MEASURES, gate.measure]))
    found: dict[str, Any] = {
        side: {stage: means(per_query(measures, qrels, run)) for stage, run in by_stage.items()} for side, by_stage in runs.items()
    }
    for stage in STAGES:
        against = compare(runs["before"][stage], runs["after"][stage], qrels, gate.measure, confidence=gate.confidence)
        found.setdefault("difference", {})[stage] = {
            name: value for name, value in asdict(against).items() if name in ("difference", "confidence", "p_value", "wins", "losses")
        }
    found["calibration"] = calibration({stage: run.rankings for stage, run in runs["after"].items()}, qrels)
    before, after = (runs[side]["both"] for side in ("before", "after"))
    general = general_sets(general_runs(old.encoder()), general_runs(new.encoder()))
    seconds = _latencies(old, new, queries, depth)
    decision = decide(before, after, qrels, slices(queries, language_of), general, seconds, gate)
    return found, decision


def calibration(rankings: Mapping[str, Mapping[str, Ranking]], qrels: Qrels) -> dict[str, Any]:
    """Stage -> how far the probabilities of the SHOWN first hits of each question are right; of stages whose hits all have one."""
    found = dict[str, Any]()
    for stage, by_query in rankings.items():
        shown = {query: ranking[:SHOWN] for query, ranking in by_query.items()}
        chances = [hit.probability for ranking in shown.values() for hit in ranking]
        if chances and None not in chances:
            one = reliability(pairs_of(shown, qrels, dict.fromkeys(shown, 0)), np.array(chances, dtype=np.float64))
            found[stage] = {"hits": len(chances), "error": one.error, "confidence": one.confidence, "by_chance": one.by_chance}
    return found


def general_sets(before: Mapping[str, Run], after: Mapping[str, Run]) -> dict[str, General]:
    """The runs of both with the answers, one guard a language."""
    return {name: (before[name], after[name], general_qrels(name)) for name in GENERAL_SETS}


def general_runs(encoder: Encoder) -> dict[str, Run]:
    """Dense search on the general questions that ship with the package.

    Dense search forgets first; two stages find nearly all of these questions' answers, and would hide it.
    """
    return {name: general_run(encoder, name) for name in GENERAL_SETS}


def general_qrels(name: str) -> Qrels:
    """The answers of a general set."""
    return read_qrels(GENERAL / name)


def general_run(encoder: Encoder, name: str) -> Run:
    """Dense search on a general set."""
    documents = [row for row in read_documents([GENERAL / name]) if isinstance(row, Document)]
    queries = read_queries(GENERAL / name)[0]
    vectors = encoder.encode_documents([reading(document.title, document.text) for document in documents])  # (documents, dim)
    scores = similarities(encoder.encode_queries([query.text for query in queries]), vectors, encoder.space)  # (queries, documents)
    rankings = {}
    for query, values in zip(queries, scores.tolist(), strict=True):
        rankings[query.id] = best_first(Hit(document.id, value) for document, value in zip(documents, values, strict=True))[:FOUND]
    return Run(name, rankings)


def _runs(one: OpenCollection, side: str, queries: Sequence[Query], depth: int, progress: Progress) -> dict[str, Run]:
    found = dict[str, Run]()
    for stage in STAGES:
        settings = SearchSettings(k=FOUND, depth=depth, stage=stage)

        def tell(_: str, done: int, total: int, stage: str = stage) -> None:
            progress(f"measuring {stage} {side}", done, total)

        found[stage] = Run(f"{side} ({stage})", asking.ranked(one, queries, settings, Stopwatch(), tell))
    return found


def _latencies(old: OpenCollection, new: OpenCollection, queries: Sequence[Query], depth: int) -> tuple[float, float]:
    """Median seconds of a two-stage search with each, asked in turn."""
    settings = SearchSettings(depth=depth)
    seconds: Mapping[int, list[float]] = {0: [], 1: []}
    for query in queries[:: max(1, len(queries) // TIMED)][:TIMED]:
        for side, one in enumerate((old, new)):
            start = time.perf_counter()
            one.rank([query], settings, Stopwatch())
            seconds[side].append(time.perf_counter() - start)
    return median(seconds[0]), median(seconds[1])


def at_depth(collection: OpenCollection, depth: int) -> OpenCollection:
    """The collection, reranking so many candidates."""
    collection.weights = replace(collection.weights, depth=depth)
    return collection
