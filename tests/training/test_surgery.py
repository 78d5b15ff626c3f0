"""Freezing, leaving layers out, and averaging: which weights exactly."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from safetensors.torch import load_file, save_file  # noqa: E402  # needs torch
from sentence_transformers import SentenceTransformer  # noqa: E402
from sentence_transformers.base.modules import Router  # noqa: E402
from sentence_transformers.sentence_transformer.modules import Pooling, Transformer  # noqa: E402
from transformers import AutoModel, AutoModelForMaskedLM, AutoModelForSequenceClassification  # noqa: E402

from bicross import durable  # noqa: E402
from bicross.errors import InputError  # noqa: E402
from bicross.models.folder import read_folder  # noqa: E402
from bicross.training.surgery import average, freeze, keep_layers, layers_of, spread  # noqa: E402
from tests.training.families import make, weights  # noqa: E402

FROZEN = {  # of all layers but the last two: weights whose names begin so, and of none
    "Bert": (("embeddings.word_embeddings.",), ("embeddings.", "encoder.layer.0.", "encoder.layer.1.")),
    "Roberta": (("embeddings.word_embeddings.",), ("embeddings.", "encoder.layer.0.", "encoder.layer.1.")),
    "DistilBert": (("embeddings.word_embeddings.",), ("embeddings.", "transformer.layer.0.", "transformer.layer.1.")),
    "ModernBert": (("embeddings.tok_embeddings.",), ("embeddings.", "layers.0.", "layers.1.")),
}


def layers_named(family: str, count: int) -> dict[str, Any]:
    return {"n_layers" if family == "DistilBert" else "num_hidden_layers": count}


@pytest.mark.parametrize("family", FROZEN)
@pytest.mark.parametrize("lower", [0, 2])
def test_exactly_the_named_weights_are_frozen(family: str, lower: int, tmp_path: Path) -> None:
    model = AutoModel.from_pretrained(make(tmp_path, family, **layers_named(family, 4)))
    freeze(model, lower)
    frozen = {name for name, parameter in model.named_parameters() if not parameter.requires_grad}
    assert frozen == {name for name, _ in model.named_parameters() if name.startswith(FROZEN[family][bool(lower)])}
    assert frozen


def test_a_model_with_all_layers_frozen_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="2 layers are to be frozen, the model has 2"):
        freeze(AutoModel.from_pretrained(make(tmp_path)), 2)


def test_a_model_without_a_list_of_its_layers_is_named(tmp_path: Path) -> None:
    model = AutoModel.from_pretrained(make(tmp_path))
    model.config.num_hidden_layers = 7
    with pytest.raises(InputError, match="BertModel has no list of 7 layers"):
        layers_of(model)


@pytest.mark.parametrize(("count", "layers", "expected"), [(1, 4, [3]), (2, 4, [1, 3]), (3, 6, [1, 3, 5]), (4, 4, [0, 1, 2, 3])])
def test_layers_are_evenly_spread_up_to_the_last(count: int, layers: int, expected: list[int]) -> None:
    assert spread(count, layers) == expected


def test_of_any_number_of_layers_all_kept_ones_are_different() -> None:
    for layers in range(1, 40):
        for count in range(1, layers + 1):
            kept = spread(count, layers)
            assert kept == sorted(set(kept)) and len(kept) == count and kept[-1] == layers - 1 and kept[0] >= 0


@pytest.mark.parametrize("family", ["Bert", "XLMRoberta", "DistilBert"])
def test_kept_layers_are_saved_and_loaded(family: str, tmp_path: Path) -> None:
    folder = make(tmp_path / "whole", family, "ForSequenceClassification", num_labels=1, **layers_named(family, 5))
    model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    originals = [dict(layer.state_dict()) for layer in layers_of(model.base_model)]
    assert keep_layers(model.base_model, 2) == [1, 4]
    for layer, number in zip(layers_of(model.base_model), (1, 4), strict=True):
        assert all(torch.equal(value, originals[number][name]) for name, value in layer.state_dict().items())
    model.save_pretrained(tmp_path / "short")
    inputs = {"input_ids": torch.tensor([[0, 9, 17, 30, 2]]), "attention_mask": torch.ones(1, 5, dtype=torch.long)}
    loaded, report = AutoModelForSequenceClassification.from_pretrained(tmp_path / "short", output_loading_info=True)
    assert not report["missing_keys"] and not report["unexpected_keys"]
    assert loaded.config.num_hidden_layers == 2
    torch.testing.assert_close(loaded.eval()(**inputs).logits, model(**inputs).logits)


def test_layers_that_cannot_be_left_out(tmp_path: Path) -> None:
    bert = AutoModel.from_pretrained(make(tmp_path / "bert"))
    for count in (0, 3):
        with pytest.raises(InputError, match=f"has 2 layers, asked for are {count}"):
            keep_layers(bert, count)
    modern = AutoModel.from_pretrained(make(tmp_path / "modern", "ModernBert", num_hidden_layers=4))
    with pytest.raises(InputError, match="layers of different kinds"):
        keep_layers(modern, 2)


def other(folder: Path, into: Path, change: float) -> Path:
    """The model with every weight changed."""
    into.mkdir()
    for path in folder.rglob("*"):
        if path.is_file():
            (into / path.relative_to(folder)).parent.mkdir(parents=True, exist_ok=True)
            (into / path.relative_to(folder)).write_bytes(path.read_bytes())
    for path in into.rglob("*.safetensors"):
        save_file({name: value + change for name, value in load_file(path).items()}, path, metadata={"format": "pt"})
    return into


def test_the_weighted_mean_is_exact(tmp_path: Path) -> None:
    first = make(tmp_path / "first")
    models = [first, other(first, tmp_path / "second", 1.0), other(first, tmp_path / "third", -2.0)]
    average(models, [0.5, 0.3, 0.2], tmp_path / "mean", {"made": "of three"})
    found, parts = weights(tmp_path / "mean"), [weights(model) for model in models]
    assert found.keys() == parts[0].keys()
    for name, value in found.items():
        expected = sum(share * part[name].double() for share, part in zip((0.5, 0.3, 0.2), parts, strict=True))
        torch.testing.assert_close(value.double(), expected, atol=1e-6, rtol=1e-6)
    assert (tmp_path / "mean" / "tokenizer.json").read_bytes() == (first / "tokenizer.json").read_bytes()
    assert durable.read_folder(tmp_path / "mean")[0]["made"] == "of three"
    AutoModel.from_pretrained(tmp_path / "mean")


def test_what_only_the_first_has_stays(tmp_path: Path) -> None:
    first = make(tmp_path / "first")
    second = other(first, tmp_path / "second", 1.0)
    kept = {name: value for name, value in load_file(second / "model.safetensors").items() if "pooler" not in name}
    save_file(kept, second / "model.safetensors")
    average([first, second], [0.5, 0.5], tmp_path / "mean", {})
    before, found = weights(first), weights(tmp_path / "mean")
    for name, value in found.items():
        torch.testing.assert_close(value, before[name] + (0.0 if "pooler" in name else 0.5))


def test_models_of_other_shapes_are_refused(tmp_path: Path) -> None:
    first = make(tmp_path / "first")
    wider = make(tmp_path / "wider", intermediate_size=128)
    with pytest.raises(InputError, match="differ in the shape"):
        average([first, wider], [0.5, 0.5], tmp_path / "mean", {})
    with pytest.raises(InputError, match="share 0 of"):
        average([first, make(tmp_path / "modern", "ModernBert")], [0.5, 0.5], tmp_path / "mean", {})
    (wider / "model.safetensors").unlink()
    with pytest.raises(InputError, match=r"wider has no model\.safetensors"):
        average([first, wider], [0.5, 0.5], tmp_path / "mean", {})
    assert not (tmp_path / "mean").exists()


def test_both_towers_are_averaged(tmp_path: Path) -> None:
    towers = [[Transformer(str(make(tmp_path / side, num_hidden_layers=layers))), Pooling(32)] for side, layers in (("q", 1), ("d", 2))]
    router = Router.for_query_document(query_modules=towers[0], document_modules=towers[1])
    SentenceTransformer(modules=[router], device="cpu").save(str(tmp_path / "first"))
    models = [tmp_path / "first", other(tmp_path / "first", tmp_path / "second", 1.0)]
    average(models, [0.25, 0.75], tmp_path / "mean", {})
    before, found = weights(models[0]), weights(tmp_path / "mean")
    assert len({name.partition(":")[0] for name in found}) == 2
    for name, value in found.items():
        torch.testing.assert_close(value, before[name] + 0.75)
    vectors = SentenceTransformer(str(tmp_path / "mean"), device="cpu").encode_query(["w1 w2"])
    assert vectors.shape == (1, 32)


def test_one_network_is_mixed_into_both_towers(tmp_path: Path) -> None:
    """Separate encoders are trained from a base of one network."""
    base = make(tmp_path / "base")
    towers = [[Transformer(str(base)), Pooling(32)] for _ in range(2)]
    for amount, (transformer, _) in enumerate(towers, start=1):
        for parameter in transformer.parameters():
            parameter.data += amount
    router = Router.for_query_document(query_modules=towers[0], document_modules=towers[1])
    SentenceTransformer(modules=[router], device="cpu").save(str(tmp_path / "apart"))
    average([tmp_path / "apart", base], [0.75, 0.25], tmp_path / "mean", {})
    before, found, origin = weights(tmp_path / "apart"), weights(tmp_path / "mean"), weights(base)
    assert found.keys() == before.keys() and len({name.partition(":")[0] for name in found}) == 2
    for name, value in found.items():
        torch.testing.assert_close(value, 0.75 * before[name] + 0.25 * origin["model.safetensors:" + name.partition(":")[2]])
    assert read_folder(tmp_path / "mean").query_tower is not None
    with pytest.raises(InputError, match=r"apart has separate encoders, .*base has one network"):
        average([base, tmp_path / "apart"], [0.5, 0.5], tmp_path / "other", {})
    assert not (tmp_path / "other").exists()


@pytest.mark.parametrize("family", ["Bert", "XLMRoberta", "DistilBert", "ModernBert"])
def test_a_base_that_names_its_weights_otherwise_is_mixed(family: str, tmp_path: Path) -> None:
    """A base saved with the head that it was pretrained with, in shards; the tuned model is bare, in one file."""
    base = make(tmp_path / "base", family, "ForMaskedLM")
    whole = AutoModelForMaskedLM.from_pretrained(base)
    (base / "model.safetensors").unlink()
    whole.save_pretrained(base, max_shard_size="40KB")
    assert len(list(base.glob("*.safetensors"))) > 1 and not (base / "model.safetensors").exists()
    body = whole.base_model.state_dict()
    tuned = other(make(tmp_path / "made", family), tmp_path / "tuned", 1.0)
    average([tuned, base], [0.75, 0.25], tmp_path / "mean", {})
    found, before = weights(tmp_path / "mean"), weights(tuned)
    assert found.keys() == before.keys()
    for name, value in found.items():
        key = name.partition(":")[2]
        torch.testing.assert_close(value, 0.75 * before[name] + 0.25 * body[key] if key in body else before[name])
    average([base, tuned], [0.25, 0.75], tmp_path / "back", {})  # shards stay shards, and the names those of the first
    assert {path.name for path in (tmp_path / "back").glob("*.safetensors")} == {path.name for path in base.glob("*.safetensors")}
    back = AutoModelForMaskedLM.from_pretrained(tmp_path / "back").base_model.state_dict()
    for name, value in back.items():
        torch.testing.assert_close(value, found.get(f"model.safetensors:{name}", value))
