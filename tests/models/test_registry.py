"""Models by name: what is found, and what is said where nothing is."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from bicross.errors import InputError, ModelNotFound
from bicross.models import registry
from bicross.models.hashed import HashedEncoder, HashedScorer
from bicross.settings import STARTER_ENCODER, STARTER_RERANKER
from tests.models.test_folder import routed


def test_an_encoder_is_no_reranker_and_the_other_way_round() -> None:
    with pytest.raises(InputError, match=f"is a reranker.*--reranker {STARTER_RERANKER}"):
        registry.load_encoder(STARTER_RERANKER)
    for load in (registry.load_reranker, registry.notes):
        with pytest.raises(InputError, match=f"is a bi-encoder.*--encoder {STARTER_ENCODER}"):
            load(STARTER_ENCODER)


@pytest.mark.parametrize("name", ["nothing", "./nothing", "/nothing/here", "~/models", "a/b/c", "starter-encoder"])
def test_an_unknown_name_is_answered_with_what_a_name_can_be(name: str) -> None:
    with pytest.raises(ModelNotFound, match=f"Expected a folder, a hub name like owner/model, or {STARTER_ENCODER}"):
        registry.load_encoder(name)


def test_a_folder_that_holds_no_model(tmp_path: Path) -> None:
    with pytest.raises(ModelNotFound, match=r"has no config\.json"):
        registry.load_reranker(str(tmp_path))


def test_a_hub_that_cannot_be_reached_says_what_to_do(tmp_path: Path) -> None:
    script = """
import sys
from bicross.errors import ModelNotFound
from bicross.models.registry import load_encoder
try:
    load_encoder("some-owner/some-model")
except ModelNotFound as error:
    print(error)
    sys.exit(2)
"""
    env = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", script], env=env, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2, done.stderr
    assert "'some-owner/some-model' is not in the local cache" in done.stdout
    assert "Copy its folder here" in done.stdout and STARTER_ENCODER in done.stdout


def test_a_family_that_is_not_built_says_how_to_convert(tmp_path: Path) -> None:
    for name, content in (("config", {"model_type": "modernbert"}), ("tokenizer", {})):
        (tmp_path / f"{name}.json").write_text(json.dumps(content))
    with pytest.raises(InputError, match=f"'modernbert' model.*bicross export {tmp_path}"):
        registry.load_encoder(str(tmp_path))


def test_a_file_that_is_no_tokenizer_is_named(tmp_path: Path) -> None:
    for name, content in (("config", {"model_type": "bert"}), ("tokenizer", {})):
        (tmp_path / f"{name}.json").write_text(json.dumps(content))
    (tmp_path / "model.safetensors").write_bytes(b"")
    with pytest.raises(InputError, match=r"tokenizer\.json is not a tokenizer"):
        registry.load_encoder(str(tmp_path))


def test_the_models_without_weights() -> None:
    assert isinstance(registry.load_encoder(registry.HASHED), HashedEncoder)
    assert isinstance(registry.load_reranker(registry.HASHED), HashedScorer)
    assert registry.load_late_interaction(HashedEncoder()) is None
    assert registry.notes(registry.HASHED) == {}
    with pytest.raises(ModelNotFound, match="no weights"):
        registry.describe(registry.HASHED)


@pytest.mark.parametrize(("name", "kind"), [(STARTER_ENCODER, "encoder"), (STARTER_RERANKER, "reranker")])
def test_the_starter_pair_is_described(name: str, kind: str) -> None:
    facts = registry.describe(name)
    assert facts["kind"] == kind
    assert (Path(facts["path"]) / "model.safetensors").is_file()
    assert facts["max_tokens"] == 512
    assert facts["fingerprint"] == registry.find(name).fingerprint()
    json.dumps(facts)


def test_a_model_with_separate_encoders_is_described_by_its_whole_folder(tmp_path: Path) -> None:
    facts = registry.describe(str(routed(tmp_path / "m")))
    assert facts["path"] == str(tmp_path / "m")
    assert facts["query_tower"] == {"family": "bert", "layers": None, "max_tokens": 64, "pooling": "cls"}
    assert (facts["pooling"], facts["max_tokens"]) == ("mean", 65)


def test_a_tower_of_a_family_that_is_not_built_is_named(tmp_path: Path) -> None:
    config = routed(tmp_path / "m") / "query_0_Transformer" / "config.json"
    config.write_text(json.dumps({"model_type": "modernbert"}))
    with pytest.raises(InputError, match=r"query_0_Transformer is a 'modernbert' model"):
        registry.load_encoder(str(tmp_path / "m"))


def test_a_precision_that_is_not_known_is_refused() -> None:
    with pytest.raises(InputError, match="expected f32, bf16 or int8"):
        registry.load_encoder(STARTER_ENCODER, precision="int3")
