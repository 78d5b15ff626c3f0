"""Space, models and weights are swapped together, and swapped back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bicross.collection import activation
from bicross.collection.store import Collection, Facts
from bicross.collection.truth import write_meta
from bicross.errors import InputError, SpaceMismatch
from bicross.records import Space
from tests.collection.world import FACTS, OTHER, SPACE, TUNED, exact, fill, found, index, made, promote, roll_back, some, truth


def test_space_and_facts_are_swapped_and_swapped_back(tmp_path: Path) -> None:
    path = tmp_path / "c"
    collection = made(path, some(9))
    before = found(collection, ["q"])
    promote(path)
    promote(path)  # changes nothing: what is kept for going back stays
    with collection.view() as view, Collection.write(path) as writer:
        assert (view.facts, view.space, writer.before()) == (TUNED, OTHER, (FACTS, SPACE))
        assert writer.prune() == 0
        index(writer, some(1, start=9), OTHER)
        with pytest.raises(InputError, match="3 texts have no vector"):
            writer.rollback()
        assert writer.facts == TUNED
    roll_back(path)
    with collection.view() as view, Collection.write(path) as writer:
        assert (view.facts, view.space, writer.before()) == (FACTS, SPACE, (TUNED, OTHER))
    assert [score for _, score in found(collection, ["q"])[0]] == pytest.approx(exact(some(10), "q"), abs=1e-6)
    with Collection.write(path) as writer:
        writer.delete(["d9"])
        assert (writer.rollback(), writer.space) == (TUNED, OTHER)
        assert (writer.rollback(), writer.space) == (FACTS, SPACE)
    assert found(collection, ["q"]) == before
    assert collection.verify().problems == ()


def test_reranker_and_weights_are_swapped_in_the_same_space(tmp_path: Path) -> None:
    collection = made(tmp_path / "c", some(2))
    other = replace(FACTS, reranker="second/reranker", weights={"calibration": (1.0, 2.0)})
    with Collection.write(tmp_path / "c") as writer:
        writer.activate(SPACE, other)
        writer.activate(SPACE, other)
        assert (writer.facts.reranker, writer.space, writer.before()) == ("second/reranker", SPACE, (FACTS, SPACE))
        writer.set_facts(replace(writer.facts, passage_tokens=64))
        assert writer.rollback() == writer.facts == replace(FACTS, passage_tokens=64), "documents stay as they are cut"
        assert writer.rollback() == replace(other, weights={"calibration": [1.0, 2.0]}, passage_tokens=64)
    assert collection.verify().problems == ()


def weighted(number: int) -> Facts:
    """The tuned models with other weights."""
    return replace(TUNED, weights={"lexical": number})


def test_weights_that_change_keep_the_way_back_to_the_models_of_before(tmp_path: Path) -> None:
    path = tmp_path / "c"
    collection = made(path, some(3))
    promote(path)
    changes = activation.KEPT + 3
    with Collection.write(path) as writer:
        for number in range(changes):
            writer.activate(OTHER, weighted(number))
        assert writer.prune() == 0
        kept = [weighted(number) for number in range(changes - 1 - activation.KEPT, changes - 1)]
        assert [writer.rollback() for _ in range(activation.KEPT)] == kept[::-1]
        assert (writer.rollback(), writer.space) == (FACTS, SPACE)
        assert (writer.rollback(), writer.space) == (weighted(changes - 1), OTHER), "behind the oldest comes what was left first"
    assert collection.verify().problems == ()


def test_a_change_after_a_rollback_keeps_what_was_rolled_back(tmp_path: Path) -> None:
    path = tmp_path / "c"
    made(path, some(3))
    promote(path)
    with Collection.write(path) as writer:
        writer.rollback()
        mine = replace(FACTS, weights={"lexical": 9})
        writer.activate(SPACE, mine)
        assert [writer.rollback() for _ in range(3)] == [FACTS, TUNED, mine]
        writer.activate(SPACE, FACTS)  # known already: it is named once
        assert [writer.rollback() for _ in range(3)] == [mine, TUNED, FACTS]


def test_the_vectors_of_one_other_space_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "c"
    made(path, some(3))
    promote(path)
    third = Space("cc" * 32, 8)
    with Collection.write(path) as writer:
        writer.activate(OTHER, weighted(1))
        writer.register_space(third, "third/encoder")
        fill(writer, third)
        writer.activate(third)
        assert writer.prune() == 7, "those of the space before the last"
        assert [writer.rollback().weights for _ in range(2)] == [{"lexical": 1}, TUNED.weights]
        assert (writer.rollback().encoder, writer.space) == ("third/encoder", third)


def test_a_collection_that_kept_one_step_opens_and_goes_back(tmp_path: Path) -> None:
    path = tmp_path / "c"
    collection = made(path, some(2))
    promote(path)
    as_before(path, {"encoder": FACTS.encoder, "reranker": FACTS.reranker, "weights": FACTS.weights})
    assert collection.verify().problems == ()
    with Collection.write(path) as writer:
        assert writer.prune() == 0
        writer.activate(OTHER, weighted(1))
        assert [writer.rollback() for _ in range(3)] == [TUNED, FACTS, weighted(1)]


def as_before(path: Path, facts: Mapping[str, Any] | None) -> None:
    """What an older Bicross kept of one step."""
    db = truth(path)
    db.execute("DELETE FROM meta WHERE key = 'history'")
    write_meta(db, previous=SPACE.fingerprint, **({} if facts is None else {"previous_facts": facts}))


def test_the_same_model_under_another_name_is_nothing_to_go_back_from(tmp_path: Path) -> None:
    made(tmp_path / "c", some(2))
    promote(tmp_path / "c")
    with Collection.write(tmp_path / "c") as writer:
        writer.activate(OTHER, replace(TUNED, encoder="renamed"))
        assert (writer.facts.encoder, writer.before()) == ("renamed", (FACTS, SPACE))
        writer.rollback()
        assert writer.rollback().encoder == writer.facts.encoder == "renamed"


def test_where_there_is_nothing_to_go_back_to(tmp_path: Path) -> None:
    made(tmp_path / "c", some(2))
    with Collection.write(tmp_path / "c") as writer:
        for work in (writer.before, writer.rollback):
            with pytest.raises(InputError, match="nothing to go back to"):
                work()
        with pytest.raises(SpaceMismatch):
            writer.activate(OTHER, TUNED)


def test_a_collection_of_before_facts_were_kept_says_how_to_go_back(tmp_path: Path) -> None:
    path = tmp_path / "c"
    collection = made(path, some(2))
    promote(path)
    as_before(path, None)
    assert collection.verify().problems == () and collection.status().models == ()
    with Collection.write(path) as writer:
        with pytest.raises(InputError, match=f"bicross reembed {path} --encoder first/encoder"):
            writer.rollback()
        writer.activate(SPACE)
        assert writer.before() == (TUNED, OTHER)


def test_what_an_interrupted_writer_left_of_a_model_is_removed(tmp_path: Path) -> None:
    made(tmp_path / "c", some(2))
    for name in ("whole", "half.new"):
        (tmp_path / "c" / "models" / name).mkdir(parents=True)
    with Collection.write(tmp_path / "c"):
        assert [entry.name for entry in (tmp_path / "c" / "models").iterdir()] == ["whole"]
