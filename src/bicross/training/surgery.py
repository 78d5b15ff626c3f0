"""What is done to a transformer's layers around training: freezing, leaving some out, and averaging whole models."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from bicross.errors import InputError


def layers_of(transformer: Any) -> torch.nn.ModuleList:
    """The list of a transformer's layers, whatever its family calls it.

    Raises:
        InputError: none of its lists is as long as its configuration says.
    """
    count = getattr(transformer.config, "num_hidden_layers", 0)
    found = [module for module in transformer.modules() if isinstance(module, torch.nn.ModuleList) and len(module) == count]
    if not found:
        raise InputError(f"{type(transformer).__name__} has no list of {count} layers; freezing and leaving out layers needs one.")
    return found[0]


def freeze(transformer: Any, lower: int) -> None:
    """Keep the word embeddings, and with `lower` layers all other embeddings and those layers, as they are.

    The word embeddings are most of a small model's weights; few questions change few of them, and the untouched ones no longer fit.
    """
    transformer.get_input_embeddings().requires_grad_(False)
    if lower:
        layers = layers_of(transformer)
        for name, child in transformer.named_modules():
            if name.endswith("embeddings"):
                child.requires_grad_(False)
        for layer in layers[:lower]:
            layer.requires_grad_(False)


def keep_layers(transformer: Any, count: int) -> list[int]:
    """Leave all but `count` layers out, evenly spread, the last one among the kept; returns the numbers of those kept.

    Raises:
        InputError: the model does not have so many.
    """
    layers = layers_of(transformer)
    if not 1 <= count <= len(layers):
        raise InputError(f"The model has {len(layers)} layers, asked for are {count}.")
    kept = [round((place + 1) * len(layers) / count) - 1 for place in range(count)]
    for place, number in enumerate(kept):
        layers[place] = layers[number]
    del layers[count:]
    transformer.config.num_hidden_layers = count
    return kept


def average(models: Sequence[Path], shares: Sequence[float], into: Path) -> None:
    """Put the weighted mean of the models' weights (Wortsman et al. 2022, "Model soups") into the file `into`.

    Raises:
        InputError: the models do not have the same weights by name and shape.
    """
    first, *others = [load_file(path) for path in models]
    for path, weights in zip(models[1:], others, strict=True):
        if {name: value.shape for name, value in weights.items()} != {name: value.shape for name, value in first.items()}:
            raise InputError(f"{path} does not have the same weights as {models[0]}; only models of one origin can be merged.")
    mixed = {}
    for name, value in first.items():
        parts = [value, *(weights[name] for weights in others)]
        summed = sum(share * part.to(torch.float32) for share, part in zip(shares, parts, strict=True))
        mixed[name] = summed if value.is_floating_point() else value
    save_file({name: torch.as_tensor(value).contiguous() for name, value in mixed.items()}, into, metadata={"format": "pt"})
