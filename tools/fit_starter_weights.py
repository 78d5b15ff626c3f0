"""Fit how the starter pair's stages are joined, on development questions.

    python tools/fit_starter_weights.py --data DATA

DATA holds BEIR folders drcd, squad_sentences and qmsum with dev splits. The models saw the training questions of the first
two, and nothing of the third, which keeps the reranker's weight honest. Writes src/bicross/starter/reranker/bicross.json;
prints what each part brings, by five-fold cross-fitting over questions, so that no weight is judged on what it was fitted to.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bicross import durable, pipeline
from bicross.cli.progress import bar
from bicross.data.questions import read_qrels, read_queries
from bicross.data.sources import read_documents
from bicross.evaluation.metrics import means, per_query
from bicross.records import Document, Qrels, Query, Ranking, Run
from bicross.searchers.combination import FEATURES, Table, features, fit
from bicross.searchers.stopwatch import Stopwatch
from bicross.searchers.weights import Weights
from bicross.settings import STARTER_ENCODER, SearchSettings
from bicross.starter import HERE

SETS, QUESTIONS, DEPTH, FOLDS = ("drcd", "squad_sentences", "qmsum"), 120, 20, 5
READ = 10  # candidates that a search reads by default: more would make the first answer of a cold process too late
JUDGED_ONLY = ("qmsum",)  # long transcripts: only those of the development questions are indexed
EQUAL = 1.0
WORTH = 0.002  # nDCG@10: a scorer that brings less is left out, for each costs a search as much time as all the rest
FUSIONS = (0.0, 0.25, 0.5, 0.75, EQUAL, 1.5)  # weights of lexical search beside 1 for dense; one that harms a set is not taken
WITHOUT = {"recall scores": (), "late interaction": ("late",), "cross-encoder": ("rerank",), "both": ("late", "rerank")}
Candidates = tuple[Ranking, NDArray[np.float64]]
"""One question's candidates with every stage's score, and their grades, (candidates,)."""


@dataclass(frozen=True)
class Development:
    """One collection, opened, with some development questions and their answers."""

    opened: pipeline.OpenCollection
    asked: list[Query]
    qrels: Qrels

    def fused(self, lexical: float) -> float:
        """nDCG@10 of rank fusion with this weight of lexical search."""
        self.opened.weights = Weights(fusion={"lexical": lexical, "dense": 1.0})
        rankings = self.opened.rank(self.asked, SearchSettings(k=10, stage="fused"), Stopwatch())
        return means(per_query(["nDCG@10"], self.qrels, Run("fused", rankings)))["nDCG@10"]

    def scored(self, lexical: float) -> list[Candidates]:
        """Every question's candidates in the order of recall, with the scores of late interaction and the cross-encoder."""
        combination = {"rank": 1.0, "late": 1.0, "rerank": 1.0}
        self.opened.weights = Weights(fusion={"lexical": lexical, "dense": 1.0}, combination=combination, depth=DEPTH)
        rows = []
        for query, ranking in self.opened.rank(self.asked, SearchSettings(k=DEPTH, depth=DEPTH), Stopwatch()).items():
            recalled = tuple(sorted(ranking, key=lambda hit: hit.stages["fused"].rank))
            rows.append((recalled, np.array([max(0, self.qrels[query].get(hit.doc_id, 0)) for hit in recalled], dtype=np.float64)))
        return rows


def prepare(source: Path, collection: Path) -> Development:
    """Index a set and choose its questions."""
    qrels = read_qrels(source / "qrels" / "dev.tsv")
    corpus = source
    if source.name in JUDGED_ONLY:
        judged_ids = {document for grades in qrels.values() for document in grades}
        rows = [row for row in read_documents([source]) if isinstance(row, Document) and row.id in judged_ids]
        corpus = collection.with_suffix(".jsonl")
        lines = [json.dumps({"id": row.id, "title": row.title, "text": row.text}) + "\n" for row in rows]
        durable.write_file(corpus, "".join(lines).encode())
    with bar() as progress:
        pipeline.index([corpus], collection, progress=progress)
    judged = [query for query in read_queries(source)[0] if query.id in qrels]
    asked = judged[:: max(1, len(judged) // QUESTIONS)][:QUESTIONS]
    return Development(pipeline.open_collection(collection), asked, {query.id: qrels[query.id] for query in asked})


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


def report(label: str, values: dict[str, float]) -> None:
    """One line of the table."""
    print(f"  {label:<28}" + "  ".join(f"{name} {value:.4f}" for name, value in values.items()), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True, help="where the collections are kept")
    options = parser.parse_args()
    options.work.mkdir(exist_ok=True)
    sets = {name: prepare(options.data / name, options.work / name) for name in SETS}
    print("fused search, nDCG@10, by the weight of lexical search:")
    fusion = {weight: {name: one.fused(weight) for name, one in sets.items()} for weight in FUSIONS}
    for weight, values in fusion.items():
        report(str(weight), values)
    harmless = [weight for weight in FUSIONS if all(fusion[weight][name] >= fusion[EQUAL][name] for name in sets)]
    lexical = max(harmless, key=lambda weight: np.mean(list(fusion[weight].values())))
    scored = {name: one.scored(lexical) for name, one in sets.items()}
    tables = {name: [features(list(ranking)) for ranking, _ in rows] for name, rows in scored.items()}
    print("order of the candidates, nDCG@10 among them:")
    report(
        "recall order",
        {name: float(np.mean(quality([list(range(len(ranking))) for ranking, _ in rows], rows))) for name, rows in scored.items()},
    )
    for alone in ("late", "rerank"):
        orders = {name: [np.argsort(-table[:, FEATURES.index(alone)], kind="stable").tolist() for table in tables[name]] for name in tables}
        report(f"{alone} alone", {name: float(np.mean(quality(orders[name], scored[name]))) for name in tables})
    means_of: dict[tuple[str, ...], float] = {}
    for label, used in WITHOUT.items():
        values = cross_fitted(tables, scored, used)
        report(f"fitted, {label}", values)
        means_of[used] = float(np.mean(list(values.values())))
    worth = [used for used in means_of if means_of[used] >= max(means_of.values()) - WORTH]
    used = min(worth, key=lambda used: (len(used), -means_of[used]))
    weights = fit_even(tables, scored, [FEATURES.index(name) for name in ("lexical", "dense", "rank", *used)], None)
    notes = {
        "encoder": STARTER_ENCODER,
        "fusion": {"lexical": lexical, "dense": 1.0},
        "combination": dict(zip(FEATURES, weights.round(3).tolist(), strict=True)),
        "depth": READ,
    }
    durable.write_file(HERE / "reranker" / "bicross.json", json.dumps(notes, indent=1).encode() + b"\n")
    print(json.dumps(notes))


if __name__ == "__main__":
    main()
