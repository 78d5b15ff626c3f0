"""Every way to train a bi-encoder, a few steps each: the folder it leaves gives the same vectors in sentence-transformers and here."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import transformers  # noqa: E402  # needs torch
from sentence_transformers import SentenceTransformer  # noqa: E402
from sentence_transformers.sentence_transformer.modules import Pooling, Transformer  # noqa: E402

from bicross.errors import InputError  # noqa: E402
from bicross.models.registry import find, load_encoder  # noqa: E402
from bicross.records import Example, LabelledPair  # noqa: E402
from bicross.settings import BiEncoderSettings  # noqa: E402
from bicross.training.bi_encoder import Rows, train_bi_encoder  # noqa: E402
from bicross.training.export import export  # noqa: E402
from bicross.vectors import unit  # noqa: E402
from tests.training.families import LENGTH, make, weights, words  # noqa: E402

PROMPTS = {"query": "w50 ", "passage": "w51 "}
TEXTS = [words(*range(start, start + length)) for start, length in ((0, 3), (5, 12), (9, 1), (20, 70))]
ROWS = [
    Example(words(n, n + 1), words(n + 20, n + 21, n + 22), (words(n + 30), words(n + 40, n + 3)), (4.0, 1.0, 0.0), query_id=str(n))
    for n in range(12)
]
PAIRS = [LabelledPair(words(n, n + 1), words(n + 20, n + 3), float(n % 2)) for n in range(12)]


def quietly(what: str, done: int, total: int) -> None:
    pass


def train(base: Path, into: Path, rows: Rows = ROWS, epochs: int = 1, **settings: Any) -> Path:
    given = BiEncoderSettings(**{"batch": 6, "learning_rate": 1e-3, "max_tokens": 16, **settings})
    train_bi_encoder([rows] * epochs, base, into, given, into.with_suffix(".work"), quietly)
    return into


def sentence_transformer(folder: Path, how: str = "mean", similarity: str = "cosine", family: str = "Bert") -> Path:
    """A base with pooling, prompts and a default prompt, as it would come from a hub."""
    make(folder / "plain", family)
    modules: list[Any] = [Transformer(str(folder / "plain")), Pooling(32, pooling_mode=how)]
    model = SentenceTransformer(
        modules=modules, prompts=PROMPTS, default_prompt_name="passage", similarity_fn_name=similarity, device="cpu"
    )
    model.save(str(folder / "base"))
    return folder / "base"


def assert_same_vectors(folder: Path, similarity: str = "cosine") -> None:
    reference = SentenceTransformer(str(folder), device="cpu")
    encoder = load_encoder(str(folder), "f32")
    assert encoder.space.similarity == similarity
    for ours, theirs in ((encoder.encode_queries, reference.encode_query), (encoder.encode_documents, reference.encode_document)):
        found, expected = ours(TEXTS), theirs(TEXTS, normalize_embeddings=similarity == "cosine")
        assert np.ptp(found, axis=0).max() > 0.05, "the vectors must differ, or agreement says little"
        assert (unit(found) * unit(expected)).sum(axis=1).min() >= 0.9999
        assert found == pytest.approx(expected, abs=1e-4)


def changed(folder: Path, base: Path) -> set[str]:
    before, after = weights(base), weights(folder)
    assert before.keys() == after.keys()
    return {name for name, value in after.items() if not torch.equal(value, before[name])}


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return sentence_transformer(tmp_path_factory.mktemp("models"))


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"distil": "none"},
        {"distil": "margin-mse", "distil_weight": 0.1},
        {"mini_batch": 4},
        {"mini_batch": 4, "distil": "none"},
        {"matryoshka": (8, 16)},
        {"matryoshka": (16,), "mini_batch": 4},
        {"loss": "triplet"},
        {"loss": "pairs"},
        {"loss": "cosine"},
        {"frozen_layers": 1},
        {"separate": True, "mini_batch": 4},
    ],
    ids=str,
)
def test_every_loss_gives_a_model_of_the_field(settings: dict[str, Any], base: Path, tmp_path: Path, capsys: Any) -> None:
    done = PAIRS if settings.get("loss") in ("pairs", "cosine") else ROWS
    into = train(base, tmp_path / "trained", done, **settings)
    assert capsys.readouterr() == ("", "")
    assert_same_vectors(into)
    assert find(str(into)).matryoshka == settings.get("matryoshka", ())
    if not settings.get("separate"):
        moved = changed(into, base)
        assert any("layer.1.attention" in name for name in moved)
        assert not any("word_embeddings" in name for name in moved)
        assert any("layer.0." in name for name in moved) is not bool(settings.get("frozen_layers"))


@pytest.mark.parametrize("family", ["Roberta", "XLMRoberta"])
def test_other_families(family: str, tmp_path: Path) -> None:
    into = train(sentence_transformer(tmp_path, family=family), tmp_path / "trained")
    assert_same_vectors(into)
    assert find(str(into)).max_tokens == LENGTH


@pytest.mark.parametrize("family", ["DistilBert", "ModernBert"])
def test_families_that_the_runtime_does_not_build_are_exported(family: str, tmp_path: Path) -> None:
    base = sentence_transformer(tmp_path, family=family)
    into = train(base, tmp_path / "trained", frozen_layers=1)
    assert changed(into, base)
    assert export(into, tmp_path / "exported").largest_difference < 1e-4
    expected = SentenceTransformer(str(into), device="cpu").encode_document(TEXTS, normalize_embeddings=True)
    assert load_encoder(str(tmp_path / "exported"), "f32").encode_documents(TEXTS) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("how", ["cls", "mean", "max"])
def test_a_plain_transformer_gets_the_pooling_asked_for(how: str, tmp_path: Path) -> None:
    into = train(make(tmp_path / "plain"), tmp_path / "trained", pooling=how)
    folder = find(str(into))
    assert (folder.pooling, folder.normalise) == (how, True)
    assert_same_vectors(into)


def test_another_pooling_keeps_prompts_and_similarity(tmp_path: Path) -> None:
    into = train(sentence_transformer(tmp_path, "mean", "dot"), tmp_path / "trained", pooling="cls")
    folder = find(str(into))
    assert (folder.pooling, folder.normalise, folder.similarity) == ("cls", False, "dot")
    assert (folder.query_prompt, folder.document_prompt) == (PROMPTS["query"], PROMPTS["passage"])
    assert_same_vectors(into, "dot")


def test_texts_are_read_with_the_prompts_of_search(base: Path, tmp_path: Path) -> None:
    """The trainer knows prompts by column, and this base calls the documents' one "passage"."""
    seen: list[list[int]] = []
    original = Transformer.forward

    def recording(self: Any, features: Any, **others: Any) -> Any:
        seen.extend(features["input_ids"].tolist())
        return original(self, features, **others)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Transformer, "forward", recording)
        train(base, tmp_path / "trained")
    firsts = {ids[1] for ids in seen}
    tokenizer = transformers.AutoTokenizer.from_pretrained(base)
    assert tokenizer.convert_ids_to_tokens(sorted(firsts)) == ["w50", "w51"]


