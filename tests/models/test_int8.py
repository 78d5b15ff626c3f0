"""8-bit products: the grid by hand, ranges against numpy, scores near those of floats, and what cannot be calibrated."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load, save

from bicross.errors import InputError
from bicross.models import int8
from bicross.models.bi_encoder import BiEncoder
from bicross.models.cross_encoder import CrossEncoder
from bicross.models.folder import CALIBRATION, ModelFolder, read_folder
from bicross.models.network import has_int8
from bicross.models.tokens import Batch
from tests.models.tiny import WIDTH, tiny

TEXTS = ["a printer", "rain on hills 123", "打印机", "volcano, penguin.", "numbers 0 1 2 3 4 5 6 7 8 9"]


@pytest.fixture(params=["encoder", "reranker"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> ModelFolder:
    return _written(tmp_path / request.param, tiny(3, request.param == "reranker"))


def _written(path: Path, files: dict[str, bytes]) -> ModelFolder:
    path.mkdir()
    for name, content in files.items():
        (path / name).write_bytes(content)
    return read_folder(path)


def _batches(count: int = 20) -> list[Batch]:
    random = np.random.default_rng(0)
    found = []
    for _ in range(count):  # the first ones are the same, however many there are
        ids = random.integers(4, 60, (1, int(random.integers(3, 30))))
        found.append((ids, np.ones_like(ids), np.zeros_like(ids)))
    return found


@pytest.mark.parametrize(("low", "high"), [(-1.0, 1.0), (0.0, 5.0), (-0.17, 3.0), (-4.0, 0.0), (1.0, 2.0), (-3.0, -1.0), (0.0, 0.0)])
def test_the_grid_holds_the_range_and_zero(low: float, high: float) -> None:
    start, end = int8.grid(low, high)
    step = (end - start) / 255
    assert start <= low + 1e-6 and end >= high - 1e-6 and end - start <= (max(high, 0) - min(low, 0)) * 1.02 + 1e-5
    assert -start / step == pytest.approx(round(-start / step), abs=1e-6), "zero is on a step"


def test_weights_are_rounded_by_rows() -> None:
    weight = np.array([[1.27, -0.64, 0.0], [0.0, 0.0, 0.0], [-254.0, 2.0, 1.0]], dtype=np.float32)
    codes, scale = int8.rounded(weight)
    assert codes.tolist() == [[127, -64, 0], [0, 0, 0], [-127, 1, 0]]
    assert np.abs(codes * scale - weight).max() <= scale.max() / 2 + 1e-6


def test_smoothing_evens_channels_out_and_keeps_their_product() -> None:
    ranges = np.array([[-1.0, -100.0, 0.0], [1.0, 50.0, 0.0]], dtype=np.float32)
    shift = int8.smoothing(ranges)
    assert shift[1] / shift[0] == pytest.approx(10), "a hundred times as large, ten times as large afterwards"
    assert np.log(shift).mean() == pytest.approx(0, abs=1e-5)


def test_ranges_hold_what_goes_into_each_product(folder: ModelFolder) -> None:
    one, two = (load(int8.calibrate(folder, batches)) for batches in (_batches(1), _batches()))
    names = {f"encoder.layer.0.{part}" for part in ("attention.self.query", "attention.output.dense", "intermediate.dense", "output.dense")}
    assert set(one) == names
    for name, ranges in two.items():
        assert ranges.shape == (2, WIDTH)
        assert (ranges[0] <= one[name][0]).all() and (ranges[1] >= one[name][1]).all(), "more texts, wider ranges"


@pytest.mark.skipif(not has_int8(), reason="the processor has no fast 8-bit products")
def test_a_calibrated_folder_computes_in_8_bits_and_is_another_model(folder: ModelFolder) -> None:
    kind = CrossEncoder if folder.is_reranker else BiEncoder
    before = kind(folder, "f32")
    (folder.path / CALIBRATION).write_bytes(int8.calibrate(folder, _batches()))
    now = read_folder(folder.root)
    after = kind(now)
    assert now.fingerprint() != folder.fingerprint() or folder.is_calibrated
    if isinstance(before, CrossEncoder) and isinstance(after, CrossEncoder):
        pairs = [(left, right) for left in TEXTS for right in TEXTS]
        found, exact = after.score(pairs), before.score(pairs)
        assert 0 < np.abs(found - exact).max() < 0.5 * np.ptp(exact)
        assert np.corrcoef(found, exact)[0, 1] > 0.98
    elif isinstance(before, BiEncoder) and isinstance(after, BiEncoder):
        cosines = (after.encode_documents(TEXTS) * before.encode_documents(TEXTS)).sum(axis=1)
        assert 0.95 < cosines.min() < 1 - 1e-6
        assert kind(now, "f32").encode_documents(TEXTS) == pytest.approx(before.encode_documents(TEXTS), abs=1e-6), "asked for, floats stay"


def test_a_model_that_is_not_calibrated_is_not_run_in_8_bits(folder: ModelFolder) -> None:
    with pytest.raises(InputError, match=r"not calibrated for int8\. Run: bicross quantize"):
        (CrossEncoder if folder.is_reranker else BiEncoder)(folder, "int8")


def test_a_calibration_that_is_damaged_or_of_another_model_is_refused(folder: ModelFolder) -> None:
    content = int8.calibrate(folder, _batches(2))
    kind, file = CrossEncoder if folder.is_reranker else BiEncoder, folder.path / CALIBRATION
    file.write_bytes(content[:100])
    with pytest.raises(InputError, match="is not a calibration"):
        kind(folder, "int8")
    file.write_bytes(save({"encoder.layer.0.output.dense": np.full((2, WIDTH), np.nan, np.float32)}))
    with pytest.raises(InputError, match="no finite range"):
        kind(folder, "int8")
    file.write_bytes(save({"encoder.layer.0.output.dense": np.ones((2, WIDTH + 1), np.float32)}))
    with pytest.raises(InputError, match=f"of another model: .* has {WIDTH} channels"):
        kind(folder, "int8")


def test_nothing_to_calibrate_on_is_refused(folder: ModelFolder) -> None:
    with pytest.raises(InputError, match="nothing to calibrate on"):
        int8.calibrate(folder, [])
