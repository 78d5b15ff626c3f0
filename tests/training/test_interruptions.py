"""A training run that is interrupted and run again ends with the weights of one that was not."""

from __future__ import annotations

from pathlib import Path

import pytest

from bicross import durable
from bicross.models.registry import find
from bicross.records import Example
from bicross.settings import BiEncoderSettings, CrossEncoderSettings

pytest.importorskip("torch")

from bicross.training import fitting  # needs torch
from bicross.training.bi_encoder import train_bi_encoder
from bicross.training.cross_encoder import train_cross_encoder
from tests.tuning.world import SUBJECTS, make_models


class Stopped(Exception):
    """As Ctrl-C: in the middle of a step's callback."""


def rows() -> list[Example]:
    """A question for each subject, answered by the document of the same number."""
    return [
        Example(f"q{n} w1", f"d{n} w2 w3", (f"d{(n + 1) % SUBJECTS} w4", f"d{(n + 5) % SUBJECTS}"), (3.0, 1.0, 0.0), query_id=str(n))
        for n in range(SUBJECTS)
    ]


def quietly(what: str, done: int, total: int) -> None:
    pass


def stopping(steps: set[int]) -> fitting.Progress:
    """A progress that stops the run once at each of these steps."""

    def tell(what: str, done: int, total: int) -> None:
        if done in steps:
            steps.remove(done)
            raise Stopped

    return tell


@pytest.mark.parametrize("kind", ["bi-encoder", "cross-encoder"])
def test_interrupted_at_any_step_it_ends_with_the_same_bytes(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fitting, "CHECKPOINT_SECONDS", 0.0)
    encoder, reranker = make_models(tmp_path)
    epochs = [rows()] * 5

    def train(into: Path, progress: fitting.Progress) -> None:
        work = into.with_suffix(".work")
        if kind == "bi-encoder":
            train_bi_encoder(epochs, encoder, into, BiEncoderSettings(batch=4, learning_rate=1e-3), work, progress)
        else:
            train_cross_encoder(epochs, reranker, into, CrossEncoderSettings(batch=4, learning_rate=1e-3), work, progress)

    train(tmp_path / "undisturbed", quietly)
    steps = {1, 4, 9, 14}
    stop = stopping(steps)
    while steps:
        with pytest.raises(Stopped):
            train(tmp_path / "interrupted", stop)
    train(tmp_path / "interrupted", quietly)
    prints = [
        {name: entry["sha256"] for name, entry in durable.read_manifest(tmp_path / name)["files"].items()}
        for name in ("undisturbed", "interrupted")
    ]
    assert prints[0] == prints[1]
    assert find(str(tmp_path / "interrupted")).fingerprint() == find(str(tmp_path / "undisturbed")).fingerprint()


def test_a_checkpoint_that_was_cut_short_is_not_used(tmp_path: Path) -> None:
    for step, whole in ((5, True), (10, False)):
        folder = tmp_path / f"checkpoint-{step}"
        folder.mkdir()
        if whole:
            (folder / fitting.WHOLE).touch()
    assert fitting._last_checkpoint(tmp_path) == str(tmp_path / "checkpoint-5")
    assert not (tmp_path / "checkpoint-10").exists()
