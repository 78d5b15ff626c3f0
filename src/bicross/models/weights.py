"""Reading safetensors into numpy, bfloat16 included. Nothing is unpickled."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, deserialize

from bicross.errors import InputError, ModelNotFound

Weights = dict[str, NDArray[np.generic]]
_TYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4", "I8": "<i1", "U8": "<u1", "BOOL": "?"}


def weight_files(folder: Path) -> list[Path]:
    """The safetensors files of a model folder, one or many shards.

    Raises:
        ModelNotFound: there is none, or a shard is missing; pickled weights (`pytorch_model.bin`) are named but never read.
        InputError: the index of shards is not one.
    """
    index = folder / "model.safetensors.index.json"
    if index.is_file():
        return _shards(index)
    if (folder / "model.safetensors").is_file():
        return [folder / "model.safetensors"]
    pickled = (folder / "pytorch_model.bin").is_file()
    found = "only pytorch_model.bin, which is a pickle and is never opened" if pickled else "no model.safetensors"
    raise ModelNotFound(
        f"{folder} has {found}. Expected safetensors, onnx/model.onnx or an OpenVINO model: save the model again as safetensors."
    )


def _shards(index: Path) -> list[Path]:
    try:
        names = sorted(set(map(str, json.loads(index.read_text("utf-8"))["weight_map"].values())))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{index} is not an index of shards ({error!r}). Copy or download the model again.") from error
    if absent := [name for name in names if not (index.parent / name).is_file()]:
        raise ModelNotFound(f"{index.parent} lacks {', '.join(absent)}, which {index.name} names. Copy or download the model again.")
    return [index.parent / name for name in names]


def read_weights(folder: Path) -> Weights:
    """All tensors by name, floats as stored except bfloat16, which becomes float32."""
    weights: Weights = {}
    for path in weight_files(folder):
        try:
            tensors = deserialize(path.read_bytes())
        except (SafetensorError, OSError) as error:
            raise InputError(f"{path} is not a whole safetensors file ({error}). Copy or download it again.") from error
        weights.update((name, _array(tensor["dtype"], tensor["shape"], tensor["data"])) for name, tensor in tensors)
    return weights


def _array(dtype: str, shape: list[int], data: bytes) -> NDArray[np.generic]:
    if dtype == "BF16":  # the upper half of a float32
        return (np.frombuffer(data, "<u2").astype(np.uint32) << 16).view(np.float32).reshape(shape)
    if dtype not in _TYPES:
        raise InputError(f"Weights of type {dtype} cannot be read; expected one of {', '.join(_TYPES)} or BF16.")
    return np.frombuffer(data, _TYPES[dtype]).reshape(shape)
