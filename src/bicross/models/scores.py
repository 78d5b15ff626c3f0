"""A cross-encoder's scores as clients are told them."""

from __future__ import annotations

import math
from collections.abc import Sequence


def relevance(logit: float) -> float:
    """The logistic function of a cross-encoder's score, in [0, 1], by itself, whatever else was asked about.

    It is not calibrated: 0.9 does not say that nine of ten such documents are relevant. Search gives calibrated probabilities.
    """
    return 1 / (1 + math.exp(-max(-60.0, min(60.0, logit))))


def best_first(scores: Sequence[float]) -> list[int]:
    """Places of the scores, the highest first, equal ones in the order given."""
    return sorted(range(len(scores)), key=lambda place: (-scores[place], place))
