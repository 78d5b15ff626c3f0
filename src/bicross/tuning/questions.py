"""What a tuning run is made from: questions split so that nothing of a development question is trained on, and the hash of it all."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bicross import asking
from bicross.data.splits import held_out, split
from bicross.errors import InputError
from bicross.models import names, registry
from bicross.opened import OpenCollection
from bicross.records import Qrels, Query, Skip
from bicross.settings import TuneSettings
from bicross.tuning.run import json_bytes

FEWEST = 20  # training questions


@dataclass(frozen=True, slots=True)
class Questions:
    """Training and development questions with their answers, and what was left out."""

    train: list[Query]
    dev: list[Query]
    qrels: Qrels
    skipped: tuple[Skip, ...]


def read_questions(queries: Path, qrels: Path, dev: Path | None, settings: TuneSettings) -> Questions:
    """The questions, split by near-duplicate group; `dev` names the qrels of development questions of the same file of queries.

    Raises:
        InputError: a file is not what it should be, or too few questions are left.
    """
    train, train_qrels, skipped = asking.judged(queries, qrels)
    if dev is None:
        train, held = split(train, settings.dev_share, settings.seed)
        dev_qrels: Qrels = train_qrels
    else:
        held, dev_qrels, more = asking.judged(queries, dev)
        skipped += more
        both = {query.id for query in held}
        kept = held_out([query for query in train if query.id not in both], held)
        skipped += [
            Skip(query.id, "it is a development question, or a near-duplicate of one")
            for query in train
            if query.id not in {one.id for one in kept}
        ]
        train = kept
    if len(train) < FEWEST:
        raise InputError(
            f"{len(train)} questions are left to train on; expected {FEWEST} or more. Add questions, or name fewer with --dev."
        )
    grades = {query.id: train_qrels[query.id] for query in train} | {query.id: dev_qrels[query.id] for query in held}
    return Questions(train, held, grades, tuple(skipped))


def inputs_of(collection: OpenCollection, questions: Questions, settings: TuneSettings) -> dict[str, Any]:
    """All that decides what comes out, as JSON."""
    kept = {query.id: [query.text, dict(sorted(questions.qrels[query.id].items()))] for query in (*questions.train, *questions.dev)}
    parents = {"encoder": collection.facts.encoder, "reranker": collection.facts.reranker}
    prints = {kind: registry.find(names.located(name, collection.path)).fingerprint() for kind, name in parents.items()}
    return {
        "parents": parents,
        "fingerprints": prints,
        "data": {
            "questions": _digest(kept),
            "train": _digest([query.id for query in questions.train]),
            "documents": collection.view.revision,
            "passage_tokens": collection.facts.passage_tokens,
        },
        "weights": dict(collection.facts.weights),
        "settings": settings.model_dump(),
        "seed": settings.seed,
        "threads": os.cpu_count(),
    }


def _digest(value: Any) -> str:
    return hashlib.sha256(json_bytes(value)).hexdigest()
