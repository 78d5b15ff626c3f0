"""How fast a model trains here, measured on the user's own text."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import torch
from sentence_transformers import SentenceTransformer

from bicross.errors import InputError
from bicross.models.folder import read_folder
from bicross.training.bi_encoder import towers_of
from bicross.training.fitting import reproducible
from bicross.training.loading import in_bf16, load
from bicross.training.padding import trim_padding

ROWS = 48


def training_rate(base: Path, texts: Sequence[str], max_tokens: int, seconds: float = 6.0) -> float:
    """Tokens a second of forward and backward passes through all layers of `base`, padding not counted, measured for some `seconds`.

    Raises:
        InputError: there are no texts, or the model cannot be loaded.
    """
    if not texts:
        raise InputError("There is no text to measure the rate of training on.")
    with reproducible(0):
        model = load(SentenceTransformer, base)
    for tower in towers_of(model).values():
        tower.model.get_input_embeddings().requires_grad_(False)
        trim_padding(tower.model)
    model.max_seq_length = min(max_tokens, read_folder(base).max_tokens)
    model.train()
    batches = [texts[start : start + ROWS] for start in range(0, len(texts), ROWS)]
    start, tokens, done = 0.0, 0, 0
    while True:
        features = model.preprocess(list(batches[done % len(batches)]))
        features = {name: value.to(model.device) for name, value in features.items() if isinstance(value, torch.Tensor)}
        with torch.autocast(model.device.type, dtype=torch.bfloat16, enabled=in_bf16()):
            model(features)["sentence_embedding"].float().square().sum().backward()
        if done:  # the first batch warms up
            tokens += int(features["attention_mask"].sum())
            if time.perf_counter() - start >= seconds:
                return tokens / (time.perf_counter() - start)
        else:
            start = time.perf_counter()
        done += 1
