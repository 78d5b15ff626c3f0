"""What every training run keeps to: the seed, its own checkpoints, a terminal as it was, no dropout."""

from __future__ import annotations

import importlib
import logging
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

torch = pytest.importorskip("torch")

import transformers  # noqa: E402  # needs torch
from datasets.utils import logging as datasets_logging  # noqa: E402
from sentence_transformers import SentenceTransformer  # noqa: E402

import bicross.training  # noqa: E402
from bicross import durable  # noqa: E402
from bicross.errors import InputError, MissingExtra  # noqa: E402
from bicross.models.registry import find  # noqa: E402
from bicross.records import Example  # noqa: E402
from bicross.settings import BiEncoderSettings  # noqa: E402
from bicross.training import fitting  # noqa: E402
from bicross.training.bi_encoder import train_bi_encoder  # noqa: E402
from bicross.training.loading import load  # noqa: E402
from tests.training.families import make, words  # noqa: E402

ROWS = [Example(words(n, n + 1), words(n + 20, n + 21), (words(n + 30),), query_id=str(n)) for n in range(12)]


def quietly(what: str, done: int, total: int) -> None:
    pass


def train(base: Path, into: Path, progress: fitting.Progress = quietly, **settings: Any) -> Path:
    given = BiEncoderSettings(**{"batch": 6, "learning_rate": 1e-3, "max_tokens": 16, **settings})
    train_bi_encoder([ROWS] * 2, base, into, given, into.with_suffix(".work"), progress)
    return into


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("models") / "base")


def weights_of(folder: Path) -> dict[str, str]:
    files = durable.read_manifest(folder)["files"].items()
    return {name: entry["sha256"] for name, entry in files if name.endswith(".safetensors")}


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(base: Path, tmp_path: Path) -> None:
    first, second, other = (
        weights_of(train(base, tmp_path / name, seed=seed, separate=True)) for name, seed in (("a", 3), ("b", 3), ("c", 4))
    )
    assert first == second != other
    assert len(first) == 2


def test_checkpoints_of_other_settings_are_not_used(base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fitting, "CHECKPOINT_SECONDS", 0.0)

    def stop(what: str, done: int, total: int) -> None:
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(base, tmp_path / "a", stop, learning_rate=1e-2)
    assert list((tmp_path / "a.work").glob("checkpoint-*"))
    assert weights_of(train(base, tmp_path / "a")) == weights_of(train(base, tmp_path / "b"))


def test_a_checkpoint_is_on_the_disk_before_its_mark(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a power cut what was not synced may be empty, and the mark would stand beside it."""
    folder = tmp_path / "checkpoint-5"
    (folder / "inner").mkdir(parents=True)
    for name in ("model.safetensors", "optimizer.pt", "inner/config.json"):
        (folder / name).write_bytes(b"weights")
    written = {path.stat().st_ino for path in (tmp_path, folder, *folder.rglob("*"))}
    synced: list[int] = []
    real = os.fsync

    def fsync(handle: int) -> None:
        synced.append(os.fstat(handle).st_ino)
        real(handle)

    monkeypatch.setattr(os, "fsync", fsync)
    fitting._Watch("training", quietly).on_save(SimpleNamespace(output_dir=str(tmp_path)), SimpleNamespace(global_step=5), None)
    mark = synced.index((folder / fitting.WHOLE).stat().st_ino)
    assert written <= set(synced[:mark])


def test_what_a_run_did_is_kept_beside_its_checkpoints_until_another_begins(base: Path, tmp_path: Path) -> None:
    given = BiEncoderSettings(batch=6, max_tokens=16)
    done = train_bi_encoder([ROWS], base, tmp_path / "m", given, tmp_path / "work", quietly)
    assert fitting.finished(tmp_path / "work") == done and done.steps == 2
    fitting._forget_others(tmp_path / "work", "another run")
    assert fitting.finished(tmp_path / "work") is None


def test_progress_counts_the_steps(base: Path, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    train(base, tmp_path / "trained", lambda what, done, total: told.append((done, total)))
    assert told == [(0, 4), (1, 4), (2, 4), (3, 4), (4, 4)]


@pytest.mark.parametrize("loud", [True, False])
def test_the_libraries_speak_as_before_afterwards(loud: bool, base: Path, tmp_path: Path) -> None:
    def speak(aloud: bool) -> None:
        for library in (transformers.logging, datasets_logging):
            library.enable_progress_bar() if aloud else library.disable_progress_bar()

    def voices() -> tuple[object, ...]:
        bars = transformers.logging.is_progress_bar_enabled(), datasets_logging.is_progress_bar_enabled()
        return transformers.logging.get_verbosity(), logging.getLogger("sentence_transformers").level, *bars

    as_found = datasets_logging.is_progress_bar_enabled()
    speak(loud)
    before = voices()
    train(base, tmp_path / "trained")
    after = voices()
    speak(as_found)
    assert after == before and before[-2:] == (loud, loud)


@pytest.mark.parametrize(("family", "name"), [("Bert", "hidden_dropout_prob"), ("DistilBert", "dropout"), ("ModernBert", "mlp_dropout")])
def test_nothing_is_dropped(family: str, name: str, tmp_path: Path) -> None:
    model = load(SentenceTransformer, make(tmp_path, family, **{name: 0.5})).train()
    features = [model.preprocess([words(*range(20))]) for _ in range(2)]
    with torch.no_grad():
        first, second = (model(one)["sentence_embedding"] for one in features)
    assert torch.equal(first, second)


def test_both_towers_are_loaded_alike(base: Path, tmp_path: Path) -> None:
    model = load(SentenceTransformer, train(base, tmp_path / "apart", separate=True))
    towers = [route[0].model for route in model[0].sub_modules.values()]
    assert [(tower.config._attn_implementation, tower.config.hidden_dropout_prob, tower.dtype) for tower in towers] == [
        ("sdpa" if torch.cuda.is_available() else "eager", 0.0, torch.float32)
    ] * 2


def test_a_folder_is_written_whole_or_refused(base: Path, tmp_path: Path) -> None:
    into = train(base, tmp_path / "trained")
    manifest, files = durable.read_folder(into)
    assert manifest["trained from"] == "base" and manifest["settings"]["batch"] == 6
    assert {"model.safetensors", "README.md"} <= set(files)
    assert not any(name.endswith((".bin", ".pt")) for name in files)
    fingerprint = find(str(into)).fingerprint()
    with pytest.raises(InputError, match="not an empty folder"):
        train(base, into)
    assert find(str(into)).fingerprint() == fingerprint
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_what_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("importlib.util.find_spec", lambda name: None if name == "datasets" else object())
        with pytest.raises(MissingExtra, match=r"need datasets, not installed here: pip install 'bicross\[train\]'"):
            importlib.reload(bicross.training)
    importlib.reload(bicross.training)
