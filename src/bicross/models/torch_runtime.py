"""The same models on torch, for CUDA and Apple's GPUs: BERT-family transformers straight from their weights, in bf16 with fused attention.

The layers are those of `graph.py`, and so are the names of the weights.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from bicross.errors import InputError
from bicross.models import progress
from bicross.models.devices import TORCH_CPU
from bicross.models.folder import ModelFolder
from bicross.models.tokens import Batch, Output
from bicross.models.weights import read_weights

TYPES = {"f32": torch.float32, "bf16": torch.bfloat16}
ACTIVATIONS = {"gelu": "none", "gelu_new": "tanh", "gelu_pytorch_tanh": "tanh"}
BUDGETS = {"cuda": 65_536, "mps": 16_384}
"""Padded tokens of a batch: a GPU needs many rows at once to be busy, and their activations take some hundred MB on it."""
HEADS = ("classifier.dense", "classifier.out_proj"), ("pooler.dense", "classifier")


def gpus() -> list[str]:
    """The kinds of GPU that torch finds here."""
    found = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    return [name for name, there in found.items() if there]


def best_precision(device: torch.device) -> str:
    """bf16 on GPUs that have it in hardware."""
    if device.type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "f32"
    return "bf16" if device.type == "mps" else "f32"


class Torch:
    """What builds engines on one device: cuda, mps, or the processor."""

    def __init__(self, device: str) -> None:
        self.device = torch.device("cpu" if device == TORCH_CPU else device)

    def bi_encoder(self, folder: ModelFolder, precision: str | None) -> Engine:
        """Output 0 is the pooled vectors (batch, dim), output 1 the tokens' unit vectors (batch, tokens, dim)."""
        model = self._model(folder, precision)

        def compute(ids: Tensor, mask: Tensor, types: Tensor, visible: Tensor | None, output: int) -> Tensor:
            hidden = model.hidden(ids, types, visible).float()  # (B, T, H)
            if output:
                return functional.normalize(hidden, dim=-1)
            return pool(hidden, mask, folder.pooling, folder.normalise)

        return Engine(compute, self.device, model.width, model.precision)

    def cross_encoder(self, folder: ModelFolder, precision: str | None) -> Engine:
        """Output 0 is the logits, (batch, 1).

        Raises:
            InputError: the model has several classes, which is no reranker.
        """
        model = self._model(folder, precision)
        dense, out = HEADS[0] if "classifier.dense.weight" in model.weights else HEADS[1]
        if (classes := len(model.weight(out + ".weight"))) != 1:
            raise InputError(f"{folder.path} gives {classes} scores a pair; expected 1, as a reranker has.")

        def compute(ids: Tensor, mask: Tensor, types: Tensor, visible: Tensor | None, output: int) -> Tensor:  # noqa: ARG001 - there is one output
            first = model.hidden(ids, types, visible, first_token=True)[:, 0]  # (B, H)
            return model.linear(torch.tanh(model.linear(first, dense)), out).float()

        return Engine(compute, self.device, 1, model.precision)

    def _model(self, folder: ModelFolder, precision: str | None) -> Bert:
        if folder.graph_file() is not None:
            raise InputError(f"{folder.path} is read from {folder.graph_file()}, which runs on the processor alone. Choose --device cpu.")
        precision = precision or best_precision(self.device)
        if precision not in TYPES:
            raise InputError(f"Precision {precision!r} is not known on {self.device.type}; expected {' or '.join(TYPES)}.")
        weights = read_weights(folder.path)
        return Bert(folder.config, {name: _tensor(array) for name, array in weights.items()}, precision, self.device)


class Engine:
    """A model on a device. Two batches are held at once: while one is computed, the next is prepared."""

    streams = 1

    def __init__(self, compute: Any, device: torch.device, dim: int, precision: str) -> None:
        self._compute, self._device, self.dim, self.precision = compute, device, dim, precision
        self.budget = BUDGETS.get(device.type, 2048)

    def run(self, batches: Iterable[Batch], output: int = 0) -> Iterator[Output]:
        """The output number `output` for each batch, in order."""
        waiting: Tensor | None = None
        for batch in batches:
            with torch.inference_mode():
                ids, mask, types = (torch.from_numpy(part).to(self._device) for part in batch)
                visible = (
                    None if batch[1].all() else mask.bool()[:, None, None, :]
                )  # (B, 1, 1, T): asked here, where nobody waits for a GPU
                computed = self._compute(ids, mask, types, visible, output)
            if waiting is not None:
                yield _fetched(waiting)
            waiting = computed
        if waiting is not None:
            yield _fetched(waiting)


