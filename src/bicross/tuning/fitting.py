"""The weights of the tuned stages, fitted on training questions that were held out of all training, in the collection as it would be."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from bicross import asking
from bicross.opened import OpenCollection
from bicross.records import Ranking
from bicross.searchers.stopwatch import Stopwatch
from bicross.settings import SearchSettings, StageName
from bicross.tuning.loop import Task
from bicross.tuning.weights import Known, calibration, combination, joined, lexical_weight

RECALLED = 100
ASKED = {"rank": 1.0, "late": 1.0, "rerank": 1.0}  # so that every scorer reads the candidates


def fit_weights(task: Task, number: int, trial: OpenCollection, depth: int) -> dict[str, Any]:
    """{"weights", "quality", "questions"}: what the collection would keep, and the cross-fitted quality of what was tried.

    The held-out questions are searched with the models themselves: weights that were fitted to weaker models, trained on a part of
    the questions, would give the tuned bi-encoder too little (docs/log.md).
    """

    def make() -> dict[str, Any]:
        before, qrels = trial.weights, {query.id: task.qrels[query.id] for query in task.held}
        lexical, dense = (Known(_found(task, trial, stage)) for stage in ("lexical", "dense"))
        weight = lexical_weight(lexical, dense, task.held, qrels)
        trial.weights = replace(before, fusion={"lexical": weight, "dense": 1.0}, combination=ASKED, depth=depth)
        read = _found(task, trial, "both", depth)
        candidates = {query: sorted(ranking, key=lambda hit: hit.stages["fused"].rank) for query, ranking in read.items()}
        combined, quality = combination(candidates, qrels)
        weights = joined(before, weight, combined, depth, calibration(candidates, qrels))
        return {"weights": weights.as_json(), "quality": quality, "questions": len(task.held)}

    found: dict[str, Any] = task.run.value(f"{number}-weights", make)
    return found


def _found(task: Task, trial: OpenCollection, stage: StageName, depth: int = RECALLED) -> dict[str, Ranking]:
    """The held-out questions' rankings."""

    def tell(_: str, done: int, total: int) -> None:
        task.progress(f"fitting weights, {stage}", done, total)

    return asking.ranked(trial, task.held, SearchSettings(k=depth, depth=depth, stage=stage), Stopwatch(), tell)
