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
from bicross.planner.world import World
from bicross.planning.frontier import Way
from bicross.records import Hit
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


def adapted_of(world: World) -> list[Adapted]:
    """Each stop rule that is worth a try, validated."""
    combination, found = world.plain.combination, list[Adapted]()
    try:
        fold_of = folds(world.queries, FOLDS, 0)
    except InputError:  # nearly all questions are alike
        fold_of = {query.id: place % FOLDS for place, query in enumerate(world.queries)}
    for depth in (depth for depth in steps(world.deepest) if depth >= SHALLOWEST):
        full = world.value({query: in_order(ranking[:depth], depth, combination) for query, ranking in world.candidates.items()})
        for fast, candidates in ((None, world.candidates), *world.fast.items()):
            world.progress(f"adaptive depth, up to {depth}", len(found), 0)
            cut = {query: ranking[:depth] for query, ranking in candidates.items()}
            found.append(adapting.adapt(cut, combination, fold_of, world.value, full, fast))
    return found


def options_of(world: World, facts: Facts, adapted: Sequence[Adapted]) -> list[Option]:
    """All ways, with what they are worth."""
    alone: tuple[StageName, ...] = ("lexical", "dense")
    found = [Option(Way(stage), replace(world.plain, stage=stage), world.value(world.alone(stage)), 0.0) for stage in alone]
    recalled = {query: ranking[:TOP] for query, ranking in world.candidates.items()}
    found.append(Option(Way("fused"), replace(world.plain, stage="fused"), world.value(recalled), 0.0))
    for depth in steps(world.deepest)[1:]:
        found += [at_depth(world, facts, name, depth) for name in (facts.reranker, *world.fast)]
    for one in adapted:
        if one.foresight is not None:
            way = Way("both", one.depth, facts.reranker, adaptive=True, fast=one.fast)
            weights = replace(world.plain, depth=one.depth, foresight=one.foresight, fast=one.fast)
            found.append(Option(way, weights, one.values, one.read))
    return found


def at_depth(world: World, facts: Facts, reranker: str, depth: int) -> Option:
    """Plain reranking to a depth, by the collection's reranker or by another one with the weights that were fitted for it."""
    candidates, weights = world.candidates, world.plain
    if reranker != facts.reranker:
        fitted = Weights.of(weights_of(facts.encoder, reranker, world.collection.path))
        weights = replace(weights, combination=fitted.combination, calibration=fitted.calibration)
        candidates = {query: tuple(map(_as_reranked, ranking)) for query, ranking in world.fast[reranker].items()}
    rankings = {query: in_order(ranking, depth, weights.combination) for query, ranking in candidates.items()}
    read = fmean(min(depth, len(ranking)) for ranking in candidates.values())
    return Option(Way("both", depth, reranker), replace(weights, depth=depth), world.value(rankings), read)


def _as_reranked(hit: Hit) -> Hit:
    """A hit as if the fast reranker had been the only one."""
    stages = {name: stage for name, stage in hit.stages.items() if name != FAST}
    return replace(hit, stages={**stages, "rerank": hit.stages[FAST]})
