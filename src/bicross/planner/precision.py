"""The collection's reranker in its other precision, beside itself on all candidates: in 8-bit integers, or, where it computes in them, as
the model that was calibrated.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bicross import eightbit
from bicross.errors import BicrossError
from bicross.models import registry
from bicross.models.cross_encoder import CrossEncoder
from bicross.models.devices import resolved
from bicross.models.names import located
from bicross.opened import Once
from bicross.planner.world import World
from bicross.protocols import Scorer
from bicross.records import Query, Ranking
from bicross.settings import QuantizeSettings

INT8 = "int8"
RACED = 6  # questions whose candidates both read in turn, for the ratio of their times; the first warms up


@dataclass(frozen=True, slots=True)
class Other:
    """The reranker in another precision than the collection has it in: its name there, the candidates with its scores in the place of the
    collection's own, and, where the collection does not hold it yet, what is to be written.
    """

    reranker: str
    precision: str
    candidates: Mapping[str, Ranking]
    made: eightbit.Made | None = None


def own_precision(world: World) -> str:
    """Of the collection's reranker: INT8, or "" for what the processor does best with floats."""
    name = world.collection.facts.reranker
    calibrated = name != registry.HASHED and registry.find(located(name, world.collection.path)).is_calibrated
    return INT8 if calibrated and resolved(None) == "cpu" else ""


def other_precision(world: World, temporary: Path, limits: QuantizeSettings = QuantizeSettings()) -> tuple[Other | None, str]:
    """All candidates read by the reranker in its other precision, which the World opens from then on by its name; or None, and why not.

    For 8 bits it is calibrated on the collection's own texts, with sentences for questions, as `quantize` does, and has to keep the limits.
    `temporary`: an empty folder, as long as the World is used.
    """
    if not world.plain.combination.get("rerank") or not world.deepest:
        return None, "the cross-encoder has no weight."
    if (device := resolved(None)) != "cpu":
        return None, f"models run on {device}."
    try:
        return _as_it_was(world) if own_precision(world) else _in_eight_bits(world, temporary, limits)
    except BicrossError as error:
        return None, str(error)


def _as_it_was(world: World) -> tuple[Other | None, str]:
    path, model = world.collection.path, world.collection.facts.reranker
    before = registry.find(located(model, path)).notes.get("int8", {}).get("of")
    if not before:
        return None, f"{model} does not say what it was calibrated from."
    reranker = registry.load_reranker(located(before, path))
    world.rerankers[before] = Once(lambda: reranker)
    return Other(before, "", world.read_by(reranker, "rerank", before)), ""


def _in_eight_bits(world: World, temporary: Path, limits: QuantizeSettings) -> tuple[Other | None, str]:
    collection = world.collection
    model = collection.facts.reranker
    folder = eightbit.plain(model, collection.path)
    world.progress("calibrating int8", 0, 0)
    questions, texts = eightbit.stand_ins(collection.view, limits.sample), collection.view.sample(eightbit.PASSAGES)
    asked = [query for query in world.queries if len(world.candidates[query.id]) > 2]
    if not questions or not asked:
        return None, "there are too few texts to calibrate on, or to compare the order of."
    trial = eightbit.calibrated(folder, questions, texts, temporary)
    reranker = CrossEncoder(trial.after)
    candidates = world.read_by(reranker, "rerank", INT8)
    ids = {query.id: [hit.doc_id for hit in candidates[query.id][: world.deepest]] for query in asked}
    old, new = ({query: _scores(read[query][: world.deepest]) for query in ids} for read in (world.candidates, candidates))
    drift = eightbit.drift_of(ids, old, new, _raced(world, asked, collection.reranker(), reranker), world.qrels or {})
    if refused := eightbit.refusal(drift, limits):
        return None, f"{refused}."
    made = eightbit.made(trial, model, drift)
    world.rerankers[made.name] = Once(lambda: reranker)
    return Other(made.name, INT8, candidates, made), ""


def _scores(ranking: Ranking) -> NDArray[np.float32]:
    return np.array([hit.stages["rerank"].score for hit in ranking], dtype=np.float32)


def _raced(world: World, asked: Sequence[Query], *models: Scorer) -> list[float]:
    """How many times as fast as the first model the second reads the candidates of some questions, in turn."""
    ratios = []
    for query in asked[:RACED]:
        taken, pairs = list[float](), world.pairs(query)
        for model in models:
            start = time.perf_counter()
            model.score(pairs)
            taken.append(time.perf_counter() - start)
        ratios.append(taken[0] / taken[1])
    return ratios[1:] or ratios
