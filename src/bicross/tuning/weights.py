"""How the tuned stages are joined: weights of fusion and combination, fitted on questions that the models did not train on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bicross.data.splits import folds
from bicross.errors import InputError
from bicross.evaluation.calibration import fit as fit_calibration
from bicross.evaluation.calibration import pairs_of
from bicross.evaluation.metrics import per_query
from bicross.protocols import Searcher
from bicross.records import Calibration, Hit, Query, Ranking, Run
from bicross.searchers.combination import FEATURES, Table, features, fit
from bicross.searchers.fused import FusedSearcher
from bicross.searchers.weights import Weights
from bicross.settings import SearchSettings
from bicross.vectors import best_first

LEXICAL = (0.0, 0.1, 0.2, 0.35, 0.5, 0.75, 1.0)  # weights of lexical beside 1 for dense
FOLDS = 5  # the choice of scorers is judged on questions that the weights were not fitted to
WORTH = 0.002  # nDCG@10: a scorer that brings less is left out, for each costs a search as much time as all the rest
SHOWN = SearchSettings().k  # hits of a question whose probabilities people read
RECALL = ("lexical", "dense", "rank")
SCORERS = ("late", "rerank")
USED = (("dense",), (*RECALL,), (*RECALL, "late"), (*RECALL, "rerank"), (*RECALL, *SCORERS))
Numbers = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Known:
    """A Searcher that gives rankings found before."""

    rankings: Mapping[str, Ranking]

    def search(self, queries: Sequence[Query], k: int) -> Mapping[str, Ranking]:
        return {query.id: self.rankings[query.id][:k] for query in queries}


class Combined(NamedTuple):
    """`weights` of the stages that are used, cross-fitted `quality` of each set of stages that was tried, and of the one `taken`."""

    weights: dict[str, float]
    quality: dict[str, float]
    taken: float


def fold_of(queries: Sequence[Query]) -> dict[str, int]:
    """Query id -> fold; near-duplicate questions are in one, unless there are fewer groups of them than folds."""
    try:
        return folds(queries, FOLDS, 0)
    except InputError:
        return {query.id: place % FOLDS for place, query in enumerate(queries)}


def lexical_weight(
    lexical: Searcher, dense: Searcher, queries: Sequence[Query], qrels: Mapping[str, Mapping[str, int]], fold_of: Mapping[str, int]
) -> float:
    """The weight of lexical search in the fusion: the best of LEXICAL by nDCG@10, and 0 unless choosing it beats dense search alone by more
    than the standard error of the paired difference, where each fold's weight is chosen on the others. Equal weights cost a tuned
    bi-encoder 0.03 to 0.045 nDCG@10 (docs/log.md)."""
    values = {}
    for weight in LEXICAL:
        rankings = FusedSearcher({"lexical": lexical, "dense": dense}, {"lexical": weight, "dense": 1.0}).search(queries, 100)
        values[weight] = _ndcg(rankings, qrels)  # (Q,)
    folds = np.array([fold_of[query.id] for query in queries])  # (Q,)
    gains = np.zeros(len(queries))  # (Q,)
    for fold in set(folds):
        gains[folds == fold] = (values[_best(values, folds != fold)] - values[0.0])[folds == fold]
    return _best(values, np.full(len(queries), True)) if gains.mean() > _error(gains) else 0.0


def combination(candidates: Mapping[str, Sequence[Hit]], qrels: Mapping[str, Mapping[str, int]], fold_of: Mapping[str, int]) -> Combined:
    """Weights of the stages' scores for the final order, and nDCG@10 by what is used, cross-fitted.

    Cross-fitted are the weights of each set of stages: no question is measured with weights that it gave. The choice among the sets, and
    what came before, the encoder's share, the candidates and the lexical weight that they rest on, may have seen it (`cross_fitted` is
    without what is chosen here).

    Of the sets of stages in USED the smallest is taken that comes within WORTH of the best: a stage that adds nothing gets no weight. That
    a difference may be chance is no reason to leave a stage out: from few questions nothing would be left but dense search.
    """
    queries = sorted(candidates)
    tables = [features(candidates[query]) for query in queries]
    grades = [np.array([float(max(0, qrels[query].get(hit.doc_id, 0))) for hit in candidates[query]]) for query in queries]
    known = {name for hits in candidates.values() for hit in hits for name in hit.stages} | {"rank"}
    options = [used for used in USED if set(used) <= known]
    quality = {used: _cross_fitted(tables, grades, used, candidates, queries, qrels, fold_of) for used in options}
    good = [used for used in options if quality[used] >= max(quality.values()) - WORTH]
    chosen = min(good, key=lambda used: (len(used), -quality[used]))
    weights = _fitted(tables, grades, chosen)
    kept = {name: weight for name, weight in weights.items() if weight}
    return Combined(kept, {" + ".join(used): value for used, value in quality.items()}, quality[chosen])


def cross_fitted(
    lexical: Searcher,
    dense: Searcher,
    read: Callable[[float], Mapping[str, Ranking]],
    queries: Sequence[Query],
    qrels: Mapping[str, Mapping[str, int]],
    fold_of: Mapping[str, int],
    depth: int,
) -> dict[str, Ranking]:
    """The ranking of each question by weights in which it has no part: the lexical weight, with it the candidates, the stages that are used
    and their weights are all chosen on the questions of the other folds.

    Args:
        read: of a lexical weight, the rankings of all questions: in front the `depth` candidates that every scorer has read, behind them
            the others in the fused order.

    Raises:
        InputError: there are fewer questions than folds.
    """
    require_folds(queries)
    rankings: dict[str, Ranking] = {}
    for fold in range(FOLDS):
        rest = [query for query in queries if fold_of[query.id] != fold]
        found = read(lexical_weight(lexical, dense, rest, {query.id: qrels[query.id] for query in rest}, fold_of))
        weights = combination({query.id: candidates_of(found[query.id], depth) for query in rest}, qrels, fold_of).weights
        for query in (query for query in queries if fold_of[query.id] == fold):
            candidates = candidates_of(found[query.id], depth)
            rankings[query.id] = (*_ordered(candidates, features(candidates), weights), *found[query.id][depth:])
    return rankings


def require_folds(queries: Sequence[Query]) -> None:
    """Raise InputError where there are fewer questions than folds."""
    if len(queries) < FOLDS:
        raise InputError(f"{len(queries)} judged questions, expected {FOLDS} or more: weights are fitted on some and measured on others.")


def candidates_of(ranking: Ranking, depth: int) -> list[Hit]:
    """The `depth` candidates in front of a reranked ranking, in the order in which recall found them."""
    return sorted(ranking[:depth], key=lambda hit: hit.stages["fused"].rank)


def calibrations(
    candidates: Mapping[str, Sequence[Hit]],
    weights: Mapping[str, float],
    recalled: Mapping[str, Mapping[str, Ranking]],
    qrels: Mapping[str, Mapping[str, int]],
    fold_of: Mapping[str, int],
) -> dict[str, Calibration]:
    """A Calibration for each kind of search, of the SHOWN hits that it has in front for each question (`evaluation.calibration.fit`).

    Args:
        candidates: of each question those that every scorer has read; "both" search puts them in order with these `weights`.
        recalled: the rankings of the other kinds of search, by name.
    """
    both = {query: _ordered(_with_used(hits, weights), features(hits), weights) for query, hits in candidates.items()}
    shown = {"both": both, **recalled}
    pairs = {
        kind: pairs_of({query: ranking[:SHOWN] for query, ranking in rankings.items()}, qrels, fold_of) for kind, rankings in shown.items()
    }
    return {kind: fit_calibration(found) for kind, found in pairs.items() if found}


def joined(before: Weights, lexical: float, combined: Mapping[str, float], depth: int, calibrated: Mapping[str, Calibration]) -> Weights:
    """The weights that a collection keeps."""
    fusion = {"lexical": lexical, "dense": 1.0}
    return replace(before, fusion=fusion, combination=dict(combined), depth=depth, calibration=dict(calibrated))


def _fitted(tables: Sequence[Table], grades: Sequence[Numbers], used: Sequence[str]) -> dict[str, float]:
    mask = np.array([float(name in used) for name in FEATURES])  # (F,)
    found = fit([table * mask for table in tables], list(grades))
    return {name: found[name] * float(name in used) for name in FEATURES}


def _cross_fitted(
    tables: Sequence[Table],
    grades: Sequence[Numbers],
    used: Sequence[str],
    candidates: Mapping[str, Sequence[Hit]],
    queries: Sequence[str],
    qrels: Mapping[str, Mapping[str, int]],
    fold_of: Mapping[str, int],
) -> float:
    """nDCG@10, each fold's questions ordered by weights that were fitted on the other folds."""
    rankings: dict[str, Ranking] = {}
    for fold in {fold_of[query] for query in queries}:
        rest = [place for place, query in enumerate(queries) if fold_of[query] != fold]
        weights = _fitted([tables[place] for place in rest], [grades[place] for place in rest], used)
        for place, query in enumerate(queries):
            if fold_of[query] == fold:
                rankings[query] = _ordered(candidates[query], tables[place], weights)
    return float(_ndcg(rankings, qrels).mean())


