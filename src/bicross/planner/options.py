"""Ways to search, with what each is worth on the questions that were asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean

from bicross import adapting
from bicross.adapting import Adapted
from bicross.collection.store import Facts
from bicross.data.splits import folds
from bicross.errors import InputError
from bicross.evaluation.agreement_of_stages import TOP
from bicross.evaluation.depths import steps
from bicross.planner.precision import Other, own_precision
from bicross.planner.world import World
from bicross.planning.frontier import Way
from bicross.records import Hit, Ranking
from bicross.searchers.foresight import FAST
from bicross.searchers.reading import in_order
from bicross.searchers.weights import Weights
from bicross.settings import StageName
from bicross.upsert import weights_of

FOLDS = 5
SHALLOWEST = 20  # candidates from which on reading fewer of them can pay
Values = Mapping[str, float]
"""Query id -> value."""


@dataclass(frozen=True, slots=True)
class Option:
    """A way to search, and what the collection has to hold for it; `values` and mean `read` are of the questions that were asked."""

    way: Way
    weights: Weights
    values: Values
    read: float


@dataclass(frozen=True, slots=True)
class Reader:
    """A reranker in a precision ("" is what the processor does best with floats), the weights that go with it, and all candidates as it
    reads them."""

    reranker: str
    precision: str
    weights: Weights
    candidates: Mapping[str, Ranking]


def readers_of(world: World, facts: Facts, other: Other | None) -> list[Reader]:
    """The collection's own reranker first, then the others with the weights that were fitted for them, then its own as `other`."""
    found = [Reader(facts.reranker, own_precision(world), world.plain, world.candidates)]
    for name, rankings in world.fast.items():
        fitted = Weights.of(weights_of(facts.encoder, name, world.collection.path))
        weights = replace(world.plain, combination=fitted.combination, calibration=fitted.calibration)
        found.append(Reader(name, "", weights, {query: tuple(map(_as_reranked, ranking)) for query, ranking in rankings.items()}))
    return [*found, *([Reader(other.reranker, other.precision, world.plain, other.candidates)] if other else [])]


def rules_of(world: World, readers: Sequence[Reader]) -> list[tuple[Reader, Adapted]]:
    """Each stop rule that is worth a try, with what reads last: the collection's own reranker, alone or after a fast one, or the same in
    another precision; validated against full depth of the collection's own."""
    combination, found = world.plain.combination, list[tuple[Reader, Adapted]]()
    try:
        fold_of = folds(world.queries, FOLDS, 0)
    except InputError:  # nearly all questions are alike
        fold_of = {query.id: place % FOLDS for place, query in enumerate(world.queries)}
    own, alone = readers[0], [reader for reader in readers if reader.reranker not in world.fast]
    tried = [*((reader, None, reader.candidates) for reader in alone), *((own, *one) for one in world.fast.items())]
    for depth in (depth for depth in steps(world.deepest) if depth >= SHALLOWEST):
        full = world.value({query: in_order(ranking[:depth], depth, combination) for query, ranking in own.candidates.items()})
        for reader, fast, candidates in tried:
            world.progress(f"adaptive depth, up to {depth}", len(found), 0)
            cut = {query: ranking[:depth] for query, ranking in candidates.items()}
            found.append((reader, adapting.adapt(cut, combination, fold_of, world.value, full, fast)))
    return found


def options_of(world: World, readers: Sequence[Reader], rules: Sequence[tuple[Reader, Adapted]]) -> list[Option]:
    """All ways, with what they are worth."""
    alone: tuple[StageName, ...] = ("lexical", "dense")
    found = [Option(Way(stage), replace(world.plain, stage=stage), world.value(world.alone(stage)), 0.0) for stage in alone]
    recalled = {query: ranking[:TOP] for query, ranking in world.candidates.items()}
    found.append(Option(Way("fused"), replace(world.plain, stage="fused"), world.value(recalled), 0.0))
    found += [at_depth(world, reader, depth) for depth in steps(world.deepest)[1:] for reader in readers]
    for reader, one in rules:
        if one.foresight is not None:
            way = Way("both", one.depth, reader.reranker, adaptive=True, fast=one.fast, precision=reader.precision)
            weights = replace(reader.weights, depth=one.depth, foresight=one.foresight, fast=one.fast)
            found.append(Option(way, weights, one.values, one.read))
    return found


def at_depth(world: World, reader: Reader, depth: int) -> Option:
    """Plain reranking to a depth."""
    rankings = {query: in_order(ranking, depth, reader.weights.combination) for query, ranking in reader.candidates.items()}
    read = fmean(min(depth, len(ranking)) for ranking in reader.candidates.values())
    way = Way("both", depth, reader.reranker, precision=reader.precision)
    return Option(way, replace(reader.weights, depth=depth), world.value(rankings), read)


def _as_reranked(hit: Hit) -> Hit:
    """A hit as if the fast reranker had been the only one."""
    stages = {name: stage for name, stage in hit.stages.items() if name != FAST}
    return replace(hit, stages={**stages, "rerank": hit.stages[FAST]})
