"""What a collection says about itself, and the state of the truth at one moment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from bicross.collection.truth import Database, read_meta, read_spaces
from bicross.errors import InputError
from bicross.records import Space


@dataclass(frozen=True, slots=True)
class Facts:
    """How the documents are read: set when the collection is made. Lengths are tokens of the encoder.

    `encoder` and `reranker` are names of models (`models/NAME`: the collection's own), `weights` combine the stages (JSON).
    """

    encoder: str
    reranker: str
    passage_tokens: int
    weights: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class State:
    """The truth's own counters and pointers. `seq` counts document writes; `number` is the active space's in `vectors`.

    `previous` is the fingerprint of the space before, `previous_facts` what answered in it (absent in collections of older versions);
    `forgetting` says that generations may still hold text that was deleted.
    """

    facts: Facts
    epoch: int
    seq: int
    last_key: int
    space: Space | None
    number: int
    previous: str | None
    forgetting: bool
    previous_facts: Mapping[str, Any] | None

    @classmethod
    def of(cls, db: Database, path: Path) -> State:
        """Read it. Raises Damaged where a row is not what was written."""
        meta = read_meta(db, path)
        number, space, encoder = 0, None, meta["encoder"]
        if meta["active"] is not None:
            number, space, encoder = read_spaces(db, path)[meta["active"]]
        facts = Facts(encoder, meta["reranker"], meta["passage_tokens"], meta["weights"])
        forgetting = meta.get("forgetting", False)
        previous = meta["previous"], forgetting, meta.get("previous_facts")
        return cls(facts, meta["epoch"], meta["seq"], meta["last_key"], space, number, *previous)

    def searched(self, path: Path) -> Space:
        """The active space. Raises InputError where nothing was indexed yet."""
        if self.space is None:
            raise InputError(f"{path} holds no documents yet. Run: bicross index SOURCE --into {path}")
        return self.space


def as_meta(facts: Facts) -> dict[str, Any]:
    """The facts as entries of `meta`."""
    return asdict(facts)
