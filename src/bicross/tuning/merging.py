"""The tuned encoder mixed with its base: the share of its weights with which search is best and little is forgotten.

Linear interpolation with the base (Wortsman et al. 2022, "Robust fine-tuning of zero-shot models"). A learning rate that is high for a
small model, and mixing afterwards, ranks better than a low one without, and forgets less (docs/log.md).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bicross.evaluation.gate import general_guards
from bicross.evaluation.metrics import means, per_query
from bicross.models import registry
from bicross.opened import OpenCollection
from bicross.protocols import Encoder
from bicross.records import Hit, Mined, Run
from bicross.training.surgery import average
from bicross.tuning.loop import Task
from bicross.tuning.measure import general_runs, general_sets
from bicross.tuning.mined import gather
from bicross.tuning.plan import SHARES
from bicross.vectors import best_first, similarities

MEASURE = "nDCG@10"
FOUND = 100


def merged(task: Task, number: int, collection: OpenCollection, tuned: Path) -> Path:
    """The tuned encoder, or a mean of its weights with those of the untuned one.

    Of the shares with which the general questions fall by no more than the gate allows, that with which the held-out questions are
    answered best; the smallest, where all forget more. The held-out questions are searched in the pool of what the `collection`'s
    searches find for them.
    """

    def mixed(share: float) -> Path:
        into = task.run.path(f"{number}-merged-{share}")
        task.run.once(into.name, lambda: average([tuned, task.encoder], [share, 1 - share], into, {"share": share}))
        return into

    def choose() -> dict[str, Any]:
        rows = held_rows(task, collection)
        qrels = {row.query.id: task.qrels[row.query.id] for row in rows}
        before = general_runs(registry.load_encoder(str(task.encoder)))
        tried: dict[str, Any] = {}
        for done, share in enumerate(SHARES):
            task.progress("mixing with the base", done, len(SHARES))
            encoder = registry.load_encoder(str(tuned if share == 1.0 else mixed(share)))
            guards = general_guards(general_sets(before, general_runs(encoder)), task.settings.gate)
            found = means(per_query([MEASURE], qrels, pool_search(encoder, rows)))
            tried[str(share)] = {**found, "guards": [asdict(guard) for guard in guards]}
        kept = [share for share in SHARES if all(guard["passed"] for guard in tried[str(share)]["guards"])]
        share = max(kept, key=lambda one: tried[str(one)][MEASURE]) if kept else min(SHARES)
        return {"share": share, "tried": tried, "questions": len(rows)}

    share = task.run.value(f"{number}-merge", choose)["share"]
    return tuned if share == 1.0 else mixed(share)


def held_rows(task: Task, collection: OpenCollection) -> list[Mined]:
    """The held-out questions with their answers and as many candidates as the training questions get, none drawn at random."""
    settings = task.settings.mine.model_copy(update={"random": 0})
    return gather(collection, task.held, task.qrels, settings, task.plan.candidates, {}, task.progress)


def pool_search(encoder: Encoder, rows: Sequence[Mined]) -> Run:
    """Dense search of the rows' questions over the pool of all their candidates and answers."""
    texts = {one.doc_id: one.text for row in rows for one in (*row.positives, *row.candidates)}
    vectors = encoder.encode_documents(list(texts.values()))  # (pool, dim)
    scores = similarities(encoder.encode_queries([row.query.text for row in rows]), vectors, encoder.space)  # (questions, pool)
    rankings = {}
    for row, values in zip(rows, scores.tolist(), strict=True):
        rankings[row.query.id] = best_first(Hit(doc_id, value) for doc_id, value in zip(texts, values, strict=True))[:FOUND]
    return Run("dense search of the pool", rankings)