def test_separate_encoders_both_move_and_keep_their_prompts(base: Path, tmp_path: Path) -> None:
    into = train(base, tmp_path / "apart", separate=True)
    folder = find(str(into))
    assert folder.query_tower is not None
    assert (folder.query_prompt, folder.document_prompt) == (PROMPTS["query"], PROMPTS["passage"])
    assert folder.max_tokens == folder.query_tower.max_tokens == LENGTH
    assert_same_vectors(into)
    before, after = weights(base)["model.safetensors:encoder.layer.1.output.dense.weight"], weights(into)
    sides = [value for name, value in after.items() if name.endswith("encoder.layer.1.output.dense.weight")]
    assert len(sides) == 2
    assert not torch.equal(sides[0], sides[1])
    assert not any(torch.equal(side, before) for side in sides)
    again = train(into, tmp_path / "further", seed=1)
    assert_same_vectors(again)
    moved = {name.partition("/")[0] for name in changed(again, into)}
    assert len(moved) == 2, "each tower is trained on"
    with pytest.raises(InputError, match="separate encoders already"):
        train(into, tmp_path / "refused", pooling="cls")


def test_the_cut_of_training_is_not_the_cut_of_the_model(base: Path, tmp_path: Path) -> None:
    into = train(base, tmp_path / "trained", max_tokens=16)
    assert SentenceTransformer(str(into), device="cpu").max_seq_length == find(str(into)).max_tokens == LENGTH
    rows = [replace(row, positive=words(*range(200))) for row in ROWS]
    train(base, tmp_path / "long", rows, max_tokens=8192)  # more than the model's positions


