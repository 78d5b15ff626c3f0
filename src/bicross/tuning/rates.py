"""How fast this machine is on the collection's own text, and the plan that follows."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, replace
from statistics import fmean
from typing import Any

from bicross.collection.store import Collection
from bicross.models import names
from bicross.opened import OpenCollection
from bicross.settings import TuneSettings
from bicross.training.speed import training_rate
from bicross.tuning.bases import trainable
from bicross.tuning.plan import STANDARD, World, as_json, choose, tokens_a_second
from bicross.tuning.questions import Questions

Progress = Callable[[str, int, int], None]
SAMPLE = 384  # passages on which rates are measured
MEASURED = 5.0  # seconds for each rate


def plan_of(
    collection: OpenCollection, questions: Questions, settings: TuneSettings, depth: int, measured: bool, progress: Progress
) -> dict[str, Any]:
    """{"plan", "estimates", "seconds", "world"}; rates are measured where a budget, or a dry run, asks for them."""
    if settings.budget is None and not measured:
        fixed = replace(STANDARD, rounds=settings.rounds or STANDARD.rounds)
        return {"plan": asdict(fixed), "estimates": {}, "seconds": None, "world": None}
    world = _world(collection, questions, settings, depth, progress)
    return as_json(choose(world, settings.budget, settings.rounds), world)


def _world(collection: OpenCollection, questions: Questions, settings: TuneSettings, depth: int, progress: Progress) -> World:
    encoder, reranker = collection.encoder(), collection.reranker()
    passages = collection.view.sample(SAMPLE)
    asked = [query.text for query in questions.train[:SAMPLE]]

    def count(text: str) -> int:
        return len(encoder.tokenizer.encode(text).ids)

    progress("measuring rates", 0, 3)

    def encode() -> int:
        encoder.encode_documents(passages)
        return sum(map(count, passages))

    pairs = [(asked[place % len(asked)], text) for place, text in enumerate(passages)]

    def score() -> int:
        reranker.score(pairs)
        return sum(count(query) + count(text) for query, text in pairs)

    encoding = tokens_a_second(encode, MEASURED, time.perf_counter)
    progress("measuring rates", 1, 3)
    scoring = tokens_a_second(score, MEASURED, time.perf_counter)
    progress("measuring rates", 2, 3)
    folder = trainable(names.located(collection.facts.encoder, collection.path))
    training = training_rate(folder.root, passages, settings.bi_encoder.max_tokens, MEASURED)
    progress("measuring rates", 3, 3)
    return World(
        questions=len(questions.train),
        answers=sum(grade > 0 for query in questions.train for grade in questions.qrels[query.id].values()),
        passages=Collection.open(collection.path).status().passages,
        dev=len(questions.dev),
        depth=depth,
        layers=int(folder.config.get("num_hidden_layers", 1)),
        question_tokens=fmean(map(count, asked)),
        passage_tokens=fmean(map(count, passages)),
        encoding=encoding,
        scoring=scoring,
        training=training,
    )
