"""Which space and models answer, and which did before: swapped together, inside one transaction of the writer."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from bicross.collection import folding, spaces
from bicross.collection.facts import Facts, State, as_meta
from bicross.collection.truth import Database, read_spaces, write_meta
from bicross.errors import InputError
from bicross.records import Space

SWAPPED = ("encoder", "reranker", "weights")  # what going back brings back; the passages stay as they are cut


def activate(db: Database, path: Path, state: State, space: Space, facts: Facts) -> None:
    """See `Writer.activate`.

    Raises:
        SpaceMismatch: the space is not registered. InputError: it lacks vectors.
    """
    if space == state.space and _as_stored(facts) == _as_stored(state.facts):
        return
    if space != state.space:
        if left := len(spaces.pending(db, path, space)):
            raise InputError(f"{left} texts have no vector in space {space.fingerprint[:12]} yet; {spaces.mend(path)}")
        # Its generation is on the disk before a reader can be pointed to the space, so that none has to scan the truth.
        folding.fold(db, path, state, space, keep=None)
    spaces.rename(db, path, space, facts.encoder)
    write_meta(db, **as_meta(facts), active=space.fingerprint)
    moved = space == state.space and _as_stored(replace(facts, encoder=state.facts.encoder)) == _as_stored(state.facts)
    if not moved:  # the same model under another name is nothing to go back from
        now = as_meta(state.facts)
        previous = state.space.fingerprint if state.space else None
        write_meta(db, previous=previous, previous_facts={name: now[name] for name in SWAPPED})


def before(db: Database, path: Path, state: State) -> tuple[Facts, Space]:
    """The facts and the space of before the last `activate`, with passages cut as they are now.

    Raises:
        InputError: there are none.
    """
    known = read_spaces(db, path).get(state.previous or "")
    if known is None:
        raise InputError(f"{path} has nothing to go back to: its models have not been changed since it was made.")
    _, space, encoder = known
    if state.previous_facts is None:
        raise InputError(
            f"{path} was moved to {state.facts.encoder} by an older Bicross, which did not keep what went with {encoder}. "
            f"To go back, run: bicross reembed {path} --encoder {encoder}"
        )
    return replace(state.facts, **state.previous_facts), space


def _as_stored(facts: Facts) -> str:
    """The facts as JSON, which knows no tuples: facts that were read back equal those that were written."""
    return json.dumps(as_meta(facts), sort_keys=True)
