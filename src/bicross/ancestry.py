"""Where a collection's models come from: the models that no tuning changed, and the questions that the tuned ones have seen.

Every run trains the untuned models anew. Models that have seen a question rank its candidates too well, so those that mine, teach and
are measured must not have seen it; who tunes again with more questions, or another seed, would otherwise lose all of that unseen.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bicross import durable
from bicross.collection.store import Facts
from bicross.errors import Damaged
from bicross.models.names import is_owned
from bicross.records import Query, Skip

LINEAGE = "lineage.json"
MARK = 8  # hex digits of a digest: one question passes for another once in 4 billion pairs


@dataclass(frozen=True, slots=True)
class Ancestry:
    """Names of the models that no tuning changed, as a collection keeps them; digests of the questions that its models have seen."""

    encoder: str
    reranker: str
    seen: frozenset[str]

    def saw(self, queries: Iterable[Query]) -> frozenset[str]:
        """Ids of the questions that trained the collection's models or fitted their weights."""
        return frozenset(query.id for query in queries if digest(query) in self.seen)


def ancestry(path: Path, facts: Facts) -> Ancestry:
    """The ancestry of a collection's models: of those that a tuning made, as their lineage says; of others, themselves.

    Raises:
        Damaged: a tuned model's lineage cannot be read.
    """
    encoder, reranker = (_lineage(path / name) if is_owned(name) else None for name in (facts.encoder, facts.reranker))
    seen = frozenset(one for lineage in (encoder, reranker) if lineage for one in lineage["seen"])
    return Ancestry(
        encoder["untuned"]["encoder"] if encoder else facts.encoder,
        reranker["untuned"]["reranker"] if reranker else facts.reranker,
        seen,
    )


def unseen(path: Path, facts: Facts, queries: Sequence[Query]) -> tuple[list[Query], list[Skip]]:
    """The questions that a collection's models have not seen, and the others, to be left out. Raises as `ancestry`."""
    seen = ancestry(path, facts).saw(queries)
    skips = [Skip(query.id, "it trained a model that answers now") for query in queries if query.id in seen]
    return [query for query in queries if query.id not in seen], skips


def remarks(path: Path, facts: Facts, queries: Sequence[Query]) -> list[str]:
    """What is to be said where search is measured with questions that its models have seen, or may have; nothing where none is."""
    try:
        seen = len(ancestry(path, facts).saw(queries))
    except Damaged as error:
        return [f"Whether the models that answer were trained on some of these questions is not known: {error}"]
    said = (
        f"{seen} of the {len(queries)} questions trained the models that answer, or fitted their weights, so search looks better here than "
        "it is. Measure with other questions, such as those of `tune --dev`."
    )
    return [said] if seen else []


def digest(query: Query) -> str:
    """The same for the same question, however it is spaced."""
    return hashlib.sha256(" ".join(query.text.split()).encode()).hexdigest()[:16]


def marks(queries: Iterable[Query]) -> str:
    """What a Calibration keeps of the questions that it was fitted to: the head of each digest, one after the other. One string, because
    every search reads it with the collection's weights."""
    return "".join(sorted({digest(query)[:MARK] for query in queries}))


def marked(queries: Iterable[Query], kept: str) -> frozenset[str]:
    """Ids of the questions that are among the marks."""
    known = {kept[place : place + MARK] for place in range(0, len(kept), MARK)}
    return frozenset(query.id for query in queries if digest(query)[:MARK] in known)


def _lineage(model: Path) -> dict[str, Any] | None:
    """None of a model that no tuning made: neither a lineage is there, nor does its manifest name one."""
    if not (model / LINEAGE).exists() and not _made_by_tuning(model):
        return None
    try:
        found: dict[str, Any] = json.loads((model / LINEAGE).read_bytes())
        return {name: found[name] for name in ("untuned", "seen")}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Damaged(
            f"{model / LINEAGE} does not say what the model was made from ({error!r}). "
            "Go back with `bicross rollback`, or move the collection to another model with `bicross reembed`."
        ) from error


def _made_by_tuning(model: Path) -> bool:
    return (model / durable.MANIFEST).exists() and LINEAGE in durable.read_manifest(model)["files"]
