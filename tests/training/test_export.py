"""A family that the runtime does not build is converted once, and then gives the same vectors without torch."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bicross.errors import InputError
from bicross.models.registry import find, load_encoder, load_reranker
from bicross.settings import STARTER_ENCODER

pytest.importorskip("torch")
TEXTS = ["hello world", "北京是中国的首都。" * 20, "a"]


@pytest.fixture(scope="module")
def distilled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny DistilBERT with random weights and the starter's tokenizer."""
    import torch
    from transformers import DistilBertConfig, DistilBertModel

    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("models") / "distilled"
    config = DistilBertConfig(vocab_size=48663, max_position_embeddings=512, dim=32, n_layers=2, n_heads=2, hidden_dim=64, pad_token_id=1)
    DistilBertModel(config).save_pretrained(folder)
    for file in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copyfile(find(STARTER_ENCODER).path / file, folder / file)
    return folder


@pytest.mark.parametrize("form", ["openvino", "onnx"])
def test_exported_gives_the_vectors_of_sentence_transformers(distilled: Path, tmp_path: Path, form: Any) -> None:
    from sentence_transformers import SentenceTransformer

    from bicross.training.export import export

    with pytest.raises(InputError, match="bicross export"):
        load_encoder(str(distilled))
    done = export(distilled, tmp_path / "exported", form)
    assert done.largest_difference < 1e-5 and done.drift["f32"]["cosine_lowest"] > 1 - 1e-5
    assert f"Exported to {form}" in (tmp_path / "exported" / "README.md").read_text()
    found = load_encoder(str(tmp_path / "exported"), precision="f32").encode_documents(TEXTS)
    expected = SentenceTransformer(str(distilled)).encode(TEXTS, normalize_embeddings=True)
    assert np.abs(found - expected).max() < 1e-5


@pytest.mark.parametrize("form", ["openvino", "onnx"])
def test_an_exported_reranker_reads_token_types(tmp_path: Path, form: Any) -> None:
    import torch
    from sentence_transformers import CrossEncoder
    from transformers import ElectraConfig, ElectraForSequenceClassification

    from bicross.training.export import export

    torch.manual_seed(0)
    folder = tmp_path / "electra"
    sizes = {"hidden_size": 32, "embedding_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
    config = ElectraConfig(vocab_size=48663, max_position_embeddings=512, pad_token_id=1, num_labels=1, **sizes)
    ElectraForSequenceClassification(config).save_pretrained(folder)
    for file in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copyfile(find(STARTER_ENCODER).path / file, folder / file)
    done = export(folder, tmp_path / "exported", form)
    assert done.largest_difference < 1e-5 and done.drift["f32"]["largest"] < 1e-5 and done.texts == 16 * 32
    pairs = [("who?", text) for text in TEXTS]
    expected = CrossEncoder(str(folder)).predict(pairs, activation_fn=torch.nn.Identity())
    assert load_reranker(str(tmp_path / "exported"), precision="f32").score(pairs) == pytest.approx(expected, abs=1e-5)


def test_nothing_is_written_over(distilled: Path, tmp_path: Path) -> None:
    from bicross.training.export import export

    with pytest.raises(InputError, match="exists already"):
        export(distilled, tmp_path)
