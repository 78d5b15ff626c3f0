"""The tuned encoder mixed with its base: the share of its weights with which search is best and little is forgotten.

Linear interpolation with the base (Wortsman et al. 2022, "Robust fine-tuning of zero-shot models"). A learning rate that is high for a
small model, and mixing afterwards, ranks better than a low one without, and forgets less (docs/log.md).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

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

FOUND = 100


def merged(task: Task, number: int, collection: OpenCollection, tuned: Path) -> Path:
    """The tuned encoder, a mean of its weights with those of the untuned one, or the untuned one itself (share 0).

    Of the shares with which the general questions fall by no more than the gate allows, that with which the held-out questions are
    answered best; the untuned one forgets nothing, so there always is one. The held-out questions are searched in the pool of what the
    `collection`'s searches find for them. The gate judges by the same general questions, with the same test: for models that begin
    untuned it only repeats what was chosen by.
    """

    def mixed(share: float) -> Path:
        if share in (0.0, 1.0):
            return tuned if share else task.encoder
        into = task.run.path(f"{number}-merged-{share}")
        task.run.once(into.name, lambda: average([tuned, task.encoder], [share, 1 - share], into, {"share": share}))
        return into

    def choose() -> dict[str, Any]:
        rows = held_rows(task, collection)
        qrels = {row.query.id: task.qrels[row.query.id] for row in rows}
        measure = task.settings.gate.measure
        before = general_runs(registry.load_encoder(str(task.encoder)))
        tried: dict[str, Any] = {}
        for done, share in enumerate(SHARES):
            task.progress("mixing with the base", done, len(SHARES))
            encoder = registry.load_encoder(str(mixed(share)))
            after = general_runs(encoder) if share else before
            guards = general_guards(general_sets(before, after), task.settings.gate)
            found = means(per_query([measure], qrels, pool_search(encoder, rows)))
            tried[str(share)] = {**found, "guards": [asdict(guard) for guard in guards]}
        kept = [share for share in SHARES if all(guard["passed"] for guard in tried[str(share)]["guards"])]
        return {"share": max(kept, key=lambda one: tried[str(one)][measure]), "tried": tried, "questions": len(rows)}

    return mixed(task.run.value(f"{number}-merge", choose)["share"])


def held_rows(task: Task, collection: OpenCollection) -> list[Mined]:
    """The held-out questions with their answers and as many candidates as the training questions get, none drawn at random."""
    settings = task.settings.mine.model_copy(update={"random": 0})
    return gather(collection, task.held, task.qrels, settings, task.plan.candidates, {}, task.progress)


def pool_search(encoder: Encoder, rows: Sequence[Mined]) -> Run:
    """Dense search of the rows' questions over the pool of all their candidates and answers.

    Questions know a document by different passages; its score is that of the best of these, as in search.
    """
    passages = sorted({(one.doc_id, one.text) for row in rows for one in (*row.positives, *row.candidates)})
    starts = [place for place, (doc_id, _) in enumerate(passages) if place == 0 or passages[place - 1][0] != doc_id]
    vectors = encoder.encode_documents([text for _, text in passages])  # (passages, dim)
    scores = similarities(encoder.encode_queries([row.query.text for row in rows]), vectors, encoder.space)  # (questions, passages)
    best = np.maximum.reduceat(scores, starts, axis=1)  # (questions, documents)
    ids = [passages[place][0] for place in starts]
    rankings = {}
    for row, values in zip(rows, best, strict=True):
        enough = np.partition(values, -FOUND)[-FOUND] if len(ids) > FOUND else -np.inf
        rankings[row.query.id] = best_first(Hit(ids[place], float(values[place])) for place in np.flatnonzero(values >= enough))[:FOUND]
    return Run("dense search of the pool", rankings)
