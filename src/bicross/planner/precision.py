"""The collection's reranker in 8-bit integers beside itself, on all candidates."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bicross import eightbit
from bicross.errors import InputError
from bicross.models.cross_encoder import CrossEncoder
from bicross.opened import Once
from bicross.planner.world import World
from bicross.protocols import Scorer
from bicross.records import Ranking
from bicross.settings import QuantizeSettings

RACED = 6  # questions whose candidates both read in turn, for the ratio of their times; the first warms up


@dataclass(frozen=True, slots=True)
class InEightBits:
    """What the collection would keep of it, and the candidates with its scores in the place of the collection's own."""

    made: eightbit.Made
    candidates: Mapping[str, Ranking]


def in_eight_bits(world: World, temporary: Path, limits: QuantizeSettings = QuantizeSettings()) -> tuple[InEightBits | None, str]:
    """The reranker calibrated on the collection's own texts, with sentences for questions, as `quantize` would; or None, and why not.

    The World opens it from then on by its name. `temporary`: an empty folder, as long as the World is used.
    """
    collection = world.collection
    model = collection.facts.reranker
    try:
        folder = eightbit.plain(model, collection.path)
    except InputError as error:
        return None, str(error)
    if not world.plain.combination.get("rerank") or not world.deepest:
        return None, "nothing is reranked."
    world.progress("calibrating int8", 0, 0)
    questions, texts = eightbit.stand_ins(collection.view, limits.sample), collection.view.sample(eightbit.PASSAGES)
    if not questions:
        return None, "no passage has a sentence to calibrate on."
    trial = eightbit.calibrated(folder, questions, texts, temporary)
    reranker = CrossEncoder(trial.after)
    candidates = world.read_by(reranker, "rerank", "int8")
    ids = {query: [hit.doc_id for hit in ranking] for query, ranking in candidates.items() if len(ranking) > 2}
    old, new = ({query: _scores(read[query]) for query in ids} for read in (world.candidates, candidates))
    drift = eightbit.drift_of(ids, old, new, _raced(world, CrossEncoder(trial.before), reranker), world.qrels or {})
    if refused := eightbit.refusal(drift, limits):
        return None, f"{refused}."
    made = eightbit.made(trial, model, drift)
    world.rerankers[made.name] = Once(lambda: reranker)
    return InEightBits(made, candidates), ""


def _scores(ranking: Ranking) -> NDArray[np.float32]:
    return np.array([hit.stages["rerank"].score for hit in ranking], dtype=np.float32)


def _raced(world: World, *models: Scorer) -> list[float]:
    """How many times as fast as the first model the second reads the candidates of some questions, in turn."""
    ratios = []
    for query in world.queries[:RACED]:
        taken, pairs = list[float](), world.pairs(query)
        for model in models:
            start = time.perf_counter()
            model.score(pairs)
            taken.append(time.perf_counter() - start)
        ratios.append(taken[0] / taken[1])
    return ratios[1:]
