"""Models of one layer with random weights, as files: an encoder and a reranker that run in milliseconds, made without torch."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from safetensors.numpy import save
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

WIDTH, LENGTH = 16, 64
LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789.,打印机火山企鹅"


def tiny(seed: int, reranker: bool = False, **notes: Any) -> dict[str, bytes]:
    """The files of a model; `notes` are its bicross.json."""
    config = {
        "model_type": "bert",
        "architectures": ["BertForSequenceClassification" if reranker else "BertModel"],
        "hidden_size": WIDTH,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "layer_norm_eps": 1e-12,
        "max_position_embeddings": LENGTH,
        "pad_token_id": 0,
    }
    tokenizer = _tokenizer()
    files: dict[str, Any] = {"config.json": config, "tokenizer_config.json": {"model_max_length": LENGTH}, "bicross.json": notes}
    weights = _weights(np.random.default_rng(seed), tokenizer.get_vocab_size(), reranker)
    contents = {name: json.dumps(content).encode() for name, content in files.items()}
    return {**contents, "tokenizer.json": tokenizer.to_str().encode(), "model.safetensors": save(weights)}


def _tokenizer() -> Tokenizer:
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *LETTERS, *(f"##{letter}" for letter in LETTERS)]
    tokenizer = Tokenizer(models.WordPiece({piece: number for number, piece in enumerate(pieces)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    return tokenizer


def _weights(random: np.random.Generator, words: int, reranker: bool) -> dict[str, Any]:
    shapes: dict[str, tuple[int, ...]] = {
        "embeddings.word_embeddings.weight": (words, WIDTH),
        "embeddings.token_type_embeddings.weight": (2, WIDTH),
        "embeddings.position_embeddings.weight": (LENGTH, WIDTH),
    }
    squares = [f"attention.{part}" for part in ("self.query", "self.key", "self.value", "output.dense")]
    for name in (*squares, "intermediate.dense", "output.dense"):
        shapes |= _linear(f"encoder.layer.0.{name}", WIDTH, WIDTH)
    for name in ("embeddings.LayerNorm", "encoder.layer.0.attention.output.LayerNorm", "encoder.layer.0.output.LayerNorm"):
        shapes |= {f"{name}.weight": (WIDTH,), f"{name}.bias": (WIDTH,)}
    if reranker:
        shapes |= {**_linear("pooler.dense", WIDTH, WIDTH), **_linear("classifier", 1, WIDTH)}
    return {name: random.normal(0, 0.5, shape).astype(np.float32) for name, shape in shapes.items()}


def _linear(name: str, rows: int, columns: int) -> dict[str, tuple[int, ...]]:
    return {f"{name}.weight": (rows, columns), f"{name}.bias": (rows,)}
