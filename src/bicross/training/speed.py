"""One step of training as it runs here, without a trainer around it: what a rate of training is measured on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from sentence_transformers import CrossEncoder, SentenceTransformer

from bicross.models.folder import read_folder
from bicross.training.bi_encoder import towers_of
from bicross.training.fitting import reproducible
from bicross.training.loading import has_gpu, in_bf16, load
from bicross.training.padding import trim_padding
from bicross.training.surgery import freeze


def training_step(base: Path, max_tokens: int) -> Callable[[Sequence[Any]], None]:
    """A forward and a backward pass through all layers of `base`, of the texts that are given; of a reranker, of (query, text) pairs.

    Precision, padding, the longest text and the word embeddings, which stay as they are, are as in training; no weight is changed.

    Raises:
        InputError: the model cannot be loaded.
    """
    folder = read_folder(base)
    with reproducible(0):
        model = load(CrossEncoder, base, 1) if folder.is_reranker else load(SentenceTransformer, base)
    for tower in towers_of(model).values():
        transformer = tower.model.base_model  # without the head, where it has one
        freeze(transformer, 0)
        trim_padding(transformer)
    model.max_seq_length = min(max_tokens, folder.max_tokens)
    model.train()
    output = "scores" if folder.is_reranker else "sentence_embedding"

    def step(texts: Sequence[Any]) -> None:
        features = model.preprocess(list(texts))
        features = {name: value.to(model.device) if isinstance(value, torch.Tensor) else value for name, value in features.items()}
        with torch.autocast(model.device.type, dtype=torch.bfloat16, enabled=in_bf16()):
            model(features)[output].float().square().sum().backward()
        if has_gpu():
            torch.accelerator.synchronize()  # else the clock is read before the work is done

    return step
