"""What the stages of search say of each other, without a label: where they agree, and how far the reranker moves things."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from bicross.evaluation.averages import Mean, mean_of
from bicross.evaluation.overlap import overlap, rank_biased_overlap
from bicross.records import Ranking

TOP = 10
EDGE = 0.8  # of the candidates: what lies behind it is the last fifth
Rankings = Mapping[str, Ranking]
"""Query id -> ranking."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """How alike stages `a` and `b` rank: overlap of the first TOP, rank-biased overlap, share of questions with the same first hit."""

    a: str
    b: str
    overlap: Mean
    rank_biased: Mean
    same_first: Mean


@dataclass(frozen=True, slots=True)
class Movement:
    """What reranking does to the order of recall.

    `entered`: share of the first TOP that recall had below its first TOP. `places`: mean distance, in ranks, that a document of the first
    TOP has moved. `first_from` is where recall had what is now the first hit: its median, 95th percentile and highest rank; `edge` is the
    share of questions where that is in the last fifth of the `depth` candidates that were reranked.
    """

    depth: int
    entered: Mean
    places: Mean
    first_from: Mapping[str, float]
    edge: Mean


def agreements(stages: Mapping[str, Rankings]) -> list[Agreement]:
    """Every two stages, in the order given. A question that neither found anything for is left out of their means."""
    found = []
    for a, b in combinations(stages, 2):
        pairs = [(ids(stages[a][query]), ids(stages[b][query])) for query in stages[a]]
        pairs = [(left, right) for left, right in pairs if left or right]
        if pairs:
            shared = mean_of([overlap(left, right, TOP) for left, right in pairs])
            biased = mean_of([rank_biased_overlap(left, right) for left, right in pairs])
            found.append(Agreement(a, b, shared, biased, mean_of([float(left[:1] == right[:1]) for left, right in pairs])))
    return found


def movement(reranked: Rankings, depth: int) -> Movement | None:
    """What the reranker did, by the rank in the fused order that each hit carries; None where no question has a hit."""
    ranks = [[hit.stages["fused"].rank for hit in ranking[:TOP]] for ranking in reranked.values() if ranking]
    if not ranks:
        return None
    middle, high = np.percentile([row[0] for row in ranks], [50, 95])
    return Movement(
        depth,
        entered=mean_of([float(np.mean([rank > TOP for rank in row])) for row in ranks]),
        places=mean_of([float(np.mean([abs(rank - place) for place, rank in enumerate(row, start=1)])) for row in ranks], (0.0, depth)),
        first_from={"p50": float(middle), "p95": float(high), "max": max(row[0] for row in ranks)},
        edge=mean_of([float(row[0] > EDGE * depth) for row in ranks]),
    )


def ids(ranking: Ranking) -> Sequence[str]:
    """The documents of a ranking, best first."""
    return [hit.doc_id for hit in ranking]
