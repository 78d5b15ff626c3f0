"""Weights in 4 and 8 bits: without loss where they lie on the grid, within half a step where they do not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load, load_file, save_file

from bicross import starter
from bicross.starter.packing import BLOCK, PACKED, pack, unpack

LAYER = "encoder.layer.0.output.dense.weight"
TABLE = "embeddings.word_embeddings.weight"


def packed_and_back(path: Path, weights: dict[str, np.ndarray]) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    stored = pack(weights)
    save_file({name: array for name, array in stored.items() if TABLE not in name}, path / PACKED)
    save_file({name: array for name, array in stored.items() if TABLE in name}, path / starter.WORDS)
    return stored, load(unpack(path / PACKED, path / starter.WORDS))


def on_the_grid(rng: np.random.Generator, rows: int, blocks: int) -> np.ndarray:
    """Values scale * (code - 8) with a code 0 in each block, as a model that was stored in 4 bits has, (rows, blocks * 32)."""
    codes = rng.integers(0, 16, (rows, blocks, BLOCK)).astype(np.float32)
    codes[..., rng.integers(BLOCK)] = 0
    scale = rng.uniform(-0.1, 0.1, (rows, blocks, 1)).astype(np.float16)
    return (scale.astype(np.float32) * (codes - 8)).astype(np.float16).reshape(rows, -1)


@pytest.mark.parametrize("name", [LAYER, TABLE])
def test_what_lies_on_the_four_bit_grid_comes_back_bit_for_bit(tmp_path: Path, name: str) -> None:
    weight = on_the_grid(np.random.default_rng(0), 20, 3)
    stored, restored = packed_and_back(tmp_path, {name: weight})
    assert set(stored) == {name + ".q4", name + ".scale"}
    assert stored[name + ".q4"].nbytes == weight.size // 2
    assert restored[name].dtype == np.float16
    # -0 and 0 are the same weight
    assert np.array_equal(restored[name], weight)


@settings(max_examples=30)
@given(st.integers(0, 2**32 - 1), st.floats(1e-3, 10))
def test_eight_bits_are_off_by_half_a_step_at_most(tmp_path_factory: pytest.TempPathFactory, seed: int, size: float) -> None:
    weight = (size * np.random.default_rng(seed).standard_normal((6, 2 * BLOCK))).astype(np.float16)
    stored, restored = packed_and_back(tmp_path_factory.mktemp("packed"), {LAYER: weight})
    assert set(stored) == {LAYER + ".q8", LAYER + ".scale"}
    wide = weight.astype(np.float32)
    step = np.abs(wide).reshape(6, -1, BLOCK).max(axis=-1) / 127  # (rows, blocks)
    error = np.abs(restored[LAYER].astype(np.float32) - wide).reshape(6, -1, BLOCK).max(axis=-1)
    # Half a step; the scale is rounded to fp16 (2**-11 of 127 steps), and the value too; below 6e-5 fp16 has steps of 6e-8.
    assert (error <= step * (0.5 + 2 * 127 * 2**-11) + 127 * 6e-8).all()


def test_what_is_small_or_no_matrix_of_a_layer_stays_as_it_is(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    shapes = {"encoder.layer.0.bias": (64,), "pooler.dense.weight": (8, 64), "encoder.layer.0.odd": (8, 33), TABLE: (8, 64)}
    weights = {name: rng.standard_normal(shape).astype(np.float16) for name, shape in shapes.items()}
    stored, restored = packed_and_back(tmp_path, weights)
    assert set(stored) == set(weights) == set(restored)
    assert all(np.array_equal(restored[name], weight) for name, weight in weights.items())


def test_blocks_of_zeros(tmp_path: Path) -> None:
    weights = {LAYER: np.zeros((2, BLOCK), np.float16)}
    assert np.array_equal(packed_and_back(tmp_path, weights)[1][LAYER], weights[LAYER])


def test_the_table_of_words_goes_by_the_names_of_the_model(tmp_path: Path) -> None:
    save_file({"bert.pooler.dense.bias": np.zeros(4, np.float16)}, tmp_path / PACKED)
    save_file({TABLE: np.ones((2, 4), np.float16)}, tmp_path / starter.WORDS)
    assert set(load(unpack(tmp_path / PACKED, tmp_path / starter.WORDS))) == {"bert.pooler.dense.bias", "bert." + TABLE}


def test_the_models_that_ship_are_small_and_their_table_of_words_is_in_four_bits() -> None:
    assert sum(path.stat().st_size for path in starter.HERE.rglob("*") if path.is_file()) <= 120e6
    assert set(load_file(starter.HERE / starter.WORDS)) == {TABLE + ".q4", TABLE + ".scale"}
