"""Weights read from disk: every type, shards, and files that are not whole."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from bicross.errors import InputError, ModelNotFound
from bicross.models.weights import read_weights, weight_files

VALUES = np.array([[1.5, -2.0, 0.0], [3.25, 1e-3, 65000.0]], dtype=np.float32)


@pytest.mark.parametrize("kind", [np.float64, np.float32, np.float16, np.int64, np.int32, np.int8, np.uint8, np.bool_])
def test_values_and_types_come_back_as_stored(tmp_path: Path, kind: type[np.generic]) -> None:
    stored = np.array([[0, 1], [7, 100]]).astype(kind)
    save_file({"w": stored}, tmp_path / "model.safetensors")
    read = read_weights(tmp_path)["w"]
    assert read.dtype == stored.dtype and np.array_equal(read, stored)


def test_bfloat16_becomes_float32(tmp_path: Path) -> None:
    upper = (VALUES.view(np.uint32) >> 16).astype(np.uint16)  # bfloat16 is the upper half of float32
    _write_raw(tmp_path, "BF16", VALUES.shape, upper.tobytes())
    read = read_weights(tmp_path)["w"]
    assert read.dtype == np.float32
    assert np.array_equal(read, (upper.astype(np.uint32) << 16).view(np.float32))
    assert read == pytest.approx(VALUES, rel=2**-7)


def test_shards_are_read_as_one(tmp_path: Path) -> None:
    save_file({"a": VALUES}, tmp_path / "model-00001-of-00002.safetensors")
    save_file({"b": -VALUES, "c": 2 * VALUES}, tmp_path / "model-00002-of-00002.safetensors")
    _write_index(tmp_path, {"a": 1, "b": 2, "c": 2})
    weights = read_weights(tmp_path)
    assert sorted(weights) == ["a", "b", "c"]
    assert np.array_equal(weights["b"], -VALUES)


def test_a_missing_shard_is_named(tmp_path: Path) -> None:
    save_file({"a": VALUES}, tmp_path / "model-00001-of-00002.safetensors")
    _write_index(tmp_path, {"a": 1, "b": 2})
    with pytest.raises(ModelNotFound, match=r"lacks model-00002-of-00002\.safetensors"):
        weight_files(tmp_path)


@pytest.mark.parametrize("content", ["{", "[]", "{}", '{"weight_map": 3}'])
def test_an_index_that_is_none_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "model.safetensors.index.json").write_text(content)
    with pytest.raises(InputError, match="index of shards"):
        read_weights(tmp_path)


def test_a_pickle_is_named_and_never_opened(tmp_path: Path) -> None:
    (tmp_path / "pytorch_model.bin").write_bytes(b"not even a pickle")
    with pytest.raises(ModelNotFound, match="pickle and is never opened"):
        read_weights(tmp_path)


def test_a_folder_without_weights(tmp_path: Path) -> None:
    with pytest.raises(ModelNotFound, match=r"no model\.safetensors"):
        read_weights(tmp_path)


def test_a_file_cut_short_anywhere_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    save_file({"w": VALUES}, path)
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(InputError, match="not a whole safetensors file"):
            read_weights(tmp_path)


def test_a_type_that_no_weight_has_is_named(tmp_path: Path) -> None:
    _write_raw(tmp_path, "F8_E4M3", (2,), b"\0\0")
    with pytest.raises(InputError, match="F8_E4M3"):
        read_weights(tmp_path)


def _write_raw(folder: Path, dtype: str, shape: tuple[int, ...], data: bytes) -> None:
    """A file of one tensor of a type that numpy does not have (https://huggingface.co/docs/safetensors: length, header, data)."""
    header = json.dumps({"w": {"dtype": dtype, "shape": list(shape), "data_offsets": [0, len(data)]}}).encode()
    (folder / "model.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + data)


def _write_index(folder: Path, shards: dict[str, int]) -> None:
    names = {name: f"model-0000{number}-of-00002.safetensors" for name, number in shards.items()}
    (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": names}))
