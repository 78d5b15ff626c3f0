"""A BERT-family transformer as an OpenVINO graph, straight from its weights.

BERT (Devlin et al. 2019), RoBERTa and XLM-RoBERTa: post-norm encoder layers, learned positions. The numbers are those of
the reference implementation to 1e-5 in fp32 (tests/models/test_parity.py).

In bf16, products and attention read and give bf16, as their kernels do; sums over layers, norms and the head stay fp32. It costs nothing:
scores of a reranker of 12 layers are .022 from those in fp32 where the runtime's own way, all in bf16, gives .037, as fast.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
from numpy.typing import NDArray
from openvino import Node
from openvino import opset13 as op

from bicross.errors import InputError
from bicross.models.weights import Weights

Linear = Callable[[Node, str, NDArray[np.generic]], Node]
"""Makes the product of an input (..., in) with a weight (out, in), by the layer's name, before the bias is added."""
_NEEDED = ("model_type", "hidden_size", "num_hidden_layers", "num_attention_heads", "layer_norm_eps")
_ACTIVATIONS = {"gelu": "erf", "gelu_new": "tanh", "gelu_pytorch_tanh": "tanh"}


def bert(
    config: Mapping[str, Any], weights: Weights, linear: Linear | None = None, products: str = "f32", first_token: bool = False
) -> tuple[list[Node], Node]:
    """The encoder: its inputs [ids, mask, types], each (batch, tokens) int64, and the last hidden state (batch, tokens, hidden).

    `linear` makes the layers' products where they are not to be plain ones, and `products` is the type of those that are. With
    `first_token` the last layer makes that of the first token alone, (batch, 1, hidden), which is all that a classifier reads: five
    sixths of the layer's products are not made.

    Raises:
        InputError: the configuration asks for what this graph does not have, or a weight is missing.
    """
    if config.get("position_embedding_type", "absolute") != "absolute" or config.get("is_decoder"):
        raise InputError(f"This {config['model_type']} model has relative positions or is a decoder: run `bicross export` on it first.")
    build = _Builder(config, _strip_prefix(weights), linear, products)
    inputs = [op.parameter([-1, -1], np.int64, name=name) for name in ("input_ids", "attention_mask", "token_type_ids")]  # (B, T)
    ids, mask, types = inputs
    hidden = build.embeddings(ids, types)  # (B, T, H)
    visible = op.convert(mask, "f32")  # (B, T)
    bias = op.multiply(op.subtract(const(np.float32(1)), op.unsqueeze(visible, ints(1, 2))), const(np.float32(-1e9)))  # (B, 1, 1, T)
    bias = in_type(bias, products)
    last = config["num_hidden_layers"] - 1
    for layer in range(last + 1):
        hidden = build.layer(f"encoder.layer.{layer}.", hidden, bias, first_token and layer == last)
    return inputs, hidden


def pool(hidden: Node, mask: Node, how: str, normalise: bool) -> Node:
    """One vector a text, (batch, hidden): the mean, the first ("cls") or the maximum of its tokens' vectors."""
    if how == "cls":
        pooled = op.gather(hidden, const(np.int64(0)), const(np.int64(1)))
    elif how == "mean":
        visible = op.unsqueeze(op.convert(mask, "f32"), ints(2))  # (B, T, 1)
        count = op.maximum(op.reduce_sum(visible, ints(1)), const(np.float32(1e-9)))  # (B, 1)
        pooled = op.divide(op.reduce_sum(op.multiply(hidden, visible), ints(1)), count)
    elif how == "max":
        padding = op.multiply(op.subtract(const(np.float32(1)), op.unsqueeze(op.convert(mask, "f32"), ints(2))), const(np.float32(-1e9)))
        pooled = op.reduce_max(op.add(hidden, padding), ints(1))
    else:
        raise InputError(f"Pooling {how!r} is not known; expected mean, cls or max.")
    return unit_length(pooled) if normalise else pooled


