"""What a tuning run is made from: questions split so that nothing of a development question is trained on, and the hash of it all."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from bicross import asking
from bicross.ancestry import Ancestry, ancestry
from bicross.data.languages import language_of
from bicross.data.splits import held_out, split
from bicross.errors import InputError
from bicross.evaluation.slices import slices
from bicross.models import names
from bicross.opened import OpenCollection
from bicross.records import Qrels, Query, Skip
from bicross.settings import TuneSettings
from bicross.tuning.bases import trainable
from bicross.tuning.run import json_bytes

FEWEST = 20  # training questions


@dataclass(frozen=True, slots=True)
class Questions:
    """Training and development questions with their answers, and what was left out."""

    train: list[Query]
    dev: list[Query]
    qrels: Qrels
    skipped: tuple[Skip, ...]


def read_questions(queries: Path, qrels: Path, dev: Path | None, settings: TuneSettings, known: Ancestry) -> Questions:
    """The questions, split by near-duplicate group; `dev` names the qrels of development questions of the same file of queries.

    Questions without an answer, a grade above 0, are left out. No development question has trained the models that answer now, whose
    ancestry is `known`: those would be measured too well.

    Raises:
        InputError: a file is not what it should be, or too few questions are left.
    """
    asked, train_qrels, skipped = _answered(queries, qrels)
    dev_qrels: Qrels = train_qrels
    if dev is None:
        train, held = split(asked, settings.dev_share, settings.seed, seen=known.saw(asked))
    else:
        judged, dev_qrels, more = _answered(queries, dev)
        skipped += [one for one in more if one not in skipped]  # the same file of queries was read twice
        seen = known.saw(judged)
        skipped += [Skip(query.id, "it trained a model that answers now, so it cannot measure") for query in judged if query.id in seen]
        held = [query for query in judged if query.id not in seen]
        if not held:
            raise InputError(f"All {len(judged)} questions of {dev} have trained the models that answer now; name others with --dev.")
        both = {query.id for query in held}
        train = held_out([query for query in asked if query.id not in both], held)
        kept = {query.id for query in train}
        why = "it is a development question, or a near-duplicate of one"
        skipped += [Skip(query.id, why) for query in asked if query.id not in kept]
    slices(held, language_of)  # a tag that is none is said before anything is trained
    if len(train) < FEWEST:
        raise InputError(
            f"{len(train)} questions are left to train on; expected {FEWEST} or more. Add questions, or name fewer with --dev."
        )
    grades = {query.id: train_qrels[query.id] for query in train} | {query.id: dev_qrels[query.id] for query in held}
    return Questions(train, held, grades, tuple(skipped))


def _answered(queries: Path, qrels: Path) -> tuple[list[Query], Qrels, list[Skip]]:
    """The judged questions that have an answer, their judgements, and what was left out."""
    judged, grades, skipped = asking.judged(queries, qrels)
    asked = [query for query in judged if max(grades[query.id].values()) > 0]
    answered = {query.id for query in asked}
    skipped += [Skip(query.id, f"{qrels} names no answer to it") for query in judged if query.id not in answered]
    return asked, grades, skipped


def inputs_of(collection: OpenCollection, questions: Questions, settings: TuneSettings) -> dict[str, Any]:
    """All that decides what comes out, as JSON.

    Raises:
        InputError: one of the collection's models has no weights.
    """
    grades = {query.id: dict(sorted(questions.qrels[query.id].items())) for query in (*questions.train, *questions.dev)}
    kept = {query.id: [query.text, query.meta, grades[query.id]] for query in (*questions.train, *questions.dev)}
    facts, origin = collection.facts, ancestry(collection.path, collection.facts)
    models = {"encoder": facts.encoder, "reranker": facts.reranker}
    models |= {"untuned encoder": origin.encoder, "untuned reranker": origin.reranker}  # which are trained: the same, or their ancestors
    prints = {kind: trainable(names.located(name, collection.path)).fingerprint() for kind, name in models.items()}
    return {
        "parents": {"encoder": facts.encoder, "reranker": facts.reranker},
        "fingerprints": prints,
        "data": {
            "questions": _digest(kept),
            "train": _digest([query.id for query in questions.train]),
            "documents": collection.view.digest(),
            "passage_tokens": collection.facts.passage_tokens,
        },
        "weights": dict(collection.facts.weights),
        "settings": settings.model_dump(),
        "seed": settings.seed,
        "threads": _threads(),
        "versions": versions(),
    }


def versions() -> dict[str, str]:
    """The libraries that decide a number."""
    return {name: version(name) for name in ("bicross", "torch", "transformers", "sentence-transformers", "openvino", "tokenizers")}


def _threads() -> int | None:
    """How many threads the libraries compute with: what OMP_NUM_THREADS says, or one a core."""
    said = os.environ.get("OMP_NUM_THREADS", "")
    return int(said) if said.isdecimal() else os.cpu_count()


def _digest(value: Any) -> str:
    return hashlib.sha256(json_bytes(value)).hexdigest()
