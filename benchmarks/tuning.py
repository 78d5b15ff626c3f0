"""What `bicross tune` brings on collections that the starter pair has never seen, within a time budget, on questions it never saw.

    python benchmarks/tuning.py --data DATA --work WORK --sets stard:dev medquad:test --budget 45m

DATA holds BEIR folders with qrels/train.tsv and the named split. The collections are made under WORK, for a seed other than 0 under a
name of their own; a run that was interrupted goes on there. medquad is tuned on 3,000 training questions drawn at random (seed 0),
decided on its own dev split, and measured on its test split, of which 300 questions drawn at random are asked; stard has no third
split, so its dev split decides and measures. Depth 30 for old and new alike. Writes benchmarks/results/tuning.json.
"""

from __future__ import annotations

import argparse
import json
import os
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

from bicross import asking, durable, pipeline
from bicross.cli.options import duration
from bicross.cli.progress import bar
from bicross.data.questions import qrels_bytes, read_qrels, read_queries
from bicross.errors import InputError
from bicross.evaluation.compare import compare
from bicross.evaluation.metrics import means, per_query
from bicross.opened import OpenCollection
from bicross.records import Hit, Qrels, Query, Run
from bicross.searchers.stopwatch import Stopwatch
from bicross.settings import SearchSettings, StageName, TuneSettings

HERE = Path(__file__).parent
TRAINED, TESTED, DEPTH = 3000, 300, 30
STAGES: tuple[StageName, ...] = ("dense", "fused", "both")


def some(qrels: Qrels, count: int) -> dict[str, Any]:
    """So many questions at random."""
    return {query: dict(qrels[query]) for query in sorted(random.Random(0).sample(sorted(qrels), min(count, len(qrels))))}


def found(collection: Path, queries: list[Query]) -> dict[str, Run]:
    """The rankings of each stage."""
    with OpenCollection(collection) as opened, bar() as progress:
        opened.weights = replace(opened.weights, depth=DEPTH)
        settings = {stage: SearchSettings(k=100, depth=DEPTH, stage=stage) for stage in STAGES}
        return {stage: Run(stage, asking.ranked(opened, queries, settings[stage], Stopwatch(), progress)) for stage in STAGES}


def one_set(source: Path, split: str, work: Path, budget: float, seed: int) -> dict[str, Any]:
    """Tune one collection, and measure it on a split that tuning did not see, or on the one that decided."""
    name = source.name if seed == 0 else f"{source.name}-{split}-seed{seed}"  # each starts from the untuned pair
    collection, dev = work / name, source / "qrels" / "dev.tsv"
    with bar() as progress:
        pipeline.index([source], collection, progress=progress)
    train = work / f"{name}.train.tsv"
    durable.write_file(train, qrels_bytes(some(read_qrels(source / "qrels" / "train.tsv"), TRAINED)))
    qrels = some(read_qrels(source / "qrels" / f"{split}.tsv"), TESTED)
    queries = [query for query in read_queries(source)[0] if query.id in qrels]
    before = work / f"{name}.before.json"
    if not before.exists():
        runs = found(collection, queries)
        values = {stage: per_query(["nDCG@10"], qrels, run)["nDCG@10"] for stage, run in runs.items()}
        kept = {"split": split, "values": values, "runs": {stage: _plain(run) for stage, run in runs.items()}}
        durable.write_file(before, json.dumps(kept).encode())
    old = json.loads(before.read_text())
    if old.get("split", split) != split:
        raise InputError(f"{collection} was measured on the split {old['split']}, not {split}; name another folder with --work.")
    with bar() as progress:
        settings = TuneSettings(budget=budget, depth=DEPTH, seed=seed)
        tuned = pipeline.tune(collection, source / "queries.jsonl", train, dev, settings, progress=progress)
    after = found(collection, queries)
    table: dict[str, Any] = {}
    for stage, run in after.items():
        against = compare(_run(stage, old["runs"][stage]), run, qrels, "nDCG@10")
        measured = means(per_query(["nDCG@10", "R@100"], qrels, run))
        table[stage] = {"before": against.mean_a, "after": against.mean_b, "R@100": measured["R@100"]}
        table[stage] |= {"difference": against.difference, "confidence": against.confidence, "p_value": against.p_value}
    share = table["dense"]["after"] / table["both"]["after"]
    return {
        "questions": len(queries),
        "split": split,
        "seed": seed,
        "budget": budget,
        "threads": int(os.environ.get("OMP_NUM_THREADS") or os.cpu_count() or 1),
        "seconds": tuned.seconds,
        "promoted": tuned.promoted,
        "reason": tuned.reason,
        "plan": tuned.plan,
        "stages": tuned.stages,
        "weights": tuned.weights,
        "dense keeps of two-stage": share,
        **table,
    }


def _plain(run: Run) -> dict[str, list[str]]:
    return {query: [hit.doc_id for hit in ranking] for query, ranking in run.rankings.items()}


def _run(name: str, plain: dict[str, list[str]]) -> Run:
    return Run(name, {query: tuple(Hit(doc_id, -float(place)) for place, doc_id in enumerate(ids)) for query, ids in plain.items()})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--sets", nargs="*", default=["stard:dev", "medquad:test"])
    parser.add_argument("--budget", default="45m")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    options.work.mkdir(exist_ok=True)
    path = HERE / "results" / "tuning.json"
    results: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    for name in options.sets:
        folder, split = name.split(":")
        label = name if options.seed == 0 else f"{name}, seed {options.seed}"
        results[label] = one_set(options.data / folder, split, options.work, duration(options.budget, "--budget"), options.seed)
        durable.write_file(path, json.dumps(results, indent=1, ensure_ascii=False).encode() + b"\n")
        print(label, json.dumps({stage: results[label][stage] for stage in STAGES}), results[label]["reason"], flush=True)


if __name__ == "__main__":
    main()