def read(file: Path, output: str, rank: int) -> tuple[list[Node], Node]:
    """The inputs and one output of an ONNX or OpenVINO file: the one named `output`, else the only one of this rank.

    Raises:
        InputError: the file cannot be read, or has no such output.
    """
    try:
        model = ov.Core().read_model(file)
    except RuntimeError as error:
        raise InputError(f"{file} is not a graph that OpenVINO reads ({str(error).strip().splitlines()[-1]}).") from error
    named = [port for port in model.outputs if output in port.names] or [port for port in model.outputs if port.partial_shape.rank == rank]
    if len(named) != 1:
        raise InputError(f"{file} has outputs {[sorted(port.names) for port in model.outputs]}; expected one named {output!r}.")
    by_name = {name: port.get_node() for port in model.inputs for name in port.names}
    order = [name for name in ("input_ids", "attention_mask", "token_type_ids") if name in by_name]
    if len(order) < 2 or len(order) != len(model.inputs):
        raise InputError(f"{file} has inputs {sorted(by_name)}; expected input_ids, attention_mask and perhaps token_type_ids.")
    return [by_name[name] for name in order], named[0].get_node().input_value(0)


def unit_length(x: Node) -> Node:
    """The last axis scaled to length 1."""
    return op.normalize_l2(x, ints(-1), 1e-12, "max")


def classify(hidden: Node, config: Mapping[str, Any], weights: Weights) -> Node:
    """The sequence-classification head, (batch, labels): pooler and classifier of BERT, or the head of RoBERTa."""
    build = _Builder(config, _strip_prefix(weights))
    first = op.gather(hidden, const(np.int64(0)), const(np.int64(1)))  # (B, H)
    dense, out = ("classifier.dense", "classifier.out_proj") if "classifier.dense.weight" in weights else ("pooler.dense", "classifier")
    return build.linear(op.tanh(build.linear(first, dense)), out)


