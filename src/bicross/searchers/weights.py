"""How a collection joins its stages: stored with the models they were fitted for, and with the collection."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Weights:
    """Weights of the rank fusion and of the final combination; how many candidates are reranked; logit to probability.

    The defaults are for a pair of models of which nothing is known: lexical and dense alike, the reranker as much as the
    order it was given. `calibration` is (scale, offset); (1, 0) reads the logit as it is.
    """

    fusion: Mapping[str, float] = field(default_factory=lambda: {"lexical": 1.0, "dense": 1.0})
    combination: Mapping[str, float] = field(default_factory=lambda: {"rank": 1.0, "rerank": 1.0})
    depth: int = 20
    calibration: tuple[float, float] = (1.0, 0.0)

    @classmethod
    def of(cls, stored: Mapping[str, Any]) -> Weights:
        """From JSON; what is not there is the default."""
        known = {name: stored[name] for name in ("fusion", "combination", "depth") if name in stored}
        return cls(**known, calibration=tuple(stored.get("calibration", (1.0, 0.0))))

    def as_json(self) -> dict[str, Any]:
        """As `of` reads it."""
        return asdict(self)
