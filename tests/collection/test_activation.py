"""Space, models and weights are swapped together, and swapped back."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from bicross.collection.store import Collection
from bicross.errors import InputError, SpaceMismatch
from tests.collection.world import FACTS, OTHER, SPACE, TUNED, exact, found, index, made, promote, roll_back, some, truth


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
    truth(path).execute("DELETE FROM meta WHERE key = 'previous_facts'")
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
