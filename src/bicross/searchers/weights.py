"""How a collection joins its stages: stored with the models they were fitted for, and with the collection."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from bicross.records import Calibration, Term
from bicross.searchers.foresight import Foresight
from bicross.settings import StageName


@dataclass(frozen=True, slots=True)
class Weights:
    """Weights of the rank fusion and of the final combination; how many candidates are reranked; scores to probabilities.

    The defaults are for a pair of models of which nothing is known: lexical and dense alike, the reranker as much as the
    order it was given. `calibration` has one Calibration for each kind of search ("both", "fused", "dense", "lexical") that was
    calibrated; the hits of the others have no probability.

    `stage` is the kind of search where none is asked for. "both" reads `depth` candidates, or, where there is `foresight`, as many of
    them as it takes, those that `fast`, the name of another reranker, has read before, where there is one.
    """

    fusion: Mapping[str, float] = field(default_factory=lambda: {"lexical": 1.0, "dense": 1.0})
    combination: Mapping[str, float] = field(default_factory=lambda: {"rank": 1.0, "rerank": 1.0})
    depth: int = 20
    calibration: Mapping[str, Calibration] = field(default_factory=dict)
    stage: StageName = "both"
    foresight: Foresight | None = None
    fast: str | None = None

    @classmethod
    def of(cls, stored: Mapping[str, Any]) -> Weights:
        """From JSON; what is not there is the default."""
        known = {name: stored[name] for name in ("fusion", "combination", "depth", "stage", "fast") if name in stored}
        if stored.get("foresight"):
            known["foresight"] = Foresight.of(stored["foresight"])
            # Of a version whose fast reranker read all candidates: full depth until it is planned again.
            if known.get("fast") and not known["foresight"].after:
                known |= {"foresight": None, "fast": None}
        if "calibration" in stored:
            known["calibration"] = _calibration(stored["calibration"])
        return cls(**known)

    def as_json(self) -> dict[str, Any]:
        """As `of` reads it."""
        return asdict(self)


def _calibration(stored: Any) -> dict[str, Calibration]:
    """By kind of search. It used to be (scale, offset) of the cross-encoder's logit, fitted for the models and not for a collection."""
    return {stage: _curve(curve) for stage, curve in stored.items()} if isinstance(stored, Mapping) else {}


def _curve(stored: Mapping[str, Any]) -> Calibration:
    terms = {name: Term(**term) for name, term in stored["terms"].items()}
    knots = tuple((logit, probability) for logit, probability in stored["knots"])
    return Calibration(stored["offset"], terms, knots, stored.get("fitted_to", ""))
