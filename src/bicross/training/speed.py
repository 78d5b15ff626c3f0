"""How fast a model trains here, measured on the user's own text."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from sentence_transformers import SentenceTransformer

from bicross.models.network import best_precision
from bicross.training.bi_encoder import transformers_of
from bicross.training.fitting import loading, reproducible
from bicross.training.padding import trim_padding

ROWS = 48


def training_rate(base: Path, texts: Sequence[str], max_tokens: int, seconds: float = 6.0) -> float:
    """Tokens a second of forward and backward passes through all layers of `base`, padding not counted."""
    with reproducible(0):
        model: Any = SentenceTransformer(str(base), **loading())
    for transformer in transformers_of(model):
        transformer.get_input_embeddings().requires_grad_(False)
        trim_padding(transformer)
    model.max_seq_length = max_tokens
    model.train()
    batches = [texts[start : start + ROWS] for start in range(0, len(texts), ROWS)]
    device, bf16 = model.device.type, best_precision() == "bf16" or torch.cuda.is_available()
    start, tokens, done = 0.0, 0, 0
    while True:
        features = model.preprocess(list(batches[done % len(batches)]))
        features = {name: value.to(model.device) for name, value in features.items() if isinstance(value, torch.Tensor)}
        with torch.autocast(device, dtype=torch.bfloat16, enabled=bf16):
            model(features)["sentence_embedding"].float().square().sum().backward()
        if done:  # the first batch warms up
            tokens += int(features["attention_mask"].sum())
            if time.perf_counter() - start >= seconds:
                return tokens / (time.perf_counter() - start)
        else:
            start = time.perf_counter()
        done += 1
