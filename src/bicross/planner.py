"""`plan`: ways to search measured on this machine and this collection, and the one that a latency budget buys."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from random import Random
from statistics import fmean
from typing import Any

from bicross import adapting, asking, durable
from bicross.adapting import Adapted
from bicross.collection.store import Facts
from bicross.data.questions import read_queries
from bicross.data.sentences import sentences
from bicross.data.splits import folds
from bicross.errors import InputError
from bicross.evaluation.agreement_of_stages import TOP, ids
from bicross.evaluation.averages import mean_of
from bicross.evaluation.compare import APART, FEW, bootstrap_interval, differences
from bicross.evaluation.depths import steps
from bicross.evaluation.frontier_figure import Mark, figure
from bicross.evaluation.latency import percentiles
from bicross.evaluation.metrics import per_query
from bicross.evaluation.overlap import overlap
from bicross.models import names, registry
from bicross.moving import keep
from bicross.opened import Once, OpenCollection
from bicross.planning.frontier import AIM, Point, Way, bought, deepest_within, marked
from bicross.records import Qrels, Query, Ranking, Run, Skip, Stage, reading
from bicross.searchers.foresight import FAST
from bicross.searchers.reading import in_order, placed
from bicross.searchers.stopwatch import Stopwatch
from bicross.searchers.weights import Weights
from bicross.settings import STARTER_FAST, PlanSettings, SearchSettings, StageName
from bicross.upsert import weights_of

FILE = "plan.json"  # in the collection's folder: what the last plan found
MEASURE = "nDCG@10"
TIMED, LEAST, LONG = 60, 20, 10.0  # questions that time a way; no more than LEAST of a way that takes so many seconds for them
CONFIRMED = 150  # questions that time the way that is taken once more
FOLDS = 5
SHALLOWEST = 20  # candidates from which on reading fewer of them can pay
Progress = Callable[[str, int, int], None]
Values = Mapping[str, float]


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


@dataclass(frozen=True, slots=True)
class _Option:
    """A way to search, and what the collection has to hold for it; `values` and mean `read` are of the questions that were asked."""

    way: Way
    weights: Weights
    values: Values
    read: float


class _World:
    """The collection, the questions, and what all of its models say of all candidates, so that every depth and every stop rule can be tried
    without asking a model again."""

    def __init__(
        self,
        collection: OpenCollection,
        queries: Sequence[Query],
        qrels: Qrels | None,
        deepest: int,
        fast: Sequence[str],
        progress: Progress,
    ) -> None:
        self.collection, self.queries, self.qrels, self.progress = collection, queries, qrels, progress
        self.plain = replace(collection.weights, stage="both", foresight=None, fast=None)
        self.deepest = deepest if self.plain.combination else 0
        self.rerankers = {name: Once(lambda name=name: registry.load_reranker(names.located(name, collection.path))) for name in fast}
        deep = SearchSettings(k=max(TOP, deepest), depth=self.deepest)
        found = asking.ranked(collection, queries, deep, Stopwatch(), self._tell("reading all candidates"))
        self.candidates = {query: _recalled(ranking) for query, ranking in found.items()}
        self.fast = {name: self._read_by(name) for name in fast} if self.deepest else {}

    def value(self, rankings: Mapping[str, Ranking]) -> dict[str, float]:
        """What each question's ranking is worth."""
        if self.qrels is not None:
            return per_query([MEASURE], self.qrels, Run("", rankings))[MEASURE]
        return {query: overlap(ids(ranking), self._full[query], TOP) for query, ranking in rankings.items()}

    @property
    def _full(self) -> dict[str, Sequence[str]]:
        """The documents of full depth, in their order."""
        return {query: ids(in_order(ranking, self.deepest, self.plain.combination)) for query, ranking in self.candidates.items()}

    def alone(self, stage: StageName) -> dict[str, Ranking]:
        """What a stage finds without the others."""
        settings = SearchSettings(k=TOP, stage=stage)
        return asking.ranked(self.collection, self.queries, settings, Stopwatch(), self._tell(f"{stage} search"))

    def _read_by(self, name: str) -> dict[str, Ranking]:
        """The candidates with what another reranker says of them."""
        tell, scorer, found = self._tell(f"reading with {name}"), self.rerankers[name](), dict[str, Ranking]()
        with self.collection.snapshot():
            for query in self.queries:
                ranking = self.candidates[query.id]
                titles = self.collection.corpus.titles(hit.doc_id for hit in ranking)
                pairs = [(query.text, reading(titles[hit.doc_id], hit.passage.text if hit.passage else "")) for hit in ranking]
                found[query.id] = placed(FAST, ranking, scorer.score(pairs).tolist())
                tell("questions", len(found), len(self.queries))
        self.collection.cut()
        return found

    def _tell(self, what: str) -> Progress:
        return lambda _, done, total: self.progress(what, done, total)


