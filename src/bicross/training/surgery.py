"""What is done to a transformer's layers around training: freezing, leaving some out, and averaging whole models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save

from bicross import durable
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

    Raises:
        InputError: no layer would be left to train.
    """
    transformer.get_input_embeddings().requires_grad_(False)
    if lower:
        layers = layers_of(transformer)
        if lower >= len(layers):
            raise InputError(f"{lower} layers are to be frozen, the model has {len(layers)}; expected fewer, or none is trained.")
        for name, child in transformer.named_modules():
            if name.endswith("embeddings"):
                child.requires_grad_(False)
        for layer in layers[:lower]:
            layer.requires_grad_(False)


def keep_layers(transformer: Any, count: int) -> list[int]:
    """Leave all but `count` layers out, evenly spread, the last one among the kept; returns the numbers of those kept.

    Raises:
        InputError: the model does not have so many, or its layers are not all of one kind.
    """
    layers = layers_of(transformer)
    if not 1 <= count <= len(layers):
        raise InputError(f"The model has {len(layers)} layers, asked for are {count}.")
    if len(kinds := set(getattr(transformer.config, "layer_types", None) or ["full_attention"])) > 1:
        raise InputError(f"{type(transformer).__name__} has layers of different kinds ({', '.join(sorted(kinds))}); none can be left out.")
    kept = spread(count, len(layers))
    for place, number in enumerate(kept):
        layers[place] = layers[number]
    del layers[count:]
    transformer.config.num_hidden_layers = count
    return kept


def spread(count: int, layers: int) -> list[int]:
    """`count` of `layers` numbers from 0, evenly spread, the last one among them: of each stretch the top layer."""
    return [round((place + 1) * layers / count) - 1 for place in range(count)]


def average(models: Sequence[Path], shares: Sequence[float], into: Path, facts: Mapping[str, Any]) -> None:
    """Write to the folder `into` the first model with the weighted mean of all models' weights (Wortsman et al. 2022, "Model soups").

    A weight that only the first one has, such as a pooler that no search uses, stays as it is.

    Raises:
        InputError: weights of one name have different shapes, or the models share none, or no file of them.
    """
    files = {str(path.relative_to(models[0])): path.read_bytes() for path in sorted(models[0].rglob("*")) if path.is_file()}
    files.pop(durable.MANIFEST, None)
    for name in [name for name in files if name.endswith(".safetensors")]:
        paths = [model / name for model in models]
        if absent := next((path for path in paths if not path.is_file()), None):
            raise InputError(f"There is no {absent}, as {models[0]} has; only models of one origin can be merged.")
        files[name] = _mixed(paths, shares)
    durable.write_folder(into, files, facts)


def _mixed(paths: Sequence[Path], shares: Sequence[float]) -> bytes:
    first, *others = [load_file(path) for path in paths]
    mixed, common = {}, 0
    for name, value in first.items():
        parts = [weights[name] for weights in others if name in weights]
        if any(part.shape != value.shape for part in parts):
            raise InputError(f"{paths[0]} and {paths[1]} differ in the shape of {name}; only models of one origin can be merged.")
        if len(parts) == len(others) and value.is_floating_point():
            common += 1
            pairs = zip(shares, [value, *parts], strict=True)
            value = torch.stack([share * part.to(torch.float32) for share, part in pairs]).sum(dim=0)
        mixed[name] = value.contiguous()
    if not common:
        raise InputError(f"{paths[0]} and {paths[1]} share no weights; only models of one origin can be merged.")
    return save(mixed, metadata={"format": "pt"})
