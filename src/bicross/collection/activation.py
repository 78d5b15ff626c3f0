"""Which space and models answer, and which did before: swapped together, inside one transaction of the writer."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from bicross.collection import folding, spaces
from bicross.collection.facts import Answering, Facts, State, as_meta
from bicross.collection.truth import Database, write_meta
from bicross.errors import InputError
from bicross.records import Space

KEPT = 5  # changes that can be taken back


def activate(db: Database, path: Path, state: State, space: Space, facts: Facts) -> None:
    """See `Writer.activate`.

    Raises:
        SpaceMismatch: the space is not registered. InputError: it lacks vectors.
    """
    if space == state.space and _as_stored(facts) == _as_stored(state.facts):
        return
    _swap(db, path, state, space, facts)
    present = Answering(space, facts.encoder, facts.reranker, facts.weights)
    if state.answering is not None:
        # Where only the encoder's name is new, the present one leaves with all that is the same: its name is kept with the space.
        _remember(db, _kept([*state.history, state.answering], present))


def roll_back(db: Database, path: Path, state: State) -> Facts:
    """See `Writer.rollback`. Raises as `before` and `activate`."""
    facts, space = before(path, state)
    _swap(db, path, state, space, facts)
    if state.answering is not None:
        _remember(db, [state.answering, *state.history[:-1]])
    return facts


def before(path: Path, state: State) -> tuple[Facts, Space]:
    """The facts and the space of before the last change, with passages cut as they are now.

    Raises:
        InputError: there are none.
    """
    if not state.history:
        raise InputError(f"{path} has nothing to go back to: its models and weights have not been changed since it was made.")
    then = state.history[-1]
    if then.reranker is None:
        raise InputError(
            f"{path} was moved to {state.facts.encoder} by an older Bicross, which did not keep what went with {then.encoder}. "
            f"To go back, run: bicross reembed {path} --encoder {then.encoder}"
        )
    return replace(state.facts, encoder=then.encoder, reranker=then.reranker, weights=then.weights), then.space


def _swap(db: Database, path: Path, state: State, space: Space, facts: Facts) -> None:
    if space != state.space:
        if left := len(spaces.pending(db, path, space)):
            raise InputError(f"{left} texts have no vector in space {space.fingerprint[:12]} yet; {spaces.mend(path)}")
        # Its generation is on the disk before a reader can be pointed to the space, so that none has to scan the truth.
        folding.fold(db, path, state, space, keep=None)
    spaces.rename(db, path, space, facts.encoder)
    write_meta(db, **as_meta(facts), active=space.fingerprint)


def _kept(history: Sequence[Answering], present: Answering) -> list[Answering]:
    """Of what answered before, the newest last, what can be gone back to: the last KEPT, and before them the last one with other models.

    The vectors of one space beside the present one are kept, because each takes as much room as the first: the last that answered.
    """
    different = [one for one in history if _same(one) != _same(present)]
    other = next((one.space for one in reversed(different) if one.space != present.space), present.space)
    near = [one for one in different if one.space in (present.space, other)]
    promoted = [one for one in near if (one.space, one.reranker) != (present.space, present.reranker)]
    return [one for one in near[:-KEPT] if promoted[-1:] == [one]] + near[-KEPT:]


def _remember(db: Database, history: Sequence[Answering]) -> None:
    rows = [{"space": one.space.fingerprint, "reranker": one.reranker, "weights": dict(one.weights)} for one in history]
    write_meta(db, history=rows)


def _same(one: Answering) -> str:
    """Equal where the answers are: whatever the encoder is called, its space says which it is. JSON knows no tuples."""
    return json.dumps([one.space.fingerprint, one.reranker, one.weights], sort_keys=True)


def _as_stored(facts: Facts) -> str:
    """The facts as JSON: facts that were read back equal those that were written."""
    return json.dumps(as_meta(facts), sort_keys=True)
