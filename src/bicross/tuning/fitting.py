"""The weights of a collection's stages, fitted on questions that its models did not train on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import Any

from bicross import asking
from bicross.opened import OpenCollection
from bicross.protocols import Progress
from bicross.records import Qrels, Query, Ranking, Run
from bicross.searchers.fused import FusedSearcher
from bicross.searchers.stopwatch import Stopwatch
from bicross.settings import SearchSettings, StageName
from bicross.tuning.weights import SHOWN, Known, calibrations, candidates_of, combination, cross_fitted, fold_of, joined, lexical_weight

RECALLED = 100
ASKED = {"rank": 1.0, "late": 1.0, "rerank": 1.0}  # so that every scorer reads the candidates


def fit_weights(collection: OpenCollection, queries: Sequence[Query], qrels: Qrels, depth: int, progress: Progress) -> dict[str, Any]:
    """{"weights", "quality", "taken", "questions"}: what the collection should keep, and nDCG@10 over the `depth` candidates of what was
    tried and taken, cross-fitted as far as `weights.combination` says.

    The questions are searched with the models themselves: weights that were fitted to weaker models, trained on a part of the
    questions, would give a tuned bi-encoder too little (docs/log.md). The collection's own weights are as before afterwards.
    """
    return _Searched(collection, queries, qrels, depth, progress).fitted()


def fit_and_measure(
    collection: OpenCollection, queries: Sequence[Query], qrels: Qrels, depth: int, progress: Progress
) -> tuple[dict[str, Any], Run, Run]:
    """As `fit_weights`, and two-stage search with the collection's own weights and, wholly cross-fitted, with fitted ones (`cross_fitted`).

    Both rankings have RECALLED hits, or `depth` if that is more; `depth` are reranked. Candidates are read once for each lexical weight
    that a fold chooses, which is mostly the same.

    Raises:
        InputError: there are fewer questions than folds.
    """
    searched = _Searched(collection, queries, qrels, depth, progress)
    after = Run("fitted weights", searched.cross_fitted())
    before = Run("the weights of before", searched.both(collection.weights.fusion, collection.weights.combination))
    return searched.fitted(), before, after


class _Searched:
    """What a collection's searches find for the questions, each search made once."""

    def __init__(self, collection: OpenCollection, queries: Sequence[Query], qrels: Qrels, depth: int, progress: Progress) -> None:
        self._collection, self._queries, self._depth, self._progress = collection, queries, depth, progress
        self._qrels = {query.id: qrels[query.id] for query in queries}
        self._folds = fold_of(queries)
        self._lexical, self._dense = (Known(self._found(stage)) for stage in ("lexical", "dense"))
        self._read = cache(lambda weight: self.both({"lexical": weight, "dense": 1.0}, ASKED))

    def fitted(self) -> dict[str, Any]:
        """What `fit_weights` gives."""
        weight = lexical_weight(self._lexical, self._dense, self._queries, self._qrels, self._folds)
        candidates = {query: candidates_of(ranking, self._depth) for query, ranking in self._read(weight).items()}
        combined = combination(candidates, self._qrels, self._folds)
        fused = FusedSearcher({"lexical": self._lexical, "dense": self._dense}, {"lexical": weight, "dense": 1.0})
        recalled = {
            kind: searcher.search(self._queries, SHOWN)
            for kind, searcher in (("fused", fused), ("dense", self._dense), ("lexical", self._lexical))
        }
        calibrated = calibrations(candidates, combined.weights, recalled, self._qrels, self._folds)
        weights = joined(self._collection.weights, weight, combined.weights, self._depth, calibrated)
        return {"weights": weights.as_json(), "quality": combined.quality, "taken": combined.taken, "questions": len(self._queries)}

    def cross_fitted(self) -> dict[str, Ranking]:
        """Each question's ranking with weights in which it has no part."""
        return cross_fitted(self._lexical, self._dense, self._read, self._queries, self._qrels, self._folds, self._depth)

    def both(self, fusion: Mapping[str, float], combination: Mapping[str, float]) -> dict[str, Ranking]:
        """Two-stage search with these weights."""
        own = self._collection.weights
        self._collection.weights = replace(own, fusion=fusion, combination=combination, depth=self._depth)
        try:
            return self._found("both")
        finally:
            self._collection.weights = own

    def _found(self, stage: StageName) -> dict[str, Ranking]:
        def tell(_: str, done: int, total: int) -> None:
            self._progress(f"fitting weights, {stage}", done, total)

        settings = SearchSettings(k=max(RECALLED, self._depth), depth=self._depth, stage=stage)
        return asking.ranked(self._collection, self._queries, settings, Stopwatch(), tell)
