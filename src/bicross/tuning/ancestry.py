"""Where a collection's models come from: the models that no tuning changed, and the questions that the tuned ones have seen.

Every run trains the untuned models anew. Models that have seen a question rank its candidates too well, so those that mine, teach and
are measured must not have seen it; who tunes again with more questions, or another seed, would otherwise lose all of that unseen.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bicross.collection.store import Facts
from bicross.errors import Damaged
from bicross.models.names import is_owned
from bicross.records import Query

LINEAGE = "lineage.json"


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


def digest(query: Query) -> str:
    """The same for the same question, however it is spaced."""
    return hashlib.sha256(" ".join(query.text.split()).encode()).hexdigest()[:16]


def _lineage(model: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads((model / LINEAGE).read_bytes())
        return {name: found[name] for name in ("untuned", "seen")}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Damaged(
            f"{model / LINEAGE} does not say what the model was made from ({error!r}). "
            "Go back with `bicross rollback`, or move the collection to another model with `bicross reembed`."
        ) from error
