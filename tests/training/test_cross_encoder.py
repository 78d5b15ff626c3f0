"""Every way to train a cross-encoder, a few steps each: the folder it leaves gives the same scores in sentence-transformers and here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from sentence_transformers import CrossEncoder, SentenceTransformer  # noqa: E402  # needs torch
from sentence_transformers.base.modules import Router  # noqa: E402
from sentence_transformers.sentence_transformer.modules import Normalize, Pooling, Transformer  # noqa: E402

from bicross import durable  # noqa: E402
from bicross.errors import InputError  # noqa: E402
from bicross.models.registry import find, load_reranker  # noqa: E402
from bicross.records import Example, LabelledPair  # noqa: E402
from bicross.settings import CrossEncoderSettings  # noqa: E402
from bicross.training.cross_encoder import Rows, train_cross_encoder  # noqa: E402
from bicross.training.export import export  # noqa: E402
from tests.training.families import LENGTH, make, weights, words  # noqa: E402

ROWS = [
    Example(words(n, n + 1), words(n + 20, n + 21), tuple(words(n + 30 + k, n + 40) for k in range(2 + n % 2)), query_id=str(n))
    for n in range(8)
]
PAIRS = [LabelledPair(words(n, n + 1), words(n + 20, n + 3), float(n % 2)) for n in range(16)]
GRADES = [replace(pair, label=n / 5) for n, pair in enumerate(PAIRS)]
CLASSES = [replace(pair, label=float(n % 3)) for n, pair in enumerate(PAIRS)]
TEXTS = [(words(left, left + 1), words(*range(left, left + length))) for left, length in ((0, 3), (5, 12), (9, 1), (20, 70))]


def quietly(what: str, done: int, total: int) -> None:
    pass


def train(base: Path, into: Path, rows: Rows = ROWS, epochs: int = 1, teacher: Path | None = None, **settings: Any) -> Path:
    given = CrossEncoderSettings(**{"batch": 4, "learning_rate": 1e-3, "max_tokens": 16, **settings})
    train_cross_encoder([rows] * epochs, base, into, given, into.with_suffix(".work"), quietly, teacher)
    return into


def logits(folder: Path, pairs: Sequence[tuple[str, str]] = TEXTS) -> Any:
    """What plain sentence-transformers gives."""
    return CrossEncoder(str(folder), device="cpu").predict(list(pairs), activation_fn=torch.nn.Identity())


def assert_same_scores(folder: Path) -> None:
    expected = logits(folder)
    assert np.ptp(expected) > 0.02, "the pairs must differ, or agreement says little"
    assert load_reranker(str(folder), "f32").score(TEXTS) == pytest.approx(expected, abs=1e-3)


def changed(folder: Path, base: Path) -> set[str]:
    before, after = weights(base), weights(folder)
    assert before.keys() == after.keys()
    return {name for name, value in after.items() if not torch.equal(value, before[name])}


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("models") / "base", head="ForSequenceClassification", num_labels=1)


@pytest.mark.parametrize(
    ("loss", "rows"),
    [
        ("listwise", ROWS),
        ("lambda", ROWS),
        ("ranknet", ROWS),
        ("bce", PAIRS),
        ("bce", ROWS),
        ("mse", GRADES),
        ("mse", ROWS),
    ],
)
def test_every_loss_gives_a_model_of_the_field(loss: str, rows: Rows, base: Path, tmp_path: Path, capsys: Any) -> None:
    into = train(base, tmp_path / "trained", rows, loss=loss)
    assert capsys.readouterr() == ("", "")
    assert_same_scores(into)
    moved = changed(into, base)
    assert any("layer.0.attention" in name for name in moved) and any("classifier" in name for name in moved)
    assert not any("word_embeddings" in name for name in moved)


@pytest.mark.parametrize("family", ["Roberta", "XLMRoberta"])
def test_other_families(family: str, tmp_path: Path) -> None:
    folder = make(tmp_path / "base", family, "ForSequenceClassification", num_labels=1)
    into = train(folder, tmp_path / "trained", frozen_layers=1)
    assert_same_scores(into)
    assert find(str(into)).max_tokens == LENGTH
    assert not any(part in name for name in changed(into, folder) for part in ("embeddings", "layer.0."))


@pytest.mark.parametrize("family", ["DistilBert", "ModernBert"])
def test_families_that_the_runtime_does_not_build_are_exported(family: str, tmp_path: Path) -> None:
    folder = make(tmp_path / "base", family, "ForSequenceClassification", num_labels=1)
    into = train(folder, tmp_path / "trained", frozen_layers=1)
    assert changed(into, folder)
    assert export(into, tmp_path / "exported").largest_difference < 1e-4
    assert load_reranker(str(tmp_path / "exported"), "f32").score(TEXTS) == pytest.approx(logits(into), abs=1e-3)


def test_classes(base: Path, tmp_path: Path) -> None:
    three = train(base, tmp_path / "three", CLASSES, loss="cross-entropy")
    assert logits(three).shape == (len(TEXTS), 3)
    with pytest.raises(InputError, match="3 scores a pair"):
        load_reranker(str(three), "f32")
    two = train(base, tmp_path / "two", ROWS, loss="cross-entropy")
    assert logits(two).shape == (len(TEXTS), 2)
    assert_same_scores(train(three, tmp_path / "one"))


def test_a_bi_encoder_becomes_a_cross_encoder(tmp_path: Path) -> None:
    modules: list[Any] = [Transformer(str(make(tmp_path / "plain"))), Pooling(32), Normalize()]
    SentenceTransformer(modules=modules, device="cpu").save(str(tmp_path / "encoder"))
    into = train(tmp_path / "encoder", tmp_path / "trained")
    assert find(str(into)).is_reranker
    assert_same_scores(into)
    assert_same_scores(train(make(tmp_path / "bare"), tmp_path / "from plain"))


def test_separate_encoders_are_no_base(tmp_path: Path) -> None:
    towers = [[Transformer(str(make(tmp_path / side))), Pooling(32)] for side in ("q", "d")]
    router = Router.for_query_document(query_modules=towers[0], document_modules=[*towers[1], Normalize()])
    SentenceTransformer(modules=[router], device="cpu").save(str(tmp_path / "encoder"))
    with pytest.raises(InputError, match="separate encoders for queries and documents"):
        train(tmp_path / "encoder", tmp_path / "trained")


def test_fewer_layers(tmp_path: Path) -> None:
    folder = make(tmp_path / "base", head="ForSequenceClassification", num_labels=1, num_hidden_layers=4)
    into = train(folder, tmp_path / "short", layers=2)
    assert find(str(into)).config["num_hidden_layers"] == 2
    assert_same_scores(into)


def test_the_cut_of_training_is_not_the_cut_of_the_model(base: Path, tmp_path: Path) -> None:
    into = train(base, tmp_path / "trained", max_tokens=16)
    assert CrossEncoder(str(into), device="cpu").max_seq_length == find(str(into)).max_tokens == LENGTH
    rows = [replace(row, positive=words(*range(200))) for row in ROWS]
    train(base, tmp_path / "long", rows, max_tokens=8192)  # more than the model's positions


@pytest.mark.parametrize("loss", ["listwise", "lambda", "ranknet", "bce"])
def test_training_learns(loss: str, base: Path, tmp_path: Path) -> None:
    settings = CrossEncoderSettings(batch=8, learning_rate=3e-3 if loss == "bce" else 1e-2, max_tokens=16, loss=loss)
    done = train_cross_encoder([ROWS] * 25, base, tmp_path / "trained", settings, tmp_path / "work", quietly)
    assert done.losses[-1][1] < 0.5 * done.losses[0][1]
    scorer = load_reranker(str(tmp_path / "trained"), "f32")
    for row in ROWS:
        scores = scorer.score([(row.query, text) for text in (row.positive, *row.negatives)])
        assert scores.argmax() == 0


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(base: Path, tmp_path: Path) -> None:
    folders = [train(base, tmp_path / name, seed=seed) for name, seed in (("a", 3), ("b", 3), ("c", 4))]
    prints = [durable.read_manifest(folder)["files"]["model.safetensors"]["sha256"] for folder in folders]
    assert prints[0] == prints[1] != prints[2]


WITHOUT = [replace(row, negatives=()) for row in ROWS]


@pytest.mark.parametrize(
    ("rows", "settings", "message"),
    [
        ([], {}, "no row to train on"),
        ([], {"loss": "bce"}, "no row to train on"),
        (PAIRS, {}, "'listwise' needs rows with negatives"),
        (WITHOUT, {"loss": "lambda"}, "'lambda' needs rows with negatives"),
        (GRADES, {"loss": "bce"}, "a probability from 0 to 1"),
        (GRADES, {"loss": "cross-entropy"}, "the number of a class"),
        (WITHOUT, {"loss": "cross-entropy"}, "All rows are of one class"),
        (ROWS, {"frozen_layers": 2}, "2 layers are to be frozen"),
        (ROWS, {"layers": 3}, "has 2 layers, asked for are 3"),
    ],
)
def test_what_cannot_be_trained_is_refused(rows: Rows, settings: dict[str, Any], message: str, base: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message):
        train(base, tmp_path / "trained", rows, **settings)
    assert not (tmp_path / "trained").exists()


def test_a_teacher_needs_a_listwise_loss(base: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="A teacher needs rows with negatives and a listwise loss, not 'bce'"):
        train(base, tmp_path / "trained", teacher=base, loss="bce")


def test_a_full_folder_is_refused_before_training(base: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not an empty folder"):
        train(base, base)
