"""What is done to a transformer's layers around training: freezing, leaving some out, and averaging whole models."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save

from bicross import durable
from bicross.errors import InputError
from bicross.models.folder import read_folder
from bicross.models.weights import weight_files
from bicross.training.card import CARD, plain_card


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

    Where the first has separate encoders for questions and documents and another has one network, that is mixed into both. A weight that
    only the first one has, such as a pooler that no search uses, stays as it is.

    Raises:
        InputError: weights of one name have different shapes, or two models share too few; a file of them lacks; another model has
            separate encoders and the first has not.
    """
    files = {str(path.relative_to(models[0])): path.read_bytes() for path in sorted(models[0].rglob("*")) if path.is_file()}
    files.pop(durable.MANIFEST, None)
    towers, *others = [_towers(model) for model in models]
    if apart := next((model for model, other in zip(models[1:], others, strict=True) if len(other) > len(towers)), None):
        raise InputError(f"{apart} has separate encoders, {models[0]} has one network; only models of one origin can be merged.")
    for side, first in towers.items():
        paths = [first, *(other.get(side, other["document"]) for other in others)]
        for path, content in _mixed(paths, shares).items():
            files[str(path.relative_to(models[0]))] = content
    prints = [read_folder(model).fingerprint() for model in models]
    files[CARD] = plain_card("encoder", "mixed", {**facts, "shares": list(shares), "fingerprints": prints})
    durable.write_folder(into, files, facts)


def _towers(model: Path) -> dict[str, Path]:
    """The folders of a model's networks, by side; the one for both sides is called the documents'."""
    folder = read_folder(model)
    return {"document": folder.path} | ({"query": folder.query_tower.path} if folder.query_tower else {})


def _mixed(folders: Sequence[Path], shares: Sequence[float]) -> dict[Path, bytes]:
    """The weight files of the first network, one or many shards, with the mean of all networks' weights."""
    shards = {path: load_file(path) for path in weight_files(folders[0])}
    first = {name: value for shard in shards.values() for name, value in shard.items()}
    others = [_read_as(first, folders[0], folder) for folder in folders[1:]]
    mixed = {name: _mean([value, *(other[name] for other in others if name in other)], shares) for name, value in first.items()}
    return {path: save({name: mixed[name] for name in shard}, metadata={"format": "pt"}) for path, shard in shards.items()}


def _mean(values: Sequence[torch.Tensor], shares: Sequence[float]) -> torch.Tensor:
    """The weighted mean of one weight; the first network's own where another lacks it, or where it is no weight but a table of numbers."""
    if len(values) < len(shares) or not values[0].is_floating_point():
        return values[0].contiguous()
    return torch.stack([share * value.to(torch.float32) for share, value in zip(shares, values, strict=True)]).sum(dim=0)


def _read_as(first: Mapping[str, torch.Tensor], origin: Path, folder: Path) -> dict[str, torch.Tensor]:
    """The weights of the network in `folder` by the names that the one in `origin`, `first`, has for them.

    A model with a head keeps its body as `bert.…`, a bare one does not: of the names with and without a prefix those are right that
    the two have most of in common.

    Raises:
        InputError: shapes differ, or less than half of the names are in common.
    """
    found = {name: value for path in weight_files(folder) for name, value in load_file(path).items()}
    without = [{name.removeprefix(head): value for name, value in found.items()} for head in _heads(found)]
    beneath = [{head + name: value for name, value in found.items()} for head in _heads(first)]
    named = max([found, *without, *beneath], key=lambda weights: len(weights.keys() & first.keys()))
    common = sorted(named.keys() & first.keys())
    if odd := next((name for name in common if named[name].shape != first[name].shape), None):
        raise InputError(f"{origin} and {folder} differ in the shape of {odd}; only models of one origin can be merged.")
    if 2 * len(common) < len(first):
        raise InputError(f"{origin} and {folder} share {len(common)} of {len(first)} weights; only models of one origin can be merged.")
    return named


def _heads(names: Iterable[str]) -> list[str]:
    return sorted({name.partition(".")[0] + "." for name in names})
