"""How far probabilities hold on questions that calibrating never saw, and what its thresholds bring there.

    python benchmarks/calibration.py --data DATA/medquad --collection COLLECTION --fit dev --test test --name "medquad, starter pair"

DATA/medquad is a BEIR folder, COLLECTION an index of it, which is calibrated (`bicross rollback` goes back). All questions of both splits
are asked, or as many as --questions says, drawn at random (seed 0), without those that trained the collection's models. Prints, and writes
to benchmarks/results/calibration.json under the name: which models answered, and for each kind of search the expected calibration error
that `calibrate` told and that of the stored calibration on the test questions, and what the thresholds for 90 % precision, of all hits
shown and of the best hit of each question, promised and brought.
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
from bicross.ancestry import ancestry, unseen
from bicross.calibrating import calibrate
from bicross.cli.calibration import shown
from bicross.cli.progress import bar
from bicross.data.questions import qrels_bytes, read_qrels, read_queries
from bicross.evaluation.calibrated import Calibrated
from bicross.evaluation.calibration import Numbers, Pair, base_rates, log_losses, pairs_of, probabilities
from bicross.evaluation.reliability import Threshold, best_hits, brought, reliability
from bicross.opened import OpenCollection
from bicross.records import Calibration, Qrels, Query
from bicross.searchers.stopwatch import Stopwatch
from bicross.settings import SearchSettings

HERE = Path(__file__).parent
PRECISION = 0.9


def some(qrels: Qrels, count: int) -> dict[str, Any]:
    """So many questions at random."""
    return {query: dict(qrels[query]) for query in sorted(random.Random(0).sample(sorted(qrels), min(count, len(qrels))))}


def facts_of(collection: OpenCollection) -> dict[str, Any]:
    """Which models answered, whatever they are called."""
    space, facts = collection.corpus.space, collection.facts
    return {
        "encoder": facts.encoder,
        "space": space.fingerprint,
        "reranker": facts.reranker,
        "reranker fingerprint": collection.reranker().fingerprint,
        "tuned": bool(ancestry(collection.path, facts).seen),
        "depth": collection.weights.depth,
        "kinds": sorted(collection.weights.calibration),
    }


def test_pairs(collection: OpenCollection, asked: list[Query], qrels: Qrels, kind: Any) -> list[Pair]:
    """The hits that this kind of search shows for the test questions; all in folds of their own, which only the base rate asks for."""
    settings = SearchSettings(stage=kind)
    if kind == "both":
        settings = settings.model_copy(update={"k": min(settings.k, collection.depth(settings))})
    with bar() as progress:
        found = asking.ranked(collection, asked, settings, Stopwatch(), progress)
    return pairs_of(found, qrels, {query.id: place for place, query in enumerate(asked)})


def kept(promised: Threshold, pairs: list[Pair], chances: Numbers) -> dict[str, Any]:
    """What a threshold promised and what it brought on these hits."""
    cut = promised.probability
    shares = (None, None, None) if cut is None else brought(pairs, chances, cut)
    test = dict(zip(("precision", "recall", "answered"), (share and asdict(share) for share in shares), strict=True))
    return {"promised": asdict(promised), "test": {**test, "hits": 0 if cut is None else int((chances >= cut).sum())}}


def on_test(found: Calibrated, stored: Calibration, pairs: list[Pair]) -> dict[str, Any]:
    """The stored calibration of one kind of search, on questions that had no part in it."""
    chances, told = probabilities(stored, pairs), asdict(found)
    best = best_hits(pairs, chances)
    return {
        "fit": {name: told[name] for name in told if name not in ("threshold", "best_hit", "kind", "calibration")},
        "calibration": {name: value for name, value in asdict(stored).items() if name != "fitted_to"},
        "test": {
            "pairs": len(pairs),
            "relevant": sum(pair.relevant for pair in pairs),
            "reliability": asdict(reliability(pairs, chances)),
            "log_loss": float(np.mean(log_losses(chances, pairs))),
            "log_loss_of_the_base_rate": float(np.mean(log_losses(base_rates(pairs), pairs))),
        },
        "threshold": kept(found.threshold, pairs, chances),
        "best_hit": kept(found.best_hit, [pairs[row] for row in best], chances[best]),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--collection", type=Path, required=True, help="is calibrated")
    parser.add_argument("--fit", default="dev")
    parser.add_argument("--test", default="test")
    parser.add_argument("--questions", type=int, default=1_000_000)
    parser.add_argument("--name", help="in the results; by default the data's folder")
    options = parser.parse_args()
    qrels = {split: some(read_qrels(options.data / "qrels" / f"{split}.tsv"), options.questions) for split in (options.fit, options.test)}
    with TemporaryDirectory() as folder, bar() as progress:
        judged = Path(folder) / "fit.tsv"
        durable.write_file(judged, qrels_bytes(qrels[options.fit]))
        done = calibrate(options.collection, options.data / "queries.jsonl", judged, "precision", PRECISION, None, False, progress)
    print("\n".join(shown(done)), flush=True)
    with OpenCollection(options.collection) as collection:
        asked = [query for query in read_queries(options.data / "queries.jsonl")[0] if query.id in qrels[options.test]]
        asked, _ = unseen(options.collection, collection.facts, asked)
        results: dict[str, Any] = {"questions": {options.fit: done.questions, options.test: len(asked)}, "models": facts_of(collection)}
        for one in done.kinds:
            if not done.is_stored(one):  # its figures and threshold are of another calibration than the one that stays
                print(one.kind, "keeps a calibration that could not be measured")
                continue
            pairs = test_pairs(collection, asked, qrels[options.test], one.kind)
            results[one.kind] = found = on_test(one, collection.weights.calibration[one.kind], pairs)
            test = found["test"]
            print(one.kind, "test:", {name: test[name] for name in ("pairs", "relevant", "log_loss", "log_loss_of_the_base_rate")})
            print("  calibration error", test["reliability"]["error"], "by chance", test["reliability"]["by_chance"])
            for name in ("threshold", "best_hit"):
                print(f"  {found[name]['promised']['verdict']}\n  on test: {found[name]['test']}", flush=True)
    path = HERE / "results" / "calibration.json"
    every: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    every[options.name or options.data.name] = results
    durable.write_file(path, json.dumps(every, indent=1, ensure_ascii=False).encode() + b"\n")


if __name__ == "__main__":
    main()
