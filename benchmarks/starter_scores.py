"""What every stage of the starter models says of the candidates of a set's questions, through the product, each kept on disk once made."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from random import Random

import numpy as np
from numpy.typing import NDArray

from bicross import durable, pipeline
from bicross.cli.progress import bar
from bicross.data.questions import read_qrels, read_queries
from bicross.evaluation.calibration import FOLDS, Pair, pairs_of
from bicross.models import registry
from bicross.opened import Once, OpenCollection
from bicross.records import Hit, Qrels, Query, Ranking, Stage
from bicross.searchers.combination import FEATURES, Table, features
from bicross.searchers.stopwatch import Stopwatch
from bicross.searchers.weights import Weights
from bicross.settings import STARTER_FAST, IndexSettings, SearchSettings

DEPTH = 20
RERANKERS = ("full", "fast")
SHOWN = 10
ANYWHERE = ("dense", "rerank")


@dataclass(frozen=True)
class Scored:
    """The candidates of each question in the order of fused search, with the scores of recall, late interaction and one reranker."""

    rankings: Mapping[str, Mapping[str, Ranking]]
    """Reranker ("full", "fast") -> question -> candidates."""
    qrels: Qrels

    def table(self, reranker: str, query: str, depth: int) -> Table:
        """Standardised features of a question's first candidates, (candidates, FEATURES)."""
        return features(self.rankings[reranker][query][:depth])

    def grades(self, query: str, depth: int) -> NDArray[np.float64]:
        """Of the same candidates, (candidates,)."""
        ranking = self.rankings["full"][query][:depth]
        return np.array([max(0, self.qrels[query].get(hit.doc_id, 0)) for hit in ranking], dtype=np.float64)

    def reordered(self, reranker: str, weights: Mapping[str, float], depth: int) -> dict[str, Ranking]:
        """What a search of this depth with these weights answers: the first candidates in a new order, then the others in the old one."""
        found = {}
        for query, ranking in self.rankings[reranker].items():
            scores = self.table(reranker, query, depth) @ np.array([weights.get(name, 0.0) for name in FEATURES])
            order = [*np.argsort(-scores, kind="stable").tolist(), *range(min(depth, len(ranking)), len(ranking))]
            found[query] = tuple(replace(ranking[row], score=-float(place)) for place, row in enumerate(order))
        return found


def indexed(source: Path, collection: Path, encoder: str | None = None) -> OpenCollection:
    """The collection of a BEIR folder, made if it is not there."""
    if not collection.is_dir():
        with bar() as progress:
            pipeline.index([source], collection, IndexSettings(encoder=encoder), progress=progress)
    return pipeline.open_collection(collection)


def judged(source: Path, split: str, count: int) -> tuple[list[Query], Qrels]:
    """So many questions of a split, at random, and their judgements."""
    qrels = read_qrels(source / "qrels" / f"{split}.tsv")
    queries = [query for query in read_queries(source)[0] if query.id in qrels]
    queries = sorted(Random(0).sample(queries, min(count, len(queries))), key=lambda query: query.id)
    return queries, {query.id: qrels[query.id] for query in queries}


def scored(opened: OpenCollection, queries: Sequence[Query], qrels: Qrels, kept: Path) -> Scored:
    """Every stage's scores of the DEPTH best of fused search with equal weights."""
    rerankers = {"full": opened.reranker, "fast": Once(lambda: registry.load_reranker(STARTER_FAST))}
    rankings = {}
    for name in RERANKERS:
        file = kept.with_name(f"{kept.name}.{name}.json")
        if not file.is_file():
            combination = {"rank": 1.0, "rerank": 1.0, **({"late": 1.0} if name == "full" else {})}
            trying = opened.trying(Weights(combination=combination, depth=DEPTH), rerankers[name])
            found = trying.rank(queries, SearchSettings(k=DEPTH, depth=DEPTH), Stopwatch())
            durable.write_file(file, json.dumps({query: list(map(_row, ranking)) for query, ranking in found.items()}).encode())
        rankings[name] = {query: _recalled(rows) for query, rows in json.loads(file.read_bytes()).items()}
    late = {(query, hit.doc_id): hit.stages["late"] for query, ranking in rankings["full"].items() for hit in ranking}
    rankings["fast"] = {
        query: tuple(replace(hit, stages={**hit.stages, "late": late[query, hit.doc_id]}) for hit in ranking)
        for query, ranking in rankings["fast"].items()
    }
    return Scored(rankings, qrels)


def shown(one: Scored, reranker: str, weights: Mapping[str, float], depth: int) -> list[Pair]:
    """The first ten hits of each question, with those scores that mean the same in any collection: the cosine and the cross-encoder's."""
    rankings = {query: ranking[:SHOWN] for query, ranking in one.reordered(reranker, weights, depth).items()}
    folds = {query: row % FOLDS for row, query in enumerate(rankings)}
    pairs = pairs_of(rankings, one.qrels, folds)
    return [pair._replace(scores={name: value for name, value in pair.scores.items() if name in ANYWHERE}) for pair in pairs]


def _row(hit: Hit) -> tuple[str, dict[str, object]]:
    return hit.doc_id, {name: asdict(stage) for name, stage in hit.stages.items()}


def _recalled(rows: Sequence[tuple[str, dict[str, dict[str, object]]]]) -> Ranking:
    hits = [Hit(doc_id, 0.0, stages={name: Stage(**stage) for name, stage in stages.items()}) for doc_id, stages in rows]  # type: ignore[arg-type]
    return tuple(sorted(hits, key=lambda hit: hit.stages["fused"].rank))
