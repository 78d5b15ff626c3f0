"""What a collection knows of an index without importing its engine. Recall: how many of the true nearest rows an index finds, measured
where it is built, kept with it, and shown. And which of its files it tests itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np

from bicross.vectors import Vectors

TESTING, READ_LATER = frozenset({"pq", "ivf"}), frozenset({"vectors.f32"})
"""Kinds of index that test each row of these files when they read it, so that opening need not read them (`indexes.rows`)."""
AT = 100
"""Neighbours that recall is measured at."""
SAMPLE = 200
"""Queries that it is measured with, half of them to choose how an index searches, the other half to say what came of it."""


@dataclass(frozen=True, slots=True)
class Recall:
    """The share of the `k` nearest rows that were found, over `queries` of the user's own questions or of the passages (`of`): its mean,
    and that of the query with the lowest.
    """

    k: int
    mean: float
    lowest: float
    queries: int
    of: str

    def as_json(self) -> dict[str, Any]:
        """The fields by name."""
        return asdict(self)

    @classmethod
    def read(cls, facts: Mapping[str, Any]) -> Self:
        """What `as_json` gave."""
        return cls(**facts)


@dataclass(frozen=True, slots=True)
class Probes:
    """Vectors to measure recall with, (n, dim), and what they are of: "questions" or "passages"."""

    vectors: Vectors
    of: str


def sampled(vectors: Vectors, of: str, seed: int = 0) -> Probes:
    """Up to `SAMPLE` of the vectors, (n, dim), drawn at random."""
    chosen = np.random.default_rng(seed).choice(len(vectors), min(SAMPLE, len(vectors)), replace=False)
    return Probes(np.asarray(vectors[np.sort(chosen)], dtype=np.float32), of)