class Bert:
    """The encoder. Matrices are held in the stated precision; layer norms are computed in float32 by torch itself."""

    def __init__(self, config: Mapping[str, Any], weights: dict[str, Tensor], precision: str, device: torch.device) -> None:
        if config.get("position_embedding_type", "absolute") != "absolute" or config.get("is_decoder"):
            raise InputError(f"This {config.get('model_type')} model has relative positions or is a decoder: choose --device cpu.")
        self.config, self.precision = config, precision
        strip = {name.removeprefix("bert.").removeprefix("roberta."): tensor for name, tensor in weights.items()}
        self.weights = {name: t.to(device, TYPES[precision]) if t.is_floating_point() else t.to(device) for name, t in strip.items()}
        self.width, self.heads, self.epsilon = config["hidden_size"], config["num_attention_heads"], config["layer_norm_eps"]
        activation = config.get("hidden_act", "gelu")
        if activation != "relu" and activation not in ACTIVATIONS:
            raise InputError(f"Activation {activation!r} is not known; expected relu, {', '.join(ACTIVATIONS)}.")
        for layer in range(config["num_hidden_layers"]):  # one product for query, key and value instead of three
            name = f"encoder.layer.{layer}.attention.self."
            for kind in ("weight", "bias"):
                self.weights[f"{name}all.{kind}"] = torch.cat([self.weight(f"{name}{part}.{kind}") for part in ("query", "key", "value")])

    def weight(self, name: str) -> Tensor:
        if name not in self.weights:
            raise InputError(f"The model has no weight {name!r}; its folder is not whole, or it is no {self.config.get('model_type')}.")
        return self.weights[name]

    def linear(self, x: Tensor, name: str) -> Tensor:
        return functional.linear(x, self.weight(name + ".weight"), self.weight(name + ".bias"))

    def norm(self, x: Tensor, name: str) -> Tensor:
        return functional.layer_norm(x, (self.width,), self.weight(name + ".weight"), self.weight(name + ".bias"), self.epsilon)

    def hidden(self, ids: Tensor, types: Tensor, visible: Tensor | None, first_token: bool = False) -> Tensor:
        """The last hidden state, (batch, tokens, hidden); `visible` is which tokens are no padding, (batch, 1, 1, tokens), None for all.
        With `first_token` the last layer makes that of the first token alone, (batch, 1, hidden).
        """
        words = self.weight("embeddings.word_embeddings.weight")[ids]  # (B, T, H)
        kinds = self.weight("embeddings.token_type_embeddings.weight")
        # RoBERTa knows one type, whatever the tokenizer numbers the second text of a pair, and counts positions from pad + 1.
        offset = 0 if self.config["model_type"] == "bert" else self.config.get("pad_token_id", 1) + 1
        places = self.weight("embeddings.position_embeddings.weight")[offset : offset + ids.shape[1]]  # (T, H)
        x = self.norm(words + kinds[types.clamp(max=len(kinds) - 1)] + places, "embeddings.LayerNorm")
        last = self.config["num_hidden_layers"] - 1
        for layer in range(last + 1):
            x = self._layer(f"encoder.layer.{layer}.", x, visible, first_token and layer == last)
        return x

    def _layer(self, name: str, x: Tensor, visible: Tensor | None, first_token: bool = False) -> Tensor:
        parts = self.linear(x, f"{name}attention.self.all").view(*x.shape[:2], 3, self.heads, -1)  # (B, T, 3, N, D)
        query, key, value = parts.permute(2, 0, 3, 1, 4)  # each (B, N, T, D)
        if first_token:
            x, query = x[:, :1], query[:, :, :1]  # T is 1 from here on
        mixed = functional.scaled_dot_product_attention(query, key, value, visible).transpose(1, 2).flatten(2)  # (B, T, H)
        x = self.norm(x + self.linear(mixed, f"{name}attention.output.dense"), f"{name}attention.output.LayerNorm")
        wide = self._activate(self.linear(x, f"{name}intermediate.dense"))  # (B, T, 4H)
        return self.norm(x + self.linear(wide, f"{name}output.dense"), f"{name}output.LayerNorm")

    def _activate(self, x: Tensor) -> Tensor:
        name = self.config.get("hidden_act", "gelu")
        return functional.relu(x) if name == "relu" else functional.gelu(x, approximate=ACTIVATIONS[name])


def pool(hidden: Tensor, mask: Tensor, how: str, normalise: bool) -> Tensor:
    """One vector a text, (batch, hidden): the mean, the first ("cls") or the maximum of its tokens' vectors."""
    shown = mask[:, :, None].to(hidden.dtype)  # (B, T, 1)
    if how == "cls":
        pooled = hidden[:, 0]
    elif how == "mean":
        pooled = (hidden * shown).sum(1) / shown.sum(1).clamp(min=1e-9)
    else:
        pooled = hidden.masked_fill(shown == 0, -math.inf).amax(1)
    return functional.normalize(pooled, dim=-1) if normalise else pooled


def _tensor(array: np.ndarray[Any, Any]) -> Tensor:
    return torch.from_numpy(array.copy())  # what is read from a file is not writable


def _fetched(rows: Tensor) -> Output:
    found = rows.cpu().numpy().astype(np.float32, copy=False)
    progress.made()
    return found
