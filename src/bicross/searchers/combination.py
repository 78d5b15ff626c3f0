"""The final score: a small fitted combination of what each stage thinks of a candidate.

A cross-encoder's score never simply replaces the recall order. Each stage's scores are standardised over the query's
candidates, and the final score is their weighted sum; the weights are fitted by listwise softmax regression (Cao et al. 2007),
regularised and never negative, so that a stage which adds nothing gets a weight near zero and cannot hurt.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from bicross.records import Hit

FEATURES = ("lexical", "dense", "rank", "late", "rerank")
"""BM25, cosine, -log(fused rank + 5), late interaction, and the cross-encoder's logit."""
Table = NDArray[np.float64]
Column = NDArray[np.float64]


def column(candidates: Sequence[Hit], name: str) -> Column:
    """What a stage says of each of one query's candidates, (candidates,): its score, not a number where it has none; of "rank"
    -log(fused rank + 5)."""
    return np.array([_feature(hit, name) for hit in candidates], dtype=np.float64)


def features(candidates: Sequence[Hit]) -> Table:
    """Standardised features of one query's candidates, (candidates, FEATURES); a score that is missing counts as the lowest."""
    return np.stack([standardised(column(candidates, name)) for name in FEATURES], axis=1)  # (C, F)


def combine(candidates: Sequence[Hit], weights: Mapping[str, float]) -> NDArray[np.float64]:
    """The final score of each of one query's candidates, (candidates,)."""
    return np.asarray(features(candidates) @ np.array([weights.get(name, 0.0) for name in FEATURES]))


def shares(candidates: Sequence[Hit], weights: Mapping[str, float]) -> Table:
    """What each feature adds to the final score of each of one query's candidates, (candidates, FEATURES); rows sum to `combine`."""
    return np.asarray(features(candidates) * np.array([weights.get(name, 0.0) for name in FEATURES]))


def fit(tables: Sequence[Table], grades: Sequence[NDArray[np.float64]], penalty: float = 0.01) -> dict[str, float]:
    """Weights that make the relevant candidates likely: softmax over each query's list against its grades.

    Args:
        tables: `features` of each query's candidates, each (candidates, FEATURES).
        grades: relevance of the same candidates, each (candidates,); queries without a relevant candidate say nothing.
        penalty: L2 penalty on the weights, a query.
    """
    from scipy.optimize import minimize  # slow to import, and needed only to fit

    lists = [(table, grade / grade.sum()) for table, grade in zip(tables, grades, strict=True) if grade.sum() > 0]

    start, bounds = np.full(len(FEATURES), 0.1), [(0.0, None)] * len(FEATURES)
    found = minimize(_loss, start, args=(lists, penalty), jac=True, method="L-BFGS-B", bounds=bounds)
    return {name: round(float(weight), 4) for name, weight in zip(FEATURES, found.x, strict=True)}


def _loss(
    weights: NDArray[np.float64], lists: Sequence[tuple[Table, NDArray[np.float64]]], penalty: float
) -> tuple[float, NDArray[np.float64]]:
    """Mean cross-entropy between the grades' shares and the softmax of the scores, penalised, and its gradient (FEATURES,)."""
    value, slope = penalty * float(weights @ weights), 2 * penalty * weights
    for table, target in lists:
        scores = table @ weights  # (C,)
        scores = scores - scores.max()
        total = math.log(np.exp(scores).sum())
        value += (total - float(target @ scores)) / len(lists)
        slope = slope + table.T @ (np.exp(scores - total) - target) / len(lists)
    return value, slope


def _feature(hit: Hit, name: str) -> float:
    if name == "rank":
        return -math.log(hit.stages["fused"].rank + 5)
    return hit.stages[name].score if name in hit.stages else math.nan


def standardised(values: Column) -> Column:
    """Values less their mean, divided by their spread; what is missing counts as the lowest, and what is the same for all as 0."""
    if np.isnan(values).all():
        return np.zeros(len(values))
    filled = np.where(np.isnan(values), np.nanmin(values), values)
    spread = filled.std()
    return np.asarray((filled - filled.mean()) / spread) if spread > 1e-9 else np.zeros(len(filled))