def _ordered(candidates: Sequence[Hit], table: Table, weights: Mapping[str, float]) -> Ranking:
    """The candidates by the weighted sum of their features, ties as search breaks them."""
    column = np.array([weights.get(name, 0.0) for name in FEATURES])  # (F,)
    return best_first(replace(hit, score=float(score)) for hit, score in zip(candidates, table @ column, strict=True))


def _best(values: Mapping[float, Numbers], judged: NDArray[np.bool_]) -> float:
    """The weight with the highest mean over the questions that are judged, (Q,); the smallest of equals."""
    return max(values, key=lambda weight: (values[weight][judged].mean() if judged.any() else 0.0, -weight))


def _error(gains: Numbers) -> float:
    """The standard error of the mean."""
    return float(gains.std() / np.sqrt(max(1, len(gains))))


def _with_used(hits: Sequence[Hit], weights: Mapping[str, float]) -> list[Hit]:
    """The hits without what scorers say that a search with these weights does not ask."""
    unasked = {name for name in SCORERS if not weights.get(name)}
    return [replace(hit, stages={name: stage for name, stage in hit.stages.items() if name not in unasked}) for hit in hits]


def _ndcg(rankings: Mapping[str, Ranking], qrels: Mapping[str, Mapping[str, int]]) -> Numbers:
    """nDCG@10 of each ranking, in their order."""
    found = per_query(["nDCG@10"], {query: qrels[query] for query in rankings}, Run("fit", rankings))["nDCG@10"]
    return np.array([found[query] for query in rankings])
