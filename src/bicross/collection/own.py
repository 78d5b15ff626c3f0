"""The models that a collection owns: what they are for, and whether they are what was written."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bicross import durable
from bicross.collection.facts import State
from bicross.errors import Damaged
from bicross.models.names import is_owned, owned


@dataclass(frozen=True, slots=True)
class OwnModel:
    """A model in the collection's folder. `use` is "active", "previous" (what `rollback` can go back to) or "unused"."""

    name: str
    bytes: int
    use: str


def use(name: str, state: State) -> str:
    """What a model is for; see `OwnModel`."""
    if name in _active(state):
        return "active"
    return "previous" if name in _previous(state) else "unused"


def damaged(path: Path, state: State) -> Iterator[tuple[str, str]]:
    """Name and fault of each model with a file that is not what was written, and of each that is in use but not there."""
    used = {name for name in (*_active(state), *_previous(state)) if name and is_owned(name)}
    for name in sorted(used.union(owned(path))):
        try:
            durable.read_folder(path / name)
        except Damaged as error:
            yield name, f"{error} Put {path / name} back from a copy of the collection, or move to another model."


def _active(state: State) -> tuple[str, ...]:
    return state.facts.encoder, state.facts.reranker


def _previous(state: State) -> set[str | None]:
    return {name for one in state.history for name in (one.encoder, one.reranker)}