def plan(
    path: Path, queries: Path | None, qrels: Path | None, settings: PlanSettings, svg: Path | None, dry_run: bool, progress: Progress
) -> Planned:
    """See `pipeline.plan`."""
    start = time.perf_counter()
    svg_path = durable.writable_target(svg, "The figure") if svg else None
    if qrels is not None and queries is None:
        raise InputError(f"{qrels} judges questions that are not given; name them with --queries.")
    with OpenCollection(path) as collection:
        asked, known, skipped, remarks = _questions(collection, queries, qrels, settings)
        facts = collection.facts
        world = _World(collection, asked, known, settings.depth, _fast_ones(facts, settings), progress)
        adapted = _adapted(world)
        options = _options(world, facts, adapted)
        timed = _timed(world, options, progress)
        options, timed = _deepened(world, facts, options, timed, settings.p95, progress)
        chosen = _confirmed(world, options, timed, settings.p95, progress)
        points = marked([_point(option, timed[option.way]) for option in options])
    mine = None if chosen is None else next(point for point in points if point.way == chosen.way)
    if chosen is not None and not dry_run:
        after = replace(facts, reranker=chosen.way.reranker or facts.reranker, weights=chosen.weights.as_json())
        keep(path, facts, after, "plan")
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
        adaptive=tuple(_told(one) for one in adapted),
        refused="" if mine else _refused(points, settings.p95),
        remarks=(*remarks, *_remarks(asked, known)),
        written=chosen is not None and not dry_run,
        dry_run=dry_run,
        skipped=tuple(skipped),
        when=time.time(),
        seconds=time.perf_counter() - start,
    )
    if not dry_run:
        durable.write_file(path / FILE, json.dumps(asdict(done), ensure_ascii=False).encode())
    if svg_path is not None:
        durable.write_file(svg_path, drawn(asdict(done)).encode())
    return done


def drawn(planned: Mapping[str, Any]) -> str:
    """The figure of a plan, as its JSON has it."""
    chosen = (planned["chosen"] or {}).get("name")
    marks = [Mark(one["name"], one["p95"], one["quality"], one["best"], one["name"] == chosen) for one in planned["points"]]
    return figure(marks, planned["budget"], planned["measure"])


def _questions(
    collection: OpenCollection, queries: Path | None, qrels: Path | None, settings: PlanSettings
) -> tuple[list[Query], Qrels | None, list[Skip], list[str]]:
    """The questions that are asked, their judgements where there are some, what was left out, and what to know of them."""
    if queries is None:
        return _stand_ins(collection, settings), None, [], [STAND_INS]
    if qrels is None:
        found, skipped = read_queries(queries)
        known = None
    else:
        found, known, skipped = asking.judged(queries, qrels)
    drawn = (
        found if len(found) <= settings.sample else Random(settings.seed).sample(sorted(found, key=lambda query: query.id), settings.sample)
    )
    return drawn, known and {query.id: known[query.id] for query in drawn}, skipped, []


STAND_INS = (
    "No questions are given, so sentences of the documents stand in for them. They are easier to find than what people ask, and longer: "
    "name your own with --queries before you believe the figures."
)


def _stand_ins(collection: OpenCollection, settings: PlanSettings) -> list[Query]:
    with collection.snapshot():
        drawn = collection.view.of_documents(collection.view.draw(settings.sample, settings.seed))
    found = []
    for doc_id, passages in drawn.items():
        spans = [passages[0].text[span.start : span.end].strip() for span in sentences(passages[0].text)] if passages else []
        if told := max((text for text in spans[:5] if len(text) <= 200), key=len, default=""):
            found.append(Query(doc_id, told))
    if not found:
        raise InputError(
            f"No document of {collection.path} has a sentence that could stand in for a question; name questions with --queries."
        )
    return found


def _fast_ones(facts: Facts, settings: PlanSettings) -> list[str]:
    """The other rerankers that are tried: those that are named, or the fast one that ships with Bicross."""
    shipped = (STARTER_FAST,) if STARTER_FAST in registry.SHIPPED else ()
    return [name for name in settings.fast or shipped if name != facts.reranker]


def _adapted(world: _World) -> list[Adapted]:
    """Each stop rule that is worth a try, validated."""
    combination, found = world.plain.combination, []
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


def _options(world: _World, facts: Facts, adapted: Sequence[Adapted]) -> list[_Option]:
    """All ways, with what they are worth."""
    alone: tuple[StageName, ...] = ("lexical", "dense")
    found = [_Option(Way(stage), replace(world.plain, stage=stage), world.value(world.alone(stage)), 0.0) for stage in alone]
    recalled = {query: ranking[:TOP] for query, ranking in world.candidates.items()}
    found.append(_Option(Way("fused"), replace(world.plain, stage="fused"), world.value(recalled), 0.0))
    for depth in steps(world.deepest)[1:]:
        found += [_at_depth(world, facts, name, depth) for name in (facts.reranker, *world.fast)]
    for one in adapted:
        if one.foresight is not None:
            way = Way("both", one.depth, facts.reranker, adaptive=True, fast=one.fast)
            weights = replace(world.plain, depth=one.depth, foresight=one.foresight, fast=one.fast)
            found.append(_Option(way, weights, one.values, one.read))
    return found


