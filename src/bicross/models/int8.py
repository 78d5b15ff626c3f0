"""Products of 8-bit integers instead of floats, calibrated on texts of one's own: post-training quantization.

Weights have a scale a row, what is multiplied with them a scale and a zero a matrix (Jacob et al. 2018). Where one channel is far larger
than others, part of its size goes over to the weights first (SmoothQuant; Xiao et al. 2023). All else stays as it was: norms, attention,
the head. A model's folder is calibrated if it holds CALIBRATION: the range of each channel that is multiplied, a few hundred kB; its
weights are those of before, so what reads safetensors reads it still.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import openvino as ov
from numpy.typing import NDArray
from openvino import Node
from openvino import opset13 as op
from safetensors import SafetensorError
from safetensors.numpy import load, save

from bicross.errors import InputError
from bicross.models import graph
from bicross.models.folder import CALIBRATION, ModelFolder
from bicross.models.network import Network
from bicross.models.tokens import Batch
from bicross.models.weights import read_weights

Floats = NDArray[np.float32]
Ranges = dict[str, Floats]
"""A layer's product -> the lowest and the highest value of each channel that goes into it, (2, in)."""
_SHARED = (".key", ".value")  # read what .query reads


def read_ranges(folder: ModelFolder) -> Ranges:
    """Raises InputError: the file is not what it should be."""
    file = folder.path / CALIBRATION
    try:
        ranges = load(file.read_bytes())
    except (SafetensorError, OSError) as error:
        raise InputError(f"{file} is not a calibration ({error}). Calibrate the model again: bicross quantize.") from error
    if bad := [name for name, found in ranges.items() if found.ndim != 2 or len(found) != 2 or not np.isfinite(found).all()]:
        raise InputError(f"{file}: {bad[0]} is no finite range of each channel. Calibrate the model again: bicross quantize.")
    return ranges


def calibrate(folder: ModelFolder, batches: Iterable[Batch]) -> bytes:
    """The content of CALIBRATION: the ranges that the batches show, computed in f32. No token of a batch may be padding.

    Raises:
        InputError: the model is read from a graph file, or has two encoders.
    """
    check(folder)
    seen: dict[str, list[Node]] = {}

    def watched(x: Node, name: str, weight: NDArray[np.generic]) -> Node:
        if not name.endswith(_SHARED):
            seen[name] = [op.reduce_min(x, graph.ints(0, 1)), op.reduce_max(x, graph.ints(0, 1))]
        return graph.product(x, name, weight)

    inputs, hidden = graph.bert(folder.config, read_weights(folder.path), watched)
    network = Network(ov.Model([hidden, *(node for nodes in seen.values() for node in nodes)], inputs, "ranges"), "f32")
    ranges: Ranges = {}
    for values in network.all_outputs(batches):
        for place, name in enumerate(seen):
            low, high = values[1 + 2 * place], values[2 + 2 * place]
            before = ranges.setdefault(name, np.stack([low, high]))
            ranges[name] = np.stack([np.minimum(before[0], low), np.maximum(before[1], high)])  # (2, in)
    if not ranges:
        raise InputError("There is nothing to calibrate on; expected some texts.")
    return bytes(save(ranges))


def check(folder: ModelFolder) -> None:
    """Raises InputError where a model cannot be quantized, and says why."""
    if folder.graph_file() is not None:
        raise InputError(f"{folder.path} is read from {folder.graph_file()}; expected weights (model.safetensors) of a BERT-like model.")
    if folder.query_tower is not None:
        raise InputError(f"{folder.root} has an encoder of queries and one of documents; expected one for both.")


def linear(ranges: Ranges) -> graph.Linear:
    """What makes a layer's products of integers; those whose ranges are not known stay products of floats."""
    quantized: dict[str, tuple[Node, Node]] = {}

    def product(x: Node, name: str, weight: NDArray[np.generic]) -> Node:
        stem = name
        for part in _SHARED:
            stem = stem.removesuffix(part) + ".query" if stem.endswith(part) else stem
        if stem not in ranges:
            return graph.product(x, name, weight)
        if ranges[stem].shape[1] != weight.shape[1]:
            raise InputError(f"The calibration is of another model: {name} has {weight.shape[1]} channels, not {ranges[stem].shape[1]}.")
        shift = smoothing(ranges[stem])  # (in,)
        if stem not in quantized or quantized[stem][0] is not x:
            quantized[stem] = x, _on_grid(x, ranges[stem] / shift, shift)
        codes, scale = rounded(weight.astype(np.float32) * shift)
        matrix = op.multiply(op.convert(graph.const(codes), "f32"), graph.const(scale))  # (out, in)
        return op.matmul(quantized[stem][1], matrix, False, True)

    return product


def smoothing(ranges: Floats) -> Floats:
    """What each channel is divided by, and its weights are multiplied with, (in,): the square root of its size, 1 on average.

    The paper balances it with the sizes of the weights, too, which differ little; without them query, key and value agree on one.
    """
    size = np.maximum(np.abs(ranges).max(axis=0), 1e-5)
    root = np.sqrt(size)
    return np.asarray(root / np.exp(np.log(root).mean()), dtype=np.float32)


def rounded(weight: Floats) -> tuple[NDArray[np.int8], Floats]:
    """Codes (out, in) and scales (out, 1): a row's largest value has code 127 or -127."""
    scale = np.maximum(np.abs(weight).max(axis=1, keepdims=True) / 127, 1e-12).astype(np.float32)
    return np.clip(np.rint(weight / scale), -127, 127).astype(np.int8), scale


def grid(low: float, high: float) -> tuple[float, float]:
    """The range of 256 steps that holds [low, high] and has 0 on a step."""
    low, high = min(low, 0.0), max(high, 1e-6)
    zero = round(-low / (high - low) * 255)
    step = max(high / (255 - zero) if zero < 255 else 0.0, -low / zero if zero else 0.0)
    return -zero * step, (255 - zero) * step


def _on_grid(x: Node, ranges: Floats, shift: Floats) -> Node:
    low, high = (graph.const(np.float32(end)) for end in grid(float(ranges[0].min()), float(ranges[1].max())))
    return op.fake_quantize(op.multiply(x, graph.const((1 / shift).astype(np.float32))), low, high, low, high, 256)
