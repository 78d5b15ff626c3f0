"""How fast this machine is on the collection's own text, and the plan that follows."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from statistics import fmean
from typing import Any, TypeVar

from bicross.ancestry import ancestry
from bicross.collection.store import Collection
from bicross.errors import InputError
from bicross.models import names
from bicross.models.folder import ModelFolder
from bicross.models.network import cores
from bicross.opened import OpenCollection
from bicross.protocols import Progress
from bicross.settings import TuneSettings
from bicross.training.speed import training_step
from bicross.tuning.bases import trainable
from bicross.tuning.plan import STANDARD, World, alike, as_json, choose, tokens_a_second
from bicross.tuning.questions import Questions

T = TypeVar("T")
SAMPLE = 384  # passages whose lengths are counted, and of which rates are measured
SHARE = 16  # passages for each core that are embedded, or scored, in one call: fewer would leave cores idle
ROWS = 96  # passages in one step of training: as a batch of 32 rows with two negatives has
MEASURED = 5.0  # seconds for each rate
SIZES = ("model_type", "hidden_size", "num_hidden_layers", "intermediate_size")


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
    start = time.perf_counter()
    tokenizer, origin = collection.encoder().tokenizer, ancestry(collection.path, collection.facts)
    bases = [trainable(names.located(name, collection.path)) for name in (origin.encoder, origin.reranker)]
    passages, asked = collection.view.sample(SAMPLE), [query.text for query in questions.train[:SAMPLE]]
    if not passages:
        raise InputError(f"{collection.path} has no text to measure rates on. Index the documents that answer the questions first.")
    passage_tokens, question_tokens = ([len(tokenizer.encode(text).ids) for text in texts] for texts in (passages, asked))
    pairs = [(asked[place % len(asked)], text) for place, text in enumerate(passages)]
    pair_tokens = [question_tokens[place % len(asked)] + tokens for place, tokens in enumerate(passage_tokens)]
    encoding, scoring, encoder_training, reranker_training = _rates(
        collection, settings, bases, (passages, passage_tokens), (pairs, pair_tokens), progress
    )
    return World(
        questions=len(questions.train),
        answers=sum(grade > 0 for query in questions.train for grade in questions.qrels[query.id].values()),
        passages=Collection.open(collection.path).status().passages,
        dev=len(questions.dev),
        depth=depth,
        spaces=int(origin.encoder != collection.facts.encoder),
        encoder_layers=_layers(bases[0].config),
        reranker_layers=settings.cross_encoder.layers or _layers(bases[1].config),
        question_tokens=fmean(question_tokens),
        passage_tokens=fmean(passage_tokens),
        encoding=encoding,
        scoring=scoring,
        encoder_training=encoder_training,
        reranker_training=reranker_training,
        measuring=time.perf_counter() - start,
    )


def _rates(
    collection: OpenCollection,
    settings: TuneSettings,
    bases: Sequence[ModelFolder],
    passages: tuple[Sequence[str], Sequence[int]],
    pairs: tuple[Sequence[tuple[str, str]], Sequence[int]],
    progress: Progress,
) -> list[float]:
    """Tokens a second: of encoding, of scoring, of training the encoder, of training the reranker. Texts come with their tokens."""
    rates = list[float]()

    def measure(work: Callable[[Sequence[T]], object], items: Sequence[T], tokens: Sequence[int], size: int) -> None:
        progress("measuring rates", len(rates), 4)
        rates.append(tokens_a_second(work, items, tokens, size, MEASURED, time.perf_counter))

    def measure_sorted(work: Callable[[Sequence[T]], object], items: Sequence[T], tokens: Sequence[int]) -> None:
        size = SHARE * cores()
        first = alike(tokens, size)
        measure(work, [items[place] for place in first], [tokens[place] for place in first], size)

    measure_sorted(collection.encoder().encode_documents, *passages)
    measure_sorted(collection.reranker().score, *pairs)
    lengths = settings.bi_encoder.max_tokens, settings.cross_encoder.max_tokens
    measure(training_step(bases[0].root, lengths[0]), *passages, ROWS)
    if _train_alike(bases[0].config, bases[1].config) and lengths[0] == lengths[1]:
        rates.append(rates[-1])
    else:
        measure(training_step(bases[1].root, lengths[1]), *pairs, ROWS)
    progress("measuring rates", 4, 4)
    return rates


def _train_alike(encoder: Mapping[str, Any], reranker: Mapping[str, Any]) -> bool:
    """Whether two models train equally fast, by their configurations."""
    return all(name in encoder and encoder[name] == reranker.get(name) for name in SIZES)


def _layers(config: Mapping[str, Any]) -> int:
    """The number of a transformer's layers; 1, of which none can be frozen, where its configuration does not say."""
    return int(config.get("num_hidden_layers") or config.get("n_layers") or 1)
