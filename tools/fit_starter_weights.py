"""Fit how the starter pair's stages are joined, and the reranker's probability, on development questions.

    python tools/fit_starter_weights.py --data DATA

DATA holds BEIR folders drcd, squad_sentences and qmsum with dev splits. The models saw the training questions of the first
two, and nothing of the third, which keeps the reranker's weight honest. Writes src/bicross/starter/reranker/bicross.json;
prints what each part brings, by five-fold cross-fitting over questions, so that no weight is judged on what it was fitted to.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from bicross import durable, pipeline
from bicross.cli.progress import bar
from bicross.data.questions import read_qrels, read_queries
from bicross.evaluation.metrics import means, per_query
from bicross.records import Qrels, Query, Ranking, Run
from bicross.searchers.combination import FEATURES, Table, features, fit
from bicross.searchers.stopwatch import Stopwatch
from bicross.searchers.weights import Weights
from bicross.settings import STARTER_ENCODER, SearchSettings
from bicross.starter import HERE

SETS, QUESTIONS, DEPTH, FOLDS = ("drcd", "squad_sentences", "qmsum"), 200, 20, 5
FUSIONS = (0.0, 0.25, 0.5, 0.75, 1.0, 1.5)  # weights of lexical search beside 1 for dense
WITHOUT = {"recall order": (), "late interaction": ("late",), "cross-encoder": ("rerank",), "both": ("late", "rerank")}
Candidates = tuple[Ranking, NDArray[np.float64]]
"""One question's candidates with every stage's score, and their grades, (candidates,)."""


def candidates(source: Path, collection: Path) -> tuple[dict[float, float], list[Candidates]]:
    """nDCG@10 of each fusion weight, and the scored candidates of the questions."""
    with bar() as progress:
        pipeline.index([source], collection, progress=progress)
    opened = pipeline.open_collection(collection)
    opened.weights = Weights(combination={"rank": 1.0, "late": 1.0, "rerank": 1.0}, depth=DEPTH)
    qrels = read_qrels(source / "qrels" / "dev.tsv")
    judged = [query for query in read_queries(source)[0] if query.id in qrels]
    asked = judged[:: max(1, len(judged) // QUESTIONS)][:QUESTIONS]
    qrels = {query.id: qrels[query.id] for query in asked}
    fusion = {weight: fused_quality(opened, asked, qrels, weight) for weight in FUSIONS}
    ranked = opened.rank(asked, SearchSettings(k=DEPTH, depth=DEPTH), Stopwatch())
    scored = []
    for query, ranking in ranked.items():
        by_recall = tuple(sorted(ranking, key=lambda hit: hit.stages["fused"].rank))
        scored.append((by_recall, np.array([max(0, qrels[query].get(hit.doc_id, 0)) for hit in by_recall], dtype=np.float64)))
    return fusion, scored


def fused_quality(opened: pipeline.OpenCollection, asked: list[Query], qrels: Qrels, lexical: float) -> float:
    """nDCG@10 of rank fusion with this weight of lexical search."""
    opened.weights = Weights(**{**opened.weights.as_json(), "fusion": {"lexical": lexical, "dense": 1.0}})
    rankings = opened.rank(asked, SearchSettings(k=10, stage="fused"), Stopwatch())
    opened.weights = Weights(**{**opened.weights.as_json(), "fusion": {"lexical": 1.0, "dense": 1.0}})
    return means(per_query(["nDCG@10"], qrels, Run("fused", rankings)))["nDCG@10"]


def quality(order: list[list[int]], scored: list[Candidates]) -> list[float]:
    """nDCG@10 among the candidates, a value a question: how well the list is ordered, given what recall found."""
    values = []
    for rows, (_, grades) in zip(order, scored, strict=True):
        discount = 1 / np.log2(np.arange(2, 12))
        gain, best = grades[rows[:10]], np.sort(grades)[::-1][:10]
        ideal = float(best @ discount[: len(best)])
        values.append(float(gain @ discount[: len(gain)]) / ideal if ideal else 0.0)
    return values


def cross_fitted(tables: dict[str, list[Table]], scored: dict[str, list[Candidates]], used: tuple[str, ...]) -> dict[str, float]:
    """Mean nDCG@10 a set, each fold ordered by weights that were fitted on the other folds of all sets."""
    columns = [place for place, name in enumerate(FEATURES) if name in ("lexical", "dense", "rank", *used)]
    values: dict[str, list[float]] = {name: [] for name in tables}
    for fold in range(FOLDS):
        weights = fit_even(tables, scored, columns, fold)
        for name, rows in tables.items():
            test = range(fold, len(rows), FOLDS)
            order = [np.argsort(-(rows[row] @ weights), kind="stable").tolist() for row in test]
            values[name] += quality(order, [scored[name][row] for row in test])
    return {name: float(np.mean(found)) for name, found in values.items()}


def fit_even(
    tables: dict[str, list[Table]], scored: dict[str, list[Candidates]], columns: list[int], fold: int | None
) -> NDArray[np.float64]:
    """Weights, (FEATURES,), fitted on all sets alike: as many questions of each; unused features are zeroed."""
    mask = np.zeros(len(FEATURES))
    mask[columns] = 1
    rows, grades = [], []
    for name, found in tables.items():
        kept = [row for row in range(len(found)) if fold is None or row % FOLDS != fold]
        rows += [found[row] * mask for row in kept]
        grades += [scored[name][row][1] for row in kept]
    weights = fit(rows, grades)
    return np.array([weights[name] for name in FEATURES]) * mask


def calibrate(scored: dict[str, list[Candidates]]) -> tuple[float, float]:
    """(scale, offset) of the logistic function that turns logits into probabilities (Platt 1999)."""
    pairs = [
        (hit.stages["rerank"].score, float(grade > 0))
        for found in scored.values()
        for ranking, grades in found
        for hit, grade in zip(ranking, grades, strict=True)
    ]
    logits, labels = np.array(pairs).T

    def loss(parameters: NDArray[np.float64]) -> float:
        margin = parameters[0] * logits + parameters[1]
        return float(np.mean(np.logaddexp(0, margin) - labels * margin))

    scale, offset = minimize(loss, np.array([1.0, 0.0]), method="Nelder-Mead").x
    return round(float(scale), 4), round(float(offset), 4)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, help="keep the collections here")
    options = parser.parse_args()
    with TemporaryDirectory() as temporary:
        work = options.work or Path(temporary)
        work.mkdir(exist_ok=True)
        found = {name: candidates(options.data / name, work / name) for name in SETS}
    scored = {name: rows for name, (_, rows) in found.items()}
    tables = {name: [features(list(ranking)) for ranking, _ in rows] for name, rows in scored.items()}
    fusion = {weight: float(np.mean([quality[weight] for quality, _ in found.values()])) for weight in FUSIONS}
    print("fused nDCG@10 by the weight of lexical search:", {weight: round(value, 4) for weight, value in fusion.items()})
    for name, (by_weight, _) in found.items():
        print(f"  {name}:", {weight: round(value, 4) for weight, value in by_weight.items()})
    print("order of the candidates, nDCG@10 among them:")
    print(
        "  recall order as it is",
        {name: round(float(np.mean(quality([list(range(len(grades))) for _, grades in rows], rows))), 4) for name, rows in scored.items()},
    )
    print(
        "  cross-encoder alone",
        {
            name: round(
                float(
                    np.mean(
                        quality(
                            [np.argsort([-hit.stages["rerank"].score for hit in ranking], kind="stable").tolist() for ranking, _ in rows],
                            rows,
                        )
                    )
                ),
                4,
            )
            for name, rows in scored.items()
        },
    )
    for label, used in WITHOUT.items():
        print(f"  fitted, with {label}", {name: round(value, 4) for name, value in cross_fitted(tables, scored, used).items()})
    weights = fit_even(tables, scored, list(range(len(FEATURES))), None)
    notes = {
        "encoder": STARTER_ENCODER,
        "fusion": {"lexical": max(fusion, key=lambda weight: fusion[weight]), "dense": 1.0},
        "combination": dict(zip(FEATURES, weights.round(3).tolist(), strict=True)),
        "depth": DEPTH,
        "calibration": calibrate(scored),
    }
    durable.write_file(HERE / "reranker" / "bicross.json", json.dumps(notes, indent=1).encode() + b"\n")
    print(json.dumps(notes))


if __name__ == "__main__":
    main()
