"""The weights of the tuned stages, fitted on a sample of training questions, each searched with the models that did not train on it."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bicross.models import registry
from bicross.protocols import Encoder, Scorer
from bicross.records import Candidate, Hit, Mined, Passage, Ranking, Stage
from bicross.searchers.fused import FusedSearcher
from bicross.searchers.weights import Weights
from bicross.tuning.loop import FOLDS, Task, fold_scorer
from bicross.tuning.rows import of_folds
from bicross.tuning.weights import Known, calibration, combination, joined, lexical_weight
from bicross.vectors import best_first, similarities, top_columns

RECALLED = 100


@dataclass(frozen=True, slots=True)
class Held:
    """Held-out questions of one fold: both searches' rankings over the pool of their candidates, and the models that answer them.

    A hit's passage is what the models read of the document beside the question.
    """

    rows: Sequence[Mined]
    lexical: dict[str, Ranking]
    dense: dict[str, Ranking]
    encoder: Encoder
    scorer: Scorer


def fit_weights(task: Task, number: int, mined: Sequence[Mined], encoders: Sequence[Path], before: Weights, depth: int) -> dict[str, Any]:
    """{"weights", "fusion", "combination"}: what the collection keeps, and the cross-fitted quality of what was tried.

    The pool of a fold is the union of its questions' candidates, so a document that only the tuned encoder would find is missing;
    that makes dense search look a little better than it is to every choice alike.
    """

    def make() -> dict[str, Any]:
        held = [_held(task, number, fold, mined, encoders[fold]) for fold in range(FOLDS)]
        queries = [row.query for one in held for row in one.rows]
        qrels = {query.id: task.qrels[query.id] for query in queries}
        lexical, dense = (
            Known({query: found for one in held for query, found in getattr(one, name).items()}) for name in ("lexical", "dense")
        )
        weight = lexical_weight(lexical, dense, queries, qrels)
        fused = FusedSearcher({"lexical": lexical, "dense": dense}, {"lexical": weight, "dense": 1.0}).search(queries, depth)
        candidates: dict[str, list[Hit]] = {}
        for done, one in enumerate(held):
            candidates |= _scored({row.query.id: fused[row.query.id] for row in one.rows}, one)
            task.progress("fitting weights", done + 1, FOLDS)
        combined, quality = combination(candidates, qrels)
        weights = joined(before, weight, combined, depth, calibration(candidates, qrels))
        return {"weights": weights.as_json(), "quality": quality, "questions": len(queries)}

    found: dict[str, Any] = task.run.value(f"{number}-weights", make)
    return found


def _held(task: Task, number: int, fold: int, mined: Sequence[Mined], encoder_path: Path) -> Held:
    inside = [row for row in of_folds(mined, task.fold_of, fold, inside=True) if row.positives]
    rows = random.Random(task.settings.seed).sample(inside, min(len(inside), task.plan.fitted // FOLDS))
    encoder = registry.load_encoder(str(encoder_path))
    lexical = {
        row.query.id: _stage("lexical", [(one.doc_id, one.text, one.scores["lexical"]) for one in _all(row) if "lexical" in one.scores])
        for row in rows
    }
    return Held(rows, lexical, dense_rankings(encoder, rows), encoder, fold_scorer(task, number, fold))


def dense_rankings(encoder: Encoder, rows: Sequence[Mined]) -> dict[str, Ranking]:
    """Query id -> the best documents of all rows, each by the best of the passages that any row has of it."""
    pool = list(dict.fromkeys((one.doc_id, one.text) for row in rows for one in _all(row)))
    vectors = encoder.encode_documents([text for _, text in pool])  # (pool, dim)
    asked = encoder.encode_queries([row.query.text for row in rows])  # (rows, dim)
    scores = similarities(asked, vectors, encoder.space)  # (rows, pool)
    best = top_columns(scores, RECALLED).tolist()
    return {
        row.query.id: _stage("dense", [(*pool[place], float(values[place])) for place in places])
        for row, values, places in zip(rows, scores, best, strict=True)
    }


def _all(row: Mined) -> tuple[Candidate, ...]:
    return *row.positives, *row.candidates


def _stage(name: str, scored: Sequence[tuple[str, str, float]]) -> Ranking:
    """(document id, text, score) as the search of this name ranks them, a document by its best text."""
    best: dict[str, Hit] = {}
    for doc_id, text, score in sorted(scored, key=lambda one: -one[2]):
        best.setdefault(doc_id, Hit(doc_id, score, Passage("", doc_id, 0, len(text), text)))
    return tuple(replace(hit, stages={name: Stage(rank, hit.score)}) for rank, hit in enumerate(best_first(best.values()), start=1))


def _scored(fused: Mapping[str, Ranking], held: Held) -> dict[str, list[Hit]]:
    """The candidates with the scores of late interaction, where the encoder gives it, and of the cross-encoder."""
    questions = {row.query.id: row.query.text for row in held.rows}
    pairs = {(query, hit.doc_id): (questions[query], hit.passage.text) for query, hits in fused.items() for hit in hits if hit.passage}
    known = {(row.query.text, one.text): one.scores["rerank"] for row in held.rows for one in _all(row) if "rerank" in one.scores}
    unread = [pair for pair in dict.fromkeys(pairs.values()) if pair not in known]
    known |= dict(zip(unread, held.scorer.score(unread).tolist(), strict=True))
    scored = {"rerank": {place: known[pair] for place, pair in pairs.items()}}
    if (late := registry.load_late_interaction(held.encoder)) is not None:
        scored["late"] = dict(zip(pairs, late.score(list(pairs.values())).tolist(), strict=True))
    return {
        query: [
            replace(hit, stages={**hit.stages, **{name: Stage(0, values[query, hit.doc_id]) for name, values in scored.items()}})
            for hit in hits
        ]
        for query, hits in fused.items()
    }