def _at_depth(world: _World, facts: Facts, reranker: str, depth: int) -> _Option:
    """Plain reranking to a depth, by the collection's reranker or by another one with the weights that were fitted for it."""
    candidates, weights = world.candidates, world.plain
    if reranker != facts.reranker:
        fitted = Weights.of(weights_of(facts.encoder, reranker, world.collection.path))
        weights = replace(weights, combination=fitted.combination, calibration={})
        candidates = {query: tuple(map(_as_reranked, ranking)) for query, ranking in world.fast[reranker].items()}
    rankings = {query: in_order(ranking, depth, weights.combination) for query, ranking in candidates.items()}
    read = fmean(min(depth, len(ranking)) for ranking in candidates.values())
    return _Option(Way("both", depth, reranker), replace(weights, depth=depth), world.value(rankings), read)


def _as_reranked(hit: Any) -> Any:
    """A hit as if the fast reranker had been the only one."""
    stages = {name: stage for name, stage in hit.stages.items() if name != FAST}
    return replace(hit, stages={**stages, "rerank": hit.stages[FAST]})


def _recalled(ranking: Ranking) -> Ranking:
    """The order of recall of a ranking that was reranked."""
    last = Stage(len(ranking) + 1, 0.0)
    return tuple(sorted(ranking, key=lambda hit: hit.stages.get("fused", last).rank))


def _timed(world: _World, options: Sequence[_Option], progress: Progress) -> dict[Way, list[float]]:
    """Seconds of single questions, the ways in turn so that a busy moment meets them all; of slow ways fewer."""
    times: dict[Way, list[float]] = {option.way: [] for option in options}
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


def _opened(world: _World, option: _Option) -> OpenCollection:
    """The collection as it would search."""
    way = option.way
    other = world.rerankers.get(way.reranker or "")
    return world.collection.trying(option.weights, other, world.rerankers.get(way.fast or ""))


def _deepened(
    world: _World, facts: Facts, options: list[_Option], timed: dict[Way, list[float]], budget: float, progress: Progress
) -> tuple[list[_Option], dict[Way, list[float]]]:
    """The same, and for each reranker the depth that would take just the budget, which stands between two that were measured."""
    fresh = []
    for reranker in (facts.reranker, *world.fast):
        of_it = [option for option in options if not option.way.reranker or option.way.reranker == reranker]
        depth = deepest_within([_point(option, timed[option.way]) for option in of_it], budget)
        if depth and all(option.way.depth != depth or option.way.adaptive for option in of_it):
            fresh.append(_at_depth(world, facts, reranker, depth))
    return [*options, *fresh], {**timed, **_timed(world, fresh, progress)}


def _confirmed(
    world: _World, options: Sequence[_Option], timed: dict[Way, list[float]], budget: float, progress: Progress
) -> _Option | None:
    """The option that the budget buys, timed with more questions: where that shows it to be slower than it seemed, the next is taken."""
    by_way = {option.way: option for option in options}
    confirmed = set[Way]()
    while point := bought([_point(option, timed[option.way]) for option in options], budget):
        if point.way in confirmed:
            return by_way[point.way]
        opened = _opened(world, by_way[point.way])
        for place in range(CONFIRMED):
            timed[point.way].append(_ask(opened, world.queries[(place * 11) % len(world.queries)]))
            progress(f"confirming {point.name}", place + 1, CONFIRMED)
        confirmed.add(point.way)
    return None


def _point(option: _Option, seconds: Sequence[float]) -> Point:
    quality, spent = mean_of(list(option.values.values())), percentiles(seconds)
    return Point(
        _name(option.way), option.way, quality.mean, quality.confidence, option.read, spent["p50"], spent["p95"], len(seconds)
    )  # fmt: skip


def _name(way: Way) -> str:
    return way.name


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


def _told(one: Adapted) -> dict[str, Any]:
    kept = {"kept": one.kept, "confidence": one.confidence, "read": one.read}
    return {"depth": one.depth, "fast": one.fast, **kept, "accepted": one.foresight is not None, "reason": one.reason}


def _remarks(asked: Sequence[Query], known: Qrels | None) -> list[str]:
    found = []
    if known is None:
        found.append("Nothing is judged: quality is how much of full depth is kept, which says nothing of how good full depth is.")
    if len(asked) < FEW:
        found.append(f"{len(asked)} questions are few: intervals are wide, and adaptive depth is not tried. Ask {FEW} or more, better 100.")
    return found
