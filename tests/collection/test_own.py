"""A collection's own models: what they are for, what is damaged, and that nothing trips over them or over tuning that goes on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from bicross import durable
from bicross.collection.own import OwnModel
from bicross.collection.store import Collection
from bicross.errors import Damaged
from tests.collection.world import FACTS, OTHER, SPACE, TUNED, fill, made, promote, some

FILES = {"config.json": b"{}", "1_Pooling/config.json": b"[1]", "model.safetensors": b"weights"}


def own(path: Path, *names: str) -> Collection:
    """A collection with models of its own."""
    collection = made(path, some(3))
    with Collection.write(path):
        for name in names:
            durable.write_folder(path / "models" / name, FILES, {"parents": []})
    return collection


def test_status_tells_what_each_model_is_for(tmp_path: Path) -> None:
    path = tmp_path / "c"
    collection = own(path, "c", "b", "a")
    size = sum(file.stat().st_size for file in (path / "models" / "a").rglob("*") if file.is_file())
    assert collection.status().models == tuple(OwnModel(f"models/{name}", size, "unused") for name in "abc")
    with Collection.write(path) as writer:
        writer.activate(SPACE, replace(FACTS, reranker="models/a"))
        writer.register_space(OTHER, "models/b")
        fill(writer, OTHER)
        writer.activate(OTHER)
    assert [model.use for model in collection.status().models] == ["active", "active", "unused"]
    with Collection.write(path) as writer:
        writer.activate(OTHER, replace(writer.facts, reranker="another"))
    assert [model.use for model in collection.status().models] == ["previous", "active", "unused"]
    found = collection.verify()
    assert (found.problems, found.models) == ((), 3)


@pytest.mark.parametrize("file", [*FILES, "MANIFEST.json"])
@pytest.mark.parametrize("harm", ["changed", "cut short", "gone"])
def test_a_file_of_a_model_that_is_not_what_was_written_is_named(tmp_path: Path, file: str, harm: str) -> None:
    collection = own(tmp_path / "c", "a", "b")
    place = tmp_path / "c" / "models" / "a" / file
    content = place.read_bytes()
    place.unlink()
    if harm != "gone":
        place.write_bytes(content[:-1] + b"?" * (harm == "changed"))
    (problem,) = collection.verify().problems
    assert problem.where == "models/a"
    assert ("manifest" if harm == "gone" and "MANIFEST" in file else str(place)) in problem.what


def test_a_model_in_use_that_is_not_there_is_named(tmp_path: Path) -> None:
    collection = own(tmp_path / "c")
    promote(tmp_path / "c", replace(TUNED, encoder="models/gone"))
    (problem,) = collection.verify().problems
    assert (problem.where, "no readable manifest" in problem.what) == ("models/gone", True)


def test_nothing_trips_over_models_and_tuning(tmp_path: Path) -> None:
    path = tmp_path / "c"
    collection = own(path, "a")
    (path / "tuning" / "checkpoints").mkdir(parents=True)
    (path / "tuning" / "checkpoints" / "weights.new").touch()
    with Collection.write(path) as writer:
        writer.prune()
        writer.delete(["d0"])
        writer.fold(keep=1)
    assert collection.verify().problems == () and collection.status().documents == 2
    assert (path / "tuning" / "checkpoints" / "weights.new").exists() and (path / "models" / "a").is_dir()


def test_a_collection_of_which_only_models_are_left_is_half_deleted(tmp_path: Path) -> None:
    path = tmp_path / "c"
    own(path, "a")
    for entry in ("truth.sqlite", "CURRENT"):
        (path / entry).unlink()
    durable.remove_folder(path / "gen-000001")
    with pytest.raises(Damaged, match=r"half-deleted collection.*found models"):
        Collection.open(path)
    with pytest.raises(Damaged, match=r"half-deleted collection.*found models"):
        Collection.create(path, FACTS)
