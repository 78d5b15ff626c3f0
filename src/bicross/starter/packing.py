"""Weights in 4 or 8 bits: blocks of 32 values along a row share one fp16 scale, as in the "Q4_0" and "Q8_0" layouts of ggml.

A value is `scale * (code - 8)` in 4 bits and `scale * code` in 8. What lies on the 4-bit grid already is stored without
any loss; the other matrices of the layers in 8 bits; what is small (biases, norms, positions) as fp16.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file, save

PACKED = "model.packed.safetensors"
BLOCK = 32
Half = NDArray[np.float16]


def pack(weights: dict[str, Half]) -> dict[str, NDArray[np.generic]]:
    """fp16 weights as codes and scales, by name: `NAME.q4` (rows, blocks, 16) or `NAME.q8` (rows, blocks, 32), and `NAME.scale`."""
    packed: dict[str, NDArray[np.generic]] = {}
    for name, weight in weights.items():
        if weight.ndim != 2 or weight.shape[1] % BLOCK:
            packed[name] = weight
            continue
        blocks = weight.reshape(len(weight), -1, BLOCK)  # (rows, blocks, 32)
        scale, codes = _four_bits(blocks)
        if np.array_equal(_from_four(scale, codes), blocks):
            packed[name + ".q4"] = (codes[..., :16] | codes[..., 16:] << 4).astype(np.uint8)
            packed[name + ".scale"] = scale
        elif ".layer." in name:
            scale = (np.abs(blocks.astype(np.float32)).max(axis=-1) / 127).astype(np.float16)  # (rows, blocks)
            step = np.maximum(scale.astype(np.float32), 1e-12)[..., None]
            packed[name + ".q8"] = np.clip(np.rint(blocks / step), -127, 127).astype(np.int8)
            packed[name + ".scale"] = scale
        else:
            packed[name] = weight
    return packed


def unpack(model: Path, words: Path) -> bytes:
    """The content of a `model.safetensors` in fp16: the model's packed file and that of the word embeddings, under the model's names."""
    packed = load_file(model)
    head = "bert." if any(name.startswith("bert.") for name in packed) else ""
    packed |= {head + name: array for name, array in load_file(words).items()}
    return save(restored(packed), metadata={"format": "pt"})


def restored(packed: dict[str, Any]) -> dict[str, Half]:
    """The weights that `pack` packed, by name, fp16."""
    weights: dict[str, Half] = {}
    for name, array in packed.items():
        stem, _, kind = name.rpartition(".")
        if kind == "q4":
            codes = np.concatenate([array & 15, array >> 4], axis=-1)  # (rows, blocks, 32)
            weights[stem] = _from_four(packed[stem + ".scale"], codes).reshape(len(codes), -1)
        elif kind == "q8":
            values = packed[stem + ".scale"].astype(np.float32)[..., None] * array
            weights[stem] = values.astype(np.float16).reshape(len(array), -1)
        elif kind != "scale":
            weights[name] = array
    return weights


def _four_bits(blocks: Half) -> tuple[Half, NDArray[np.uint8]]:
    """Scales (rows, blocks) and codes (rows, blocks, 32) that reproduce blocks on the grid: their largest value has code 0, -8 steps."""
    wide = blocks.astype(np.float32)
    largest = np.take_along_axis(wide, np.abs(wide).argmax(axis=-1)[..., None], axis=-1)  # (rows, blocks, 1)
    scale = (largest / -8).astype(np.float16)
    step = np.where(scale == 0, 1, scale).astype(np.float32)
    codes = np.clip(np.rint(wide / step) + 8, 0, 15).astype(np.uint8)
    return scale[..., 0], codes


def _from_four(scale: Half, codes: NDArray[np.uint8]) -> Half:
    return (scale.astype(np.float32)[..., None] * (codes.astype(np.float32) - 8)).astype(np.float16)
