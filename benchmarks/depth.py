"""What adaptive depth and the cascade save, at what they keep, on questions that had no part in them.

    python benchmarks/depth.py --data DATA --sets cranfield:test stard:dev medquad:test [--depth 100] [--questions 200]
        [--ways adaptive cascade int8] [--work WORK]

Each DATA/folder is a BEIR folder. Its collection is made under WORK, or taken from there. Half of the judged questions fit the lines and
the limit (`adapting.adapt`, as `plan` does); the other half is asked at full depth, adaptively, through the cascade, and in 8 bits, each
question alone, all in turn, so that a busy moment meets them all. `speed-up` is the median over questions of the ratio of reranking
times, full depth over the other, with the quartiles; `kept` the share of full depth's nDCG@10, with the interval of the paired
difference. Writes benchmarks/results/depth.json.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from plan import collection_of  # beside this script
from serving import processor

from bicross import asking, durable
from bicross.adapting import adapt
from bicross.cli.progress import bar
from bicross.evaluation.compare import APART, bootstrap_interval, differences
from bicross.evaluation.metrics import mean, per_query
from bicross.opened import OpenCollection
from bicross.planner.precision import other_precision
from bicross.planner.world import MEASURE, World
from bicross.records import Query, Ranking, Run
from bicross.searchers.explained import was_read
from bicross.searchers.foresight import FAST
from bicross.searchers.reading import in_order
from bicross.searchers.stopwatch import Stopwatch
from bicross.settings import STARTER_FAST, SearchSettings

HERE = Path(__file__).parent


WAYS = ("adaptive", "cascade", "int8")


def opened_ways(
    world: World, depth: int, temporary: Path, wanted: Sequence[str] = WAYS
) -> tuple[dict[str, OpenCollection], dict[str, str]]:
    """Full depth, each stop rule that was accepted, and both in 8 bits within the gate of `quantize`; of the others why not."""
    combination = world.plain.combination
    full = world.value({query: in_order(ranking, depth, combination) for query, ranking in world.candidates.items()})
    fold_of = {query.id: place % 5 for place, query in enumerate(world.queries)}
    found, refused = {"full": world.collection.trying(replace(world.plain, depth=depth))}, {}
    tried = [("adaptive", None, world.candidates, None), ("cascade", STARTER_FAST, world.fast.get(STARTER_FAST), None)]
    tried = [one for one in tried if one[0] in wanted]
    eight, why_not = other_precision(world, temporary) if "int8" in wanted else (None, "not tried")
    if eight is None:
        refused["int8"] = why_not
    else:
        reranker = world.rerankers[eight.reranker]
        found["full, int8"] = world.collection.trying(replace(world.plain, depth=depth), reranker)
        tried.append(("adaptive, int8", None, eight.candidates, reranker))
    for name, fast, candidates, reranker in tried:
        if candidates is None:
            continue
        adapted = adapt(candidates, combination, fold_of, world.value, full, fast)
        if adapted.foresight is None:
            refused[name] = adapted.reason
            continue
        weights = replace(world.plain, depth=depth, foresight=adapted.foresight, fast=fast)
        found[name] = world.collection.trying(weights, reranker, world.rerankers.get(fast or ""))
    return found, refused


def asked(ways: Mapping[str, OpenCollection], queries: Sequence[Query]) -> tuple[dict[str, dict[str, Ranking]], dict[str, list[float]]]:
    """Rankings, and seconds of reranking of each question asked alone; the order of the ways turns with each question."""
    rankings: dict[str, dict[str, Ranking]] = {name: {} for name in ways}
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    names = list(ways)
    for name in names:
        ways[name].rank(queries[:1], SearchSettings(), Stopwatch())  # models load and compile
    with bar() as progress:
        for place, query in enumerate(queries):
            turn = place % len(names)
            for name in names[turn:] + names[:turn]:
                stopwatch = Stopwatch()
                found = ways[name].rank([query], SearchSettings(k=1000), stopwatch)
                rankings[name] |= found
                seconds[name].append(stopwatch.seconds["rerank"])
            progress("questions", place + 1, len(queries))
    return rankings, seconds


def one_set(source: Path, split: str, work: Path, depth: int, count: int, wanted: Sequence[str]) -> dict[str, Any]:
    judged, qrels, _ = asking.judged(source / "queries.jsonl", source / "qrels" / f"{split}.tsv")
    drawn = random.Random(0).sample(sorted(judged, key=lambda query: query.id), min(count, len(judged)))
    fitting, held = drawn[::2], drawn[1::2]
    with OpenCollection(collection_of(source, work)) as collection, bar() as progress, TemporaryDirectory() as temporary:
        world = World(collection, fitting, {query.id: qrels[query.id] for query in fitting}, depth, [STARTER_FAST], progress)
        ways, refused = opened_ways(world, depth, Path(temporary), wanted)
        rankings, seconds = asked(ways, held)
    known = {query.id: qrels[query.id] for query in held}
    values = {name: per_query([MEASURE], known, Run(name, found))[MEASURE] for name, found in rankings.items()}
    full = mean(values["full"].values())
    table: dict[str, Any] = {
        "fitted": len(fitting),
        "held out": len(held),
        "full": {MEASURE: full, "seconds": statistics.median(seconds["full"])},
    }
    for name in ways:
        if name != "full":
            ratios = [whole / part for whole, part in zip(seconds["full"], seconds[name], strict=True)]
            low, high = bootstrap_interval(differences(values["full"], values[name]), bounds=APART)
            table[name] = {
                "kept": mean(values[name].values()) / full,
                "confidence": [1 + low / full, 1 + high / full],
                "read": mean(sum(map(was_read, ranking)) for ranking in rankings[name].values()),
                "read fast": mean(sum(FAST in hit.stages for hit in ranking) for ranking in rankings[name].values()),
                "speed-up": statistics.median(ratios),
                "quartiles": statistics.quantiles(ratios, n=4)[::2],
                "of the sums": sum(seconds["full"]) / sum(seconds[name]),
            }
    return {**table, "refused": refused}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--sets", nargs="+", required=True)
    parser.add_argument("--depth", type=int, default=100)
    parser.add_argument("--questions", type=int, default=200)
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=WAYS)
    parser.add_argument("--work", type=Path)
    options = parser.parse_args()
    file = HERE / "results" / "depth.json"
    results: dict[str, Any] = json.loads(file.read_text("utf-8")) if file.is_file() else {}
    with TemporaryDirectory() as scratch:
        for named in options.sets:
            folder, _, split = named.partition(":")
            found = one_set(
                options.data / folder, split or "test", options.work or Path(scratch), options.depth, options.questions, options.ways
            )
            results[f"{named}, depth {options.depth}"] = {"processor": processor(), **found}
            print(json.dumps({named: found}, indent=1))
            durable.write_file(file, json.dumps(results, indent=1).encode() + b"\n")


if __name__ == "__main__":
    main()
