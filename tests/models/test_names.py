"""Names of models: a collection's own, a folder's, and all others."""

from __future__ import annotations

from pathlib import Path

import pytest

from bicross.models.names import canonical, located, owned


@pytest.fixture
def collection(tmp_path: Path) -> Path:
    for name in ("b", "a", "half.new"):
        (tmp_path / "c" / "models" / name).mkdir(parents=True)
    (tmp_path / "c" / "models" / "a file").touch()
    return tmp_path / "c"


def test_a_collections_own_models(collection: Path, tmp_path: Path) -> None:
    assert owned(collection) == ["models/a", "models/b"]
    assert owned(tmp_path) == owned(tmp_path / "absent") == []


def test_an_own_model_has_one_name_however_it_is_named(collection: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (collection.parent / "models" / "a").mkdir(parents=True)
    monkeypatch.chdir(collection.parent)
    for path in (collection, Path("c")):
        for name in ("models/a", "models/a/", str(collection / "models" / "a"), "c/models/a", "c/models/../models/a"):
            assert canonical(name, path) == "models/a"


def test_a_folder_elsewhere_is_kept_by_its_whole_path(collection: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "models" / "z").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    for path in (collection, None):
        assert canonical("models/z", path) == str(tmp_path / "models" / "z")
        assert canonical("models", path) == str(tmp_path / "models")


@pytest.mark.parametrize("name", ["bicross/starter-encoder", "owner/model", "models", "nothing", "x" * 5000, "models/" + "x" * 5000])
def test_other_names_are_kept_as_they_are(collection: Path, name: str) -> None:
    assert canonical(name, collection) == name


@pytest.mark.parametrize("name", ["models/a", "models/gone"])
def test_an_own_model_is_looked_for_in_the_collection_alone(collection: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    assert located(name, collection) == str(collection / name)
    monkeypatch.chdir(collection)
    assert located(name, Path()) == str(collection / name)


@pytest.mark.parametrize("name", ["owner/model", "/models/a", "models", "models/", "models/..", "models/a/b", "other/a"])
def test_other_names_are_looked_for_as_they_are(collection: Path, name: str) -> None:
    assert located(name, collection) == name
