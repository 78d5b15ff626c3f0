"""How far the probabilities that search shows can be believed, on questions with known answers."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np

from bicross.evaluation.calibration import pairs_of
from bicross.evaluation.reliability import Reliability, reliability
from bicross.records import Qrels, Ranking


@dataclass(frozen=True, slots=True)
class Probabilities:
    """How far the probabilities of `hits` can be believed: those that a search shows for `questions`, its first `shown`. `fitted` questions
    were left out because the calibration was fitted to them; None where nobody knows which.
    """

    questions: int
    shown: int
    hits: int
    unjudged: int
    fitted: int | None
    reliability: Reliability


def probabilities(rankings: Mapping[str, Ranking], qrels: Qrels, shown: int, fitted: Collection[str] | None) -> Probabilities | None:
    """Of the first `shown` hits of each question, as far as they have a probability; None where none has.

    `fitted` are the questions that the calibration was fitted to, None where that is not known.
    """
    left = {query: ranking[:shown] for query, ranking in rankings.items() if query not in (fitted or ())}
    hits = {query: tuple(hit for hit in ranking if hit.probability is not None) for query, ranking in left.items()}
    pairs = pairs_of(hits, qrels, dict.fromkeys(hits, 0))
    if not pairs:
        return None
    return Probabilities(
        questions=len(hits),
        shown=shown,
        hits=len(pairs),
        unjudged=sum(not pair.judged for pair in pairs),
        fitted=None if fitted is None else len(fitted),
        reliability=reliability(pairs, np.array([hit.probability for ranking in hits.values() for hit in ranking])),
    )
