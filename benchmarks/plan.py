"""Whether `plan` keeps its promises: the latency that is served, and the quality beside an exhaustive search of all ways.

    python benchmarks/plan.py --data DATA --sets cranfield:test stard:dev medquad:test --p95 50ms [--depth 30] [--work WORK]

Each DATA/folder is a BEIR folder. Its collection is made under WORK, or taken from there. `bicross plan` chooses with 200 judged
questions; then a real server answers 500 questions of the folder over HTTP, one at a time, those that the plan did not ask first. The
exhaustive measurement takes up to 300 judged questions and every fifth depth beside all that `plan` tries, and asks whether the chosen
way is within the interval of the paired difference of the best one under the budget. `--depth` is the deepest that both try: less than
what `plan` has by default saves hours where the budget buys far less. Nothing else should run meanwhile. Writes
benchmarks/results/plan.json.
"""

from __future__ import annotations

import argparse
import json
import random
import time
import urllib.request
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from serving import server  # beside this script

from bicross import asking, durable, pipeline
from bicross.cli.options import duration
from bicross.cli.planning import shown
from bicross.cli.progress import bar
from bicross.collection.store import Collection, Facts
from bicross.data.questions import read_queries
from bicross.evaluation.compare import APART, bootstrap_interval, differences
from bicross.evaluation.latency import percentiles
from bicross.opened import OpenCollection
from bicross.planner.options import Option, at_depth, options_of, readers_of, rules_of
from bicross.planner.plan import Planned
from bicross.planner.precision import other_precision
from bicross.planner.timing import point_of, timed_of
from bicross.planner.world import World, fast_ones
from bicross.planning.frontier import Way
from bicross.records import Query
from bicross.settings import PlanSettings

HERE = Path(__file__).parent
SERVED, JUDGED, EVERY = 500, 300, 5


def collection_of(source: Path, work: Path) -> Path:
    """Indexed, or as it was left there."""
    path = work / source.name
    work.mkdir(parents=True, exist_ok=True)
    if not Collection.exists(path):
        with bar() as progress:
            pipeline.index([source], path, progress=progress)
    return path


def facts_of(path: Path) -> Facts:
    """The models and weights that answer now."""
    with Collection.open(path).view() as view:
        return view.facts


def served(path: Path, questions: Sequence[Query]) -> dict[str, float]:
    """Percentiles of what a client waits for an answer, over HTTP, and of what the model process took."""
    waited, inside = [], []
    with server(path) as (_, url):
        for place, query in enumerate(questions[:20] + list(questions)):
            body = json.dumps({"question": query.text[:2000]}).encode()
            asked = urllib.request.Request(f"{url}/v1/search", body, {"Content-Type": "application/json"})  # noqa: S310 - our own address
            start = time.perf_counter()
            with urllib.request.urlopen(asked) as answer:  # noqa: S310 - our own address
                found = json.load(answer)
            if place >= 20:  # the first ones warm the server
                waited.append(time.perf_counter() - start)
                inside.append(sum(found["queries"][0]["seconds"].values()))
    return {**percentiles(waited), "inside p95": percentiles(inside)["p95"]}


def _known(way: Way) -> Way:
    """The way without the name of the reranker in 8 bits, which is another each time it is made."""
    return replace(way, reranker=None) if way.precision else way


def exhaustive(path: Path, queries: list[Query], qrels: Any, settings: PlanSettings, planned: Planned) -> dict[str, Any]:
    """The best way under the budget by all that can be measured, and how far the chosen one is from it."""
    assert planned.chosen is not None
    with bar() as progress, OpenCollection(path) as collection, TemporaryDirectory() as temporary:
        world = World(collection, queries, qrels, settings.depth, fast_ones(collection, settings), progress)
        readers = readers_of(world, collection.facts, other_precision(world, Path(temporary))[0])
        options = {_known(option.way): option for option in options_of(world, readers, rules_of(world, readers))}
        for depth in sorted({*range(EVERY, settings.depth + 1, EVERY), planned.chosen.way.depth} - {0}):
            for reader in readers:
                option = at_depth(world, reader, depth)
                options.setdefault(_known(option.way), option)
        times = timed_of(world, list(options.values()), progress)
    points = [point_of(option, times[option.way]) for option in options.values()]
    best = max((point for point in points if point.p95 <= settings.p95), key=lambda point: point.quality)
    chosen: Option | None = options.get(_known(planned.chosen.way))
    if chosen is None:  # adaptive here, and refused on the other questions
        return {"best": best.name, "quality": best.quality, "chosen": None}
    moved = differences(options[_known(best.way)].values, chosen.values)
    low, high = bootstrap_interval(moved, bounds=APART) if chosen.way != best.way else (0.0, 0.0)
    found = {"ways": len(points), "best": best.name, "quality": best.quality, "chosen": planned.chosen.name}
    return {**found, "difference": sum(moved) / len(moved), "confidence": [low, high], "within": high >= 0}


def one_set(source: Path, split: str, work: Path, settings: PlanSettings) -> dict[str, Any]:
    path = collection_of(source, work)
    qrels_path = source / "qrels" / f"{split}.tsv"
    before = facts_of(path)
    with bar() as progress:
        planned = pipeline.plan(path, settings, source / "queries.jsonl", qrels_path, progress=progress)
    print("\n".join(shown(planned)))
    judged, qrels, _ = asking.judged(source / "queries.jsonl", qrels_path)
    others = [query for query in read_queries(source / "queries.jsonl")[0] if query.id not in qrels]
    draw = random.Random(0)
    asked = draw.sample(others, min(SERVED, len(others)))
    asked += (judged * SERVED)[: SERVED - len(asked)]
    found: dict[str, Any] = {"chosen": planned.chosen and planned.chosen.name, "planned p95": planned.chosen and planned.chosen.p95}
    found["served"] = served(path, asked)
    found["within 10 %"] = found["served"]["p95"] <= 1.1 * settings.p95
    sample = sorted(judged, key=lambda query: query.id)
    sample = draw.sample(sample, min(JUDGED, len(sample)))
    if planned.chosen is not None:
        if facts_of(path) != before:
            pipeline.rollback(path)  # what is measured exhaustively, and the next run, begin where the plan did
        found["exhaustive"] = exhaustive(path, sample, {query.id: qrels[query.id] for query in sample}, settings, planned)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--sets", nargs="+", required=True)
    parser.add_argument("--p95", default="50ms")
    parser.add_argument("--depth", type=int, default=100)
    parser.add_argument("--work", type=Path)
    options = parser.parse_args()
    settings, results = PlanSettings(p95=duration(options.p95, "--p95"), depth=options.depth), {}
    with TemporaryDirectory() as scratch:
        for named in options.sets:
            folder, _, split = named.partition(":")
            results[named] = one_set(options.data / folder, split or "test", options.work or Path(scratch), settings)
            print(json.dumps({named: results[named]}, indent=1))
    durable.write_file(
        HERE / "results" / "plan.json",
        json.dumps({"p95": settings.p95, "depth": settings.depth, "sets": results}, indent=1).encode() + b"\n",
    )


if __name__ == "__main__":
    main()
