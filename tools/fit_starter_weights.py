"""Fit how the starter's stages are joined, on questions that trained nothing and that no published table has.

    PYTHONPATH=benchmarks python tools/fit_starter_weights.py --pairs PAIRS --data DATA --work WORK

The questions: those of drcd and squad_sentences that `tools/starter_rows.py` kept out of the training, and of four sets of free text
that it kept out whole, two in each language. Prints what each part brings, by five-fold cross-fitting over questions, so that no
weight is judged on what it was fitted to, and how far probabilities hold that were fitted on the five other sets. Writes bicross.json
beside both rerankers, and all weights to benchmarks/results/starter_weights.json.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from random import Random

import numpy as np
from sample import sampled
from starter_rows import HELD_OUT, PASSAGE_TOKENS, read
from starter_scores import RERANKERS, Scored, indexed, scored, shown
from tokenizers import Tokenizer

from bicross import durable
from bicross.data.passages import Splitter
from bicross.data.questions import read_qrels, read_queries
from bicross.evaluation.calibration import fit as fit_calibration
from bicross.evaluation.calibration import probabilities as chances
from bicross.evaluation.metrics import means, per_query
from bicross.evaluation.reliability import reliability
from bicross.opened import OpenCollection
from bicross.records import Calibration, Qrels, Query, Ranking, Run
from bicross.searchers.combination import FEATURES, fit
from bicross.searchers.stopwatch import Stopwatch
from bicross.searchers.weights import Weights
from bicross.settings import STARTER_ENCODER, SearchSettings
from bicross.starter import HERE

ASKED = ("drcd", "squad_sentences")
QUESTIONS, DEPTH, FOLDS = 120, 20, 5
DOCUMENTS, ANSWERED = 1200, 160  # of a set of free text: those indexed, and questions with an answer among them
FUSIONS = (0.0, 0.1, 0.25, 0.5, 0.75, 1.0)  # weights of lexical search beside 1 for dense
USED: dict[str, tuple[str, ...]] = {
    "recall scores": (),
    "+ late interaction": ("late",),
    "+ cross-encoder": ("rerank",),
    "+ both": ("late", "rerank"),
}
WEIGHTS = Path(__file__).parents[1] / "benchmarks" / "results" / "starter_weights.json"
FOLDERS = {"full": "reranker", "fast": "reranker-fast"}


def watched(folder: Path, splitter: Splitter) -> tuple[list[Query], Qrels]:
    """Questions of the training split that trained nothing, at random."""
    found, qrels = read(folder, splitter), read_qrels(folder / "qrels" / "train.tsv")
    texts = {text for text, kept_out in zip(found.questions, found.watched, strict=True) if kept_out}
    queries = [query for query in read_queries(folder)[0] if query.id in qrels and query.text in texts]
    queries = Random(0).sample(queries, min(QUESTIONS, len(queries)))
    return queries, {query.id: qrels[query.id] for query in queries}


def fused(opened: OpenCollection, queries: Sequence[Query], qrels: Qrels, lexical: float) -> float:
    """nDCG@10 of rank fusion with this weight of lexical search."""
    trying = opened.trying(Weights(fusion={"lexical": lexical, "dense": 1.0}))
    rankings = trying.rank(queries, SearchSettings(k=10, stage="fused"), Stopwatch())
    return means(per_query(["nDCG@10"], qrels, Run("fused", rankings)))["nDCG@10"]


def fitted(sets: Mapping[str, Scored], reranker: str, used: Sequence[str], fold: int | None) -> dict[str, float]:
    """Weights that order the candidates of all sets best, without the questions of one fold; as many questions of each set count."""
    mask = np.array([name in ("lexical", "dense", "rank", *used) for name in FEATURES], dtype=np.float64)
    tables, grades = [], []
    for one in sets.values():
        kept = [query for row, query in enumerate(one.qrels) if fold is None or row % FOLDS != fold]
        tables += [one.table(reranker, query, DEPTH) * mask for query in kept]
        grades += [one.grades(query, DEPTH) for query in kept]
    return fit(tables, grades)


def quality(one: Scored, rankings: Mapping[str, Ranking], queries: Sequence[str]) -> list[float]:
    """nDCG@10 of each question."""
    values = per_query(
        ["nDCG@10"], {query: one.qrels[query] for query in queries}, Run("one", {query: rankings[query] for query in queries})
    )
    return list(values["nDCG@10"].values())


def cross_fitted(sets: Mapping[str, Scored], reranker: str, used: Sequence[str]) -> dict[str, float]:
    """Mean nDCG@10 a set, each fold ordered by weights that were fitted on the other folds of all sets."""
    values: dict[str, list[float]] = {name: [] for name in sets}
    for fold in range(FOLDS):
        weights = fitted(sets, reranker, used, fold)
        for name, one in sets.items():
            queries = [query for row, query in enumerate(one.qrels) if row % FOLDS == fold]
            values[name] += quality(one, one.reordered(reranker, weights, DEPTH), queries)
    return {name: float(np.mean(found)) for name, found in values.items()}


def probabilities(sets: Mapping[str, Scored], reranker: str, weights: Mapping[str, float]) -> Calibration:
    """Fitted on all sets; prints for each its expected calibration error by a fit on the others."""
    pairs = {name: shown(one, reranker, weights, DEPTH) for name, one in sets.items()}
    errors = {}
    for name, own in pairs.items():
        elsewhere = fit_calibration([pair for other, some in pairs.items() if other != name for pair in some])
        errors[name] = reliability(own, chances(elsewhere, own)).error
    report(f"calibration error, {reranker}", errors)
    return fit_calibration([pair for some in pairs.values() for pair in some])


def report(label: str, values: Mapping[str, float]) -> None:
    """One line of the table, the mean last."""
    line = "  ".join(f"{name} {value:.4f}" for name, value in values.items())
    print(f"  {label:<28}{line}  mean {np.mean(list(values.values())):.4f}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True, help="where the collections are kept")
    options = parser.parse_args()
    options.work.mkdir(exist_ok=True)
    splitter = Splitter(Tokenizer.from_file(str(HERE / "tokenizer.json")), PASSAGE_TOKENS)
    opened, asked = {}, {}
    for name in (*ASKED, *HELD_OUT):
        source = options.data / name
        if name in HELD_OUT:
            source = options.work / "sampled" / name
            for file, content in sampled(options.pairs / name, DOCUMENTS, ANSWERED, 0, 0).items():
                (source / file).parent.mkdir(parents=True, exist_ok=True)
                durable.write_file(source / file, content)
        opened[name] = indexed(source, options.work / name)
        asked[name] = watched(source, splitter)
    print("fused search, nDCG@10, by the weight of lexical search:")
    fusion = {weight: {name: fused(one, *asked[name], weight) for name, one in opened.items()} for weight in FUSIONS}
    for weight, values in fusion.items():
        report(str(weight), values)
    sets = {name: scored(one, *asked[name], options.work / f"{name}-scored") for name, one in opened.items()}
    every: dict[str, dict[str, float]] = {
        "recall": fitted(sets, "full", (), None),
        "late": fitted(sets, "full", ("late",), None),
    }
    print("order of the candidates, nDCG@10:")
    report("fused", {name: float(np.mean(quality(one, one.rankings["full"], list(one.qrels)))) for name, one in sets.items()})
    for reranker in RERANKERS:
        alone = {"late interaction": "late"} if reranker == "full" else {}
        for label, feature in {**alone, f"{reranker} cross-encoder": "rerank"}.items():
            orders = {name: one.reordered(reranker, {feature: 1.0}, DEPTH) for name, one in sets.items()}
            report(f"{label} alone", {name: float(np.mean(quality(one, orders[name], list(one.qrels)))) for name, one in sets.items()})
        for label, used in USED.items():
            report(f"fitted, {reranker}: {label}", cross_fitted(sets, reranker, used))
        every[reranker] = fitted(sets, reranker, ("rerank",), None)
        notes = {
            "encoder": STARTER_ENCODER,
            "fusion": {"lexical": 1.0, "dense": 1.0},
            "combination": {name: round(value, 3) for name, value in every[reranker].items()},
            "depth": DEPTH,
            "calibration": {"both": asdict(probabilities(sets, reranker, every[reranker]))},
        }
        durable.write_file(HERE / FOLDERS[reranker] / "bicross.json", json.dumps(notes, indent=1).encode() + b"\n")
        print(json.dumps(notes), flush=True)
    durable.write_file(WEIGHTS, json.dumps(every, indent=1).encode() + b"\n")


if __name__ == "__main__":
    main()
