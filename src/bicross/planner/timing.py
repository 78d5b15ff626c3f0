"""How long each way to search takes here, each question asked alone."""

from __future__ import annotations

import time
from collections.abc import Sequence

from bicross.evaluation.averages import mean_of
from bicross.evaluation.latency import percentiles
from bicross.opened import OpenCollection
from bicross.planner.options import Option, Reader, at_depth
from bicross.planner.world import World
from bicross.planning.frontier import Point, Way, bought, deepest_within
from bicross.protocols import Progress
from bicross.records import Query

TIMED, LEAST, LONG = 60, 20, 10.0  # questions that time a way; no more than LEAST of a way that takes so many seconds for them
CONFIRMED = 150  # questions that time the way that is taken once more
Times = dict[Way, list[float]]
"""Seconds of single questions."""


def timed_of(world: World, options: Sequence[Option], progress: Progress) -> Times:
    """Seconds of single questions, the ways in turn so that a busy moment meets them all; of slow ways fewer."""
    times: Times = {option.way: [] for option in options}
    opened = {option.way: _opened(world, option) for option in options}
    for one in opened.values():
        one.search(world.queries[0].text)  # models load and compile
    for lap in range(TIMED):
        for place, (way, one) in enumerate(opened.items()):
            spent = times[way]
            if len(spent) < LEAST or sum(spent) < LONG:
                query = world.queries[(lap + place * 7) % len(world.queries)]
                spent.append(_ask(one, query))
        progress("timing", lap + 1, TIMED)
    return times


def _ask(opened: OpenCollection, query: Query) -> float:
    start = time.perf_counter()
    opened.search(query.text)
    return time.perf_counter() - start


def _opened(world: World, option: Option) -> OpenCollection:
    """The collection as it would search."""
    way = option.way
    other = world.rerankers.get(way.reranker or "")
    return world.collection.trying(option.weights, other, world.rerankers.get(way.fast or ""))


def deepened(
    world: World, readers: Sequence[Reader], options: list[Option], timed: Times, budget: float, progress: Progress
) -> tuple[list[Option], Times]:
    """The same, and for each reranker the depth that would take just the budget, which stands between two that were measured."""
    fresh = []
    for reader in readers:
        of_it = [option for option in options if not option.way.reranker or option.way.reranker == reader.reranker]
        depth = deepest_within([point_of(option, timed[option.way]) for option in of_it], budget)
        if depth and all(option.way.depth != depth or option.way.adaptive for option in of_it):
            fresh.append(at_depth(world, reader, depth))
    return [*options, *fresh], {**timed, **timed_of(world, fresh, progress)}


def confirmed_of(world: World, options: Sequence[Option], timed: Times, budget: float, progress: Progress) -> Option | None:
    """The option that the budget buys, timed with more questions: where that shows it to be slower than it seemed, the next is taken."""
    by_way = {option.way: option for option in options}
    confirmed = set[Way]()
    while point := bought([point_of(option, timed[option.way]) for option in options], budget):
        if point.way in confirmed:
            return by_way[point.way]
        opened = _opened(world, by_way[point.way])
        for place in range(CONFIRMED):
            timed[point.way].append(_ask(opened, world.queries[(place * 11) % len(world.queries)]))
            progress(f"confirming {point.name}", place + 1, CONFIRMED)
        confirmed.add(point.way)
    return None


def point_of(option: Option, seconds: Sequence[float]) -> Point:
    """The way as it was measured."""
    quality, spent = mean_of(list(option.values.values())), percentiles(seconds)
    return Point(
        option.way.name, option.way, quality.mean, quality.confidence, option.read, spent["p50"], spent["p95"], len(seconds)
    )  # fmt: skip
