"""How a hit's score came about: what each stage added to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bicross.records import Hit, Ranking
from bicross.searchers.combination import FEATURES, Table, column, shares
from bicross.searchers.foresight import Foresight, Outlook
from bicross.searchers.fused import FLATNESS
from bicross.searchers.weights import Weights
from bicross.settings import StageName


@dataclass(frozen=True, slots=True)
class Part:
    """What a stage added to a hit's score, and the weight that it has there."""

    weight: float
    added: float


Parts = Mapping[str, Mapping[str, Part]]
"""Document id -> stage -> its part. The parts of a document sum to its score."""


def was_read(hit: Hit) -> bool:
    """Whether the hit was reranked."""
    return "late" in hit.stages or "rerank" in hit.stages


def parts(ranking: Ranking, kind: StageName, weights: Weights, foreseen: int = 0) -> Parts:
    """The parts of a ranking's hits, by the kind of search that made it.

    "both": the weight times the standardised score, of the order of recall for "fused"; a stage that did not find the document counts as
    its lowest score. Hits that were not reranked have no parts, because they only keep their order below. "fused": weight / (60 + rank);
    documents beyond the first 100 of a search have a lower score than that. A stage alone: the score itself. Of the first `foreseen`
    hits those that were not reranked have parts too, made of the scores that were to be expected.

    Args:
        ranking: all candidates that were reranked must be among its hits.
    """
    if kind == "both":
        if weights.foresight and foreseen:
            return _foreseen(ranking[:foreseen], weights.combination, weights.foresight)
        candidates = [hit for hit in ranking if was_read(hit)]
        return _told(candidates, shares(candidates, weights.combination), weights.combination) if candidates else {}
    if kind == "fused":
        return {hit.doc_id: _fused(hit, weights.fusion) for hit in ranking}
    return {hit.doc_id: {kind: Part(1.0, hit.score)} for hit in ranking}


def _foreseen(candidates: Sequence[Hit], weights: Mapping[str, float], foresight: Foresight) -> Parts:
    scores = {name: column(candidates, name) for name in foresight.scorers}
    added, _ = Outlook(candidates, weights, foresight).shares(scores)
    return _told(candidates, added, weights)


def _told(candidates: Sequence[Hit], added: Table, weights: Mapping[str, float]) -> Parts:
    names = {feature: "fused" if feature == "rank" else feature for feature in FEATURES}
    rows = zip(candidates, added.tolist(), strict=True)
    return {
        hit.doc_id: {
            names[feature]: Part(weights.get(feature, 0.0), added)
            for feature, added in zip(FEATURES, row, strict=True)
            if names[feature] in hit.stages or weights.get(feature)
        }
        for hit, row in rows
    }


def _fused(hit: Hit, weights: Mapping[str, float]) -> dict[str, Part]:
    return {name: Part(weights[name], weights[name] / (FLATNESS + stage.rank)) for name, stage in hit.stages.items() if name in weights}
