"""How far probabilities hold on questions that calibrating never saw, and what its threshold brings there.

    python benchmarks/calibration.py --data DATA/medquad --collection COLLECTION --fit dev --test test

DATA/medquad is a BEIR folder, COLLECTION an index of it, which is calibrated (`bicross rollback` goes back). Of each split 300 questions
drawn at random (seed 0) are asked. Prints, and writes to benchmarks/results/calibration.json under the folder's name: for each kind of
search the expected calibration error that `calibrate` told and that on the test questions, and what the thresholds for 90 % precision
and for 80 % recall promised and brought.
"""

from __future__ import annotations

import argparse
import json
import random
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from bicross import asking, durable
from bicross.calibrating import calibrate
from bicross.cli.calibration import shown
from bicross.cli.progress import bar
from bicross.data.questions import qrels_bytes, read_qrels, read_queries
from bicross.evaluation.calibrated import Calibrated
from bicross.evaluation.calibration import Pair, base_rates, log_losses, pairs_of, probabilities
from bicross.evaluation.reliability import Threshold, reliability
from bicross.opened import OpenCollection
from bicross.records import Qrels
from bicross.searchers.stopwatch import Stopwatch
from bicross.settings import SearchSettings

HERE = Path(__file__).parent
WISHES = (("precision", 0.9), ("recall", 0.8))


def some(qrels: Qrels, count: int) -> dict[str, Any]:
    """So many questions at random."""
    return {query: dict(qrels[query]) for query in sorted(random.Random(0).sample(sorted(qrels), min(count, len(qrels))))}


def test_pairs(collection: OpenCollection, source: Path, qrels: Qrels, kind: Any) -> list[Pair]:
    """The hits that this kind of search shows for the test questions; all in folds of their own, which only the base rate asks for."""
    asked = [query for query in read_queries(source)[0] if query.id in qrels]
    settings = SearchSettings(stage=kind)
    if kind == "both":
        settings = settings.model_copy(update={"k": min(settings.k, collection.depth(settings))})
    with bar() as progress:
        found = asking.ranked(collection, asked, settings, Stopwatch(), progress)
    return pairs_of(found, qrels, {query.id: place for place, query in enumerate(asked)})


def brought(threshold: Threshold, pairs: list[Pair], chances: Any) -> dict[str, Any]:
    """What the threshold gives on these pairs."""
    told = asdict(threshold)
    if threshold.probability is None:
        return {"promised": told, "test": None}
    relevant = np.array([pair.relevant for pair in pairs])
    kept = chances >= threshold.probability
    questions = {pair.query for pair, one in zip(pairs, kept, strict=True) if one}
    shares = {
        "precision": float(relevant[kept].mean()) if kept.any() else None,
        "recall": float((relevant & kept).sum() / relevant.sum()),
        "kept": int(kept.sum()),
        "answered": len(questions) / len({pair.query for pair in pairs}),
    }
    return {"promised": told, "test": shares}


def on_test(fitted: dict[str, Calibrated], pairs: list[Pair]) -> dict[str, Any]:
    """The calibration of one kind of search, on questions that had no part in it."""
    found = next(iter(fitted.values()))
    chances = probabilities(found.calibration, pairs)
    measured = reliability(pairs, chances)
    told = asdict(found)
    return {
        "fit": {name: told[name] for name in told if name not in ("threshold", "kind")},
        "test": {
            "pairs": len(pairs),
            "relevant": sum(pair.relevant for pair in pairs),
            "reliability": asdict(measured),
            "log_loss": float(log_losses(chances, pairs).mean()),
            "log_loss_of_the_base_rate": float(log_losses(base_rates(pairs), pairs).mean()),
        },
        "thresholds": {name: brought(one.threshold, pairs, chances) for name, one in fitted.items()},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--collection", type=Path, required=True, help="is calibrated")
    parser.add_argument("--fit", default="dev")
    parser.add_argument("--test", default="test")
    parser.add_argument("--questions", type=int, default=300)
    options = parser.parse_args()
    qrels = {split: some(read_qrels(options.data / "qrels" / f"{split}.tsv"), options.questions) for split in (options.fit, options.test)}
    fitted: dict[str, dict[str, Calibrated]] = {}
    with TemporaryDirectory() as folder, bar() as progress:
        judged = Path(folder) / "fit.tsv"
        durable.write_file(judged, qrels_bytes(qrels[options.fit]))
        for wished, value in WISHES:
            done = calibrate(options.collection, options.data / "queries.jsonl", judged, wished, value, None, wished == "recall", progress)
            print("\n".join(shown(done)), flush=True)
            for one in done.kinds:
                fitted.setdefault(one.kind, {})[f"{wished} {value:g}"] = one
    results: dict[str, Any] = {"questions": {split: len(found) for split, found in qrels.items()}}
    with OpenCollection(options.collection) as collection:
        for kind, wishes in fitted.items():
            results[kind] = on_test(wishes, test_pairs(collection, options.data, qrels[options.test], kind))
            test = results[kind]["test"]
            print(kind, "test:", {name: test[name] for name in ("pairs", "relevant", "log_loss", "log_loss_of_the_base_rate")})
            print("  calibration error", test["reliability"]["error"], "by chance", test["reliability"]["by_chance"])
            for name, one in results[kind]["thresholds"].items():
                print(f"  {name}: promised from {one['promised']['probability']}, on test {one['test']}", flush=True)
    path = HERE / "results" / "calibration.json"
    every: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    every[options.data.name] = results
    durable.write_file(path, json.dumps(every, indent=1, ensure_ascii=False).encode() + b"\n")


if __name__ == "__main__":
    main()