def test_a_long_base_is_cut_at_512(tmp_path: Path) -> None:
    folder = make(tmp_path / "long", max_position_embeddings=1024)
    config = json.loads((folder / "tokenizer_config.json").read_text())
    (folder / "tokenizer_config.json").write_text(json.dumps({**config, "model_max_length": 1024}))
    assert find(str(train(folder, tmp_path / "trained"))).max_tokens == 512


def test_training_learns(base: Path, tmp_path: Path) -> None:
    settings = BiEncoderSettings(batch=6, learning_rate=5e-3, max_tokens=16, distil="none")
    done = train_bi_encoder([ROWS] * 30, base, tmp_path / "trained", settings, tmp_path / "work", quietly)
    assert done.steps == 60
    assert done.losses[-1][1] < 0.1 * done.losses[0][1]

    def right(folder: Path) -> float:
        encoder = load_encoder(str(folder), "f32")
        found = encoder.encode_queries([row.query for row in ROWS]) @ encoder.encode_documents([row.positive for row in ROWS]).T
        return float((found.argmax(axis=1) == np.arange(len(ROWS))).mean())

    assert right(base) < 0.5 and right(tmp_path / "trained") == 1.0


UNEVEN = [ROWS[0], replace(ROWS[1], negatives=ROWS[1].negatives[:1], scores=())]
WITHOUT = [replace(row, negatives=(), scores=()) for row in ROWS]
HALF_SCORED = [*ROWS[:6], *(replace(row, scores=()) for row in ROWS[6:])]


@pytest.mark.parametrize(
    ("rows", "settings", "message"),
    [
        ([], {}, "no row to train on"),
        (UNEVEN, {}, "Rows have 1 to 2 negatives"),
        (PAIRS, {}, "trains on Example rows, found was a LabelledPair"),
        (ROWS, {"loss": "cosine"}, "trains on LabelledPair rows, found was a Example"),
        (WITHOUT, {"loss": "triplet"}, "needs rows with a negative"),
        (HALF_SCORED, {}, "Some rows have a teacher's scores and some have none"),
        ([LabelledPair("a", "b", 0.5)], {"loss": "pairs"}, "expects 0 or 1"),
        ([LabelledPair("a", "b", 4.0)], {"loss": "cosine"}, "from -1 to 1"),
        (ROWS, {"frozen_layers": 2}, "2 layers are to be frozen"),
        (ROWS, {"matryoshka": (64,)}, "expected from 1 to 31"),
    ],
)
def test_what_cannot_be_trained_is_refused(rows: Sequence[Any], settings: dict[str, Any], message: str, base: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message):
        train(base, tmp_path / "trained", rows, **settings)
    assert not (tmp_path / "trained").exists()


def test_rows_without_negatives_are_trained_on(base: Path, tmp_path: Path) -> None:
    assert_same_vectors(train(base, tmp_path / "trained", WITHOUT))


def test_folders_that_do_not_fit_are_refused_before_training(base: Path, tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    with pytest.raises(InputError, match="not an empty folder"):
        train(base, tmp_path / "full")
    with pytest.raises(InputError, match="is a reranker"):
        train(make(tmp_path / "reranker", head="ForSequenceClassification", num_labels=1), tmp_path / "trained")
    pickled = make(tmp_path / "pickled")
    (pickled / "model.safetensors").rename(pickled / "pytorch_model.bin")
    with pytest.raises(InputError):
        train(pickled, tmp_path / "trained")
