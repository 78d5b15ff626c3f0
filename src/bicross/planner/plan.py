"""`plan`: ways to search measured on this machine and this collection, and the one that a latency budget buys."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import fmean
from tempfile import TemporaryDirectory
from typing import Any

from bicross import durable
from bicross.adapting import Adapted
from bicross.errors import InputError
from bicross.evaluation.agreement_of_stages import TOP
from bicross.evaluation.compare import APART, FEW, bootstrap_interval, differences
from bicross.evaluation.frontier_figure import Mark, figure
from bicross.moving import keep
from bicross.opened import OpenCollection
from bicross.planner.options import Reader, Values, options_of, readers_of, rules_of
from bicross.planner.precision import other_precision
from bicross.planner.timing import confirmed_of, deepened, point_of, timed_of
from bicross.planner.world import MEASURE, World, chosen_questions, fast_ones
from bicross.planning.frontier import AIM, Point, Way, bought, marked
from bicross.protocols import Progress, silent
from bicross.records import Qrels, Query, Skip
from bicross.settings import PlanSettings

SVG = '<svg xmlns="http://www.w3.org/2000/svg" font-family="sans-serif" font-size="11" '  # what a figure needs that stands alone
FILE = "plan.json"  # in the collection's folder: what the last plan found


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """What another budget would buy: its point, and the difference of quality from the chosen one on the same questions."""

    budget: float
    point: Point
    difference: float
    confidence: tuple[float, float]


@dataclass(frozen=True, slots=True)
class Planned:
    """`plan`: all points that were measured, in the order of their 95th percentile; `chosen` is the one that the budget buys.

    `measure` is nDCG@10 where answers are known, else the share of the first 10 hits of full depth that are found. `adaptive`: how stopping
    early does on held-out questions, and why it is refused where it is. `refused`: why nothing was chosen. `written`: the collection
    searches so from now on.
    """

    questions: int
    measure: str
    budget: float
    depth: int
    points: tuple[Point, ...]
    chosen: Point | None
    half: Elsewhere | None
    twice: Elsewhere | None
    adaptive: tuple[Mapping[str, Any], ...]
    refused: str
    remarks: tuple[str, ...]
    written: bool
    dry_run: bool
    skipped: tuple[Skip, ...]
    when: float
    seconds: float


def plan(
    path: Path,
    settings: PlanSettings,
    queries_path: Path | None = None,
    qrels_path: Path | None = None,
    svg_path: Path | None = None,
    dry_run: bool = False,
    progress: Progress = silent,
) -> Planned:
    """Measure what each way to search is worth and how long it takes here, and have the collection search by the best one within a budget.

    Quality is nDCG@10 where `qrels_path` judges the questions, else how much of full depth is kept. `svg_path`: a figure of the frontier.
    In a dry run nothing is kept; `rollback` goes back.

    Raises:
        InputError: a file is not what it should be. StoreError: the collection was changed meanwhile.
    """
    start = time.perf_counter()
    target = durable.writable_target(svg_path, "The figure") if svg_path else None
    if qrels_path is not None and queries_path is None:
        raise InputError(f"{qrels_path} judges questions that are not given; name them with --queries.")
    with OpenCollection(path) as collection, TemporaryDirectory() as temporary:
        asked, known, skipped, remarks = chosen_questions(collection, queries_path, qrels_path, settings)
        facts = collection.facts
        world = World(collection, asked, known, settings.depth, fast_ones(collection, settings), progress)
        other, why_not = other_precision(world, Path(temporary))
        readers = readers_of(world, facts, other)
        rules = rules_of(world, readers)
        options = options_of(world, readers, rules)
        timed = timed_of(world, options, progress)
        options, timed = deepened(world, readers, options, timed, settings.p95, progress)
        chosen = confirmed_of(world, options, timed, settings.p95, progress)
        points = marked([point_of(option, timed[option.way]) for option in options])
    mine = None if chosen is None else next(point for point in points if point.way == chosen.way)
    if chosen is not None and not dry_run:
        after = replace(facts, reranker=chosen.way.reranker or facts.reranker, weights=chosen.weights.as_json())
        made = other.made if other is not None and other.reranker == chosen.way.reranker else None
        keep(path, facts, after, "plan", None if made is None else made.write)
    values = {option.way: option.values for option in options}
    done = Planned(
        questions=len(asked),
        measure=MEASURE if known is not None else f"agreement@{TOP} with depth {world.deepest}",
        budget=settings.p95,
        depth=world.deepest,
        points=points,
        chosen=mine,
        half=_elsewhere(points, mine, values, settings.p95 / 2),
        twice=_elsewhere(points, mine, values, settings.p95 * 2),
        adaptive=tuple(_told(reader, one) for reader, one in rules),
        refused="" if mine else _refused(points, settings.p95),
        remarks=(*remarks, *_remarks(asked, known), *([f"The reranker in another precision is not tried: {why_not}"] if why_not else [])),
        written=chosen is not None and not dry_run,
        dry_run=dry_run,
        skipped=tuple(skipped),
        when=time.time(),
        seconds=time.perf_counter() - start,
    )
    if not dry_run:
        durable.write_file(path / FILE, json.dumps(asdict(done), ensure_ascii=False).encode())
    if target is not None:
        durable.write_file(target, drawn(done).replace("<svg ", SVG, 1).encode())
    return done


def drawn(planned: Planned) -> str:
    """The figure of a plan, as SVG that stands in a page."""
    chosen = planned.chosen.way if planned.chosen else None
    marks = [Mark(one.name, one.p95, one.quality, one.best, one.way == chosen) for one in planned.points]
    return figure(marks, planned.budget, planned.measure)


def stored(path: Path) -> Planned:
    """The last plan that a collection keeps.

    Raises:
        OSError, ValueError, TypeError, LookupError: there is none, or it is not what it should be.
    """
    found = json.loads((path / FILE).read_text("utf-8"))
    points = {"points": tuple(map(_point, found["points"])), "chosen": found["chosen"] and _point(found["chosen"])}
    others = {name: found[name] and _other(found[name]) for name in ("half", "twice")}
    lists = {name: tuple(found[name]) for name in ("adaptive", "remarks", "skipped")}
    return Planned(**{**found, **points, **others, **lists})


def _point(found: Mapping[str, Any]) -> Point:
    return Point(**{**found, "way": Way(**found["way"]), "confidence": tuple(found["confidence"])})


def _other(found: Mapping[str, Any]) -> Elsewhere:
    return Elsewhere(**{**found, "point": _point(found["point"]), "confidence": tuple(found["confidence"])})


def _elsewhere(points: Sequence[Point], chosen: Point | None, values: Mapping[Way, Values], budget: float) -> Elsewhere | None:
    other = bought(points, budget)
    if chosen is None or other is None:
        return None
    moved = differences(values[chosen.way], values[other.way])
    interval = bootstrap_interval(moved, bounds=APART) if other.way != chosen.way else (0.0, 0.0)
    return Elsewhere(budget, other, fmean(moved), interval)


def _refused(points: Sequence[Point], budget: float) -> str:
    fastest = points[0]
    return (
        f"No way to search is within {1000 * budget:g} ms here: the fastest, {fastest.name}, takes {1000 * fastest.p95:.1f} ms for 95 of "
        f"100 questions, and no more than {AIM:.0%} of the budget is planned with. Allow more with --p95."
    )


def _told(reader: Reader, one: Adapted) -> dict[str, Any]:
    kept = {"kept": one.kept, "confidence": one.confidence, "read": one.read, "read_fast": one.read_fast}
    return {
        "depth": one.depth,
        "fast": one.fast,
        "precision": reader.precision,
        **kept,
        "accepted": one.foresight is not None,
        "reason": one.reason,
    }


def _remarks(asked: Sequence[Query], known: Qrels | None) -> list[str]:
    found = []
    if known is None:
        found.append("Nothing is judged: quality is how much of full depth is kept, which says nothing of how good full depth is.")
    if len(asked) < FEW:
        found.append(f"{len(asked)} questions are few: intervals are wide, and adaptive depth is not tried. Ask {FEW} or more, better 100.")
    return found
