"""The weights of a collection's stages, fitted on questions that its models did not train on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from bicross import asking
from bicross.opened import OpenCollection
from bicross.records import Qrels, Query, Ranking
from bicross.searchers.stopwatch import Stopwatch
from bicross.settings import SearchSettings, StageName
from bicross.tuning.weights import Known, calibration, combination, joined, lexical_weight

Progress = Callable[[str, int, int], None]
RECALLED = 100
ASKED = {"rank": 1.0, "late": 1.0, "rerank": 1.0}  # so that every scorer reads the candidates


def fit_weights(collection: OpenCollection, queries: Sequence[Query], qrels: Qrels, depth: int, progress: Progress) -> dict[str, Any]:
    """{"weights", "quality", "taken", "questions"}: what the collection should keep, and cross-fitted nDCG@10 of what was tried and taken.

    The questions are searched with the models themselves: weights that were fitted to weaker models, trained on a part of the
    questions, would give a tuned bi-encoder too little (docs/log.md). The collection's own weights are as before afterwards.
    """
    before, judged = collection.weights, {query.id: qrels[query.id] for query in queries}

    def found(stage: StageName, count: int) -> dict[str, Ranking]:
        def tell(_: str, done: int, total: int) -> None:
            progress(f"fitting weights, {stage}", done, total)

        return asking.ranked(collection, queries, SearchSettings(k=count, depth=depth, stage=stage), Stopwatch(), tell)

    try:
        lexical, dense = (Known(found(stage, RECALLED)) for stage in ("lexical", "dense"))
        weight = lexical_weight(lexical, dense, queries, judged)
        collection.weights = replace(before, fusion={"lexical": weight, "dense": 1.0}, combination=ASKED, depth=depth)
        read = found("both", depth)
    finally:
        collection.weights = before
    candidates = {query: sorted(ranking, key=lambda hit: hit.stages["fused"].rank) for query, ranking in read.items()}
    combined = combination(candidates, judged)
    weights = joined(before, weight, combined.weights, depth, calibration(candidates, judged))
    return {"weights": weights.as_json(), "quality": combined.quality, "taken": combined.taken, "questions": len(queries)}
