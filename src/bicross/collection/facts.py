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
class Answering:
    """What answers, or answered before a change: a space with its encoder, a reranker, weights (JSON). No reranker: an older Bicross did
    not keep it."""

    space: Space
    encoder: str
    reranker: str | None
    weights: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class State:
    """The truth's own counters and pointers. `seq` counts document writes; `number` is the active space's in `vectors`.

    `history` is what answered before, the newest last; `forgetting` says that generations may still hold text that was deleted.
    """

    facts: Facts
    epoch: int
    seq: int
    last_key: int
    space: Space | None
    number: int
    forgetting: bool
    history: tuple[Answering, ...]

    @classmethod
    def of(cls, db: Database, path: Path) -> State:
        """Read it. Raises Damaged where a row is not what was written."""
        meta, spaces = read_meta(db, path), read_spaces(db, path)
        number, space, encoder = 0, None, meta["encoder"]
        if meta["active"] is not None:
            number, space, encoder = spaces[meta["active"]]
        facts = Facts(encoder, meta["reranker"], meta["passage_tokens"], meta["weights"])
        history = tuple(
            Answering(spaces[entry["space"]][1], spaces[entry["space"]][2], entry.get("reranker"), entry.get("weights", {}))
            for entry in _history(meta)
            if entry["space"] in spaces
        )
        return cls(facts, meta["epoch"], meta["seq"], meta["last_key"], space, number, meta.get("forgetting", False), history)

    @property
    def answering(self) -> Answering | None:
        """What answers now; nothing before the first document."""
        return None if self.space is None else Answering(self.space, self.facts.encoder, self.facts.reranker, self.facts.weights)

    def searched(self, path: Path) -> Space:
        """The active space. Raises InputError where nothing was indexed yet."""
        if self.space is None:
            raise InputError(f"{path} holds no documents yet. Run: bicross index SOURCE --into {path}")
        return self.space


def as_meta(facts: Facts) -> dict[str, Any]:
    """The facts as entries of `meta`."""
    return asdict(facts)


def _history(meta: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """As `activation` writes it. Older collections kept one step: `previous`, a space, and, later on, `previous_facts`."""
    if "history" in meta:
        return list(meta["history"])
    return [{**(meta.get("previous_facts") or {}), "space": meta["previous"]}] if meta.get("previous") else []