class _Builder:
    """Layers by the names that the weights have."""

    def __init__(self, config: Mapping[str, Any], weights: Weights, linear: Linear | None = None, products: str = "f32") -> None:
        if absent := [key for key in _NEEDED if key not in config]:
            raise InputError(f"The model's config.json has no {', '.join(absent)}; copy or download the model again.")
        self.weights, self.config, self.inner, self.products = weights, config, linear or product, products
        self.heads, self.epsilon = config["num_attention_heads"], config["layer_norm_eps"]
        self.width = config["hidden_size"] // self.heads

    def weight(self, name: str, kind: str = "f32") -> Node:
        return in_type(const(self.array(name)), kind)

    def array(self, name: str) -> NDArray[np.generic]:
        if name not in self.weights:
            raise InputError(f"The model has no weight {name!r}; its folder is not whole, or it is no {self.config['model_type']}.")
        return self.weights[name]

    def linear(self, x: Node, name: str) -> Node:
        return op.add(product(x, name, self.array(name + ".weight")), self.weight(name + ".bias"))

    def inner_linear(self, x: Node, name: str) -> Node:
        """A layer's product, from and to the type of the products."""
        return op.add(self.inner(x, name, self.array(name + ".weight")), self.weight(name + ".bias", self.products))

    def norm(self, x: Node, name: str) -> Node:
        scaled = op.mvn(x, ints(-1), True, self.epsilon, "inside_sqrt")
        return op.add(op.multiply(scaled, self.weight(name + ".weight")), self.weight(name + ".bias"))

    def embeddings(self, ids: Node, types: Node) -> Node:
        axis = const(np.int64(0))
        length = op.gather(op.shape_of(ids), const(np.int64(1)), axis)
        # RoBERTa counts positions from pad + 1; texts are padded on the right, so the index is the position.
        offset = 0 if self.config["model_type"] == "bert" else self.config.get("pad_token_id", 1) + 1
        positions = op.range(const(np.int64(offset)), op.add(length, const(np.int64(offset))), const(np.int64(1)), "i64")  # (T,)
        words = op.gather(const(self.array("embeddings.word_embeddings.weight")), ids, axis)  # (B, T, H)
        # RoBERTa knows one type, whatever the tokenizer numbers the second text of a pair.
        known = op.minimum(types, const(np.int64(len(self.array("embeddings.token_type_embeddings.weight")) - 1)))
        kinds = op.gather(self.weight("embeddings.token_type_embeddings.weight"), known, axis)
        places = op.gather(self.weight("embeddings.position_embeddings.weight"), positions, axis)  # (T, H)
        return self.norm(op.add(op.add(op.convert(words, "f32"), kinds), places), "embeddings.LayerNorm")

    def layer(self, name: str, x: Node, bias: Node, first_token: bool = False) -> Node:
        read = in_type(x, self.products)  # (B, T, H)
        key, value = (self._split(self.inner_linear(read, f"{name}attention.self.{part}")) for part in ("key", "value"))  # (B, N, T, D)
        if first_token:
            x, read = (op.slice(each, ints(0), ints(1), ints(1), ints(1)) for each in (x, read))  # (B, 1, H); T is 1 from here on
        query = self._split(self.inner_linear(read, f"{name}attention.self.query"))  # (B, N, T, D)
        mixed = op.transpose(self._attention(query, key, value, bias), ints(0, 2, 1, 3))  # (B, T, N, D)
        mixed = op.reshape(mixed, ints(0, 0, self.heads * self.width), True)  # (B, T, H)
        x = self._sum(x, self.inner_linear(mixed, f"{name}attention.output.dense"), f"{name}attention.output.LayerNorm")
        wide = self._activate(self.inner_linear(in_type(x, self.products), f"{name}intermediate.dense"))  # (B, T, 4H)
        return self._sum(x, self.inner_linear(wide, f"{name}output.dense"), f"{name}output.LayerNorm")

    def _attention(self, query: Node, key: Node, value: Node, bias: Node) -> Node:
        """Scaled dot-product attention, (B, N, T, D). The runtime's own operation of that name copies what it transposes: of a model's time
        with it this takes .97, in 8 bits .96."""
        scale = in_type(const(np.float32(self.width**-0.5)), self.products)
        scores = op.add(op.multiply(op.matmul(query, key, False, True), scale), bias)  # (B, N, T, keys)
        return op.matmul(op.softmax(scores, -1), value, False, False)

    def _sum(self, x: Node, more: Node, norm: str) -> Node:
        return self.norm(op.add(x, in_type(more, "f32")), norm)

    def _split(self, x: Node) -> Node:
        return op.transpose(op.reshape(x, ints(0, 0, self.heads, self.width), True), ints(0, 2, 1, 3))

    def _activate(self, x: Node) -> Node:
        name = self.config.get("hidden_act", "gelu")
        if name == "relu":
            return op.relu(x)
        if name not in _ACTIVATIONS:
            raise InputError(
                f"Activation {name!r} is not known; expected relu, {', '.join(_ACTIVATIONS)}: run `bicross export` on the model first."
            )
        return op.gelu(x, _ACTIVATIONS[name])


def _strip_prefix(weights: Weights) -> Weights:
    """Names without the family's prefix: a classifier's body is stored as `bert.…`, a bare encoder's is not."""
    return {name.removeprefix("bert.").removeprefix("roberta."): array for name, array in weights.items()}


def product(x: Node, name: str, weight: NDArray[np.generic]) -> Node:  # noqa: ARG001 - what replaces it needs the name
    """A plain `Linear`; the weight is kept in memory as it is stored, and read in the type of x."""
    return op.matmul(x, in_type(const(weight), x.get_element_type().get_type_name()), False, True)


def in_type(x: Node, kind: str) -> Node:
    """The node in another type, "f32" or "bf16"."""
    return x if x.get_element_type().get_type_name() == kind else op.convert(x, kind)


def const(value: NDArray[np.generic] | np.generic) -> Node:
    """A constant; an array's memory is shared, not copied."""
    array = np.asarray(value, order="C")
    return ov.op.Constant(array, shared_memory=bool(array.ndim))


def ints(*values: int) -> Node:
    """Axes, shapes and orders, (len(values),)."""
    return ov.op.Constant(np.array(values, dtype=np.int64))
