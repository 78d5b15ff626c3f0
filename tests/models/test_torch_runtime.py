"""The starter pair on torch: the plugs' suites, and the numbers of OpenVINO. On the processor here; a GPU does the same."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")  # the extra `train`

from bicross.errors import InputError
from bicross.models import devices
from bicross.models.bi_encoder import BiEncoder
from bicross.models.cross_encoder import CrossEncoder
from bicross.models.devices import TORCH_CPU
from bicross.models.late_interaction import LateInteraction
from bicross.models.registry import find, load_encoder, load_reranker
from bicross.protocols import Encoder, Scorer
from bicross.settings import STARTER_ENCODER, STARTER_RERANKER
from tests.conformance.encoder import TEXTS, EncoderConformance
from tests.conformance.scorer import PAIRS, ScorerConformance
from tests.models.test_parity import FAMILIES, checkpoint, pooled
from tests.models.test_parity import PAIRS as TINY_PAIRS
from tests.models.test_parity import TEXTS as TINY_TEXTS


class TestStarterEncoder(EncoderConformance):
    def make(self) -> BiEncoder:
        return BiEncoder(find(STARTER_ENCODER), device=TORCH_CPU)

    def test_vectors_are_those_of_openvino(self, encoder: Encoder) -> None:
        reference = load_encoder(STARTER_ENCODER, "f32", "cpu")
        assert encoder.space == reference.space
        assert encoder.encode_documents(TEXTS) == pytest.approx(reference.encode_documents(TEXTS), abs=1e-5)
        pairs = [(text, text) for text in TEXTS[:4]]
        assert LateInteraction(encoder).score(pairs) == pytest.approx(LateInteraction(reference).score(pairs), abs=1e-3)  # type: ignore[arg-type]  # both are BiEncoders

    def test_bf16_is_near(self, encoder: Encoder) -> None:
        rows = BiEncoder(find(STARTER_ENCODER), "bf16", TORCH_CPU).encode_documents(TEXTS)
        assert (rows * encoder.encode_documents(TEXTS)).sum(axis=1).min() > 0.999


class TestStarterReranker(ScorerConformance):
    def make(self) -> CrossEncoder:
        return CrossEncoder(find(STARTER_RERANKER), device=TORCH_CPU)

    def test_scores_are_those_of_openvino(self, scorer: Scorer) -> None:
        assert scorer.score(PAIRS) == pytest.approx(load_reranker(STARTER_RERANKER, "f32", "cpu").score(PAIRS), abs=1e-3)


@pytest.mark.parametrize("family", FAMILIES)
def test_tiny_models_of_each_family(tmp_path: Path, family: str) -> None:
    rerank = find(str(checkpoint(tmp_path / "reranker", family, "ForSequenceClassification", num_labels=1)))
    assert CrossEncoder(rerank, "f32", TORCH_CPU).score(TINY_PAIRS) == pytest.approx(
        CrossEncoder(rerank, "f32").score(TINY_PAIRS), abs=1e-4
    )
    for how in ("mean", "cls", "max"):
        encode = find(str(pooled(checkpoint(tmp_path / how, family, "Model"), how)))
        ours, other = (BiEncoder(encode, "f32", device).encode_documents(TINY_TEXTS) for device in (TORCH_CPU, "cpu"))
        assert ours == pytest.approx(other, abs=1e-5)


def test_a_reranker_of_several_classes_is_refused(tmp_path: Path) -> None:
    folder = find(str(checkpoint(tmp_path, "Bert", "ForSequenceClassification", num_labels=3)))
    with pytest.raises(InputError, match="gives 3 scores a pair; expected 1"):
        CrossEncoder(folder, device=TORCH_CPU)


def test_a_device_that_is_not_known_or_not_here_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    assert devices.resolved("cpu") == "cpu"
    with pytest.raises(InputError, match="'gpu' is not known; expected auto, cpu, cuda or mps"):
        devices.resolved("gpu")
    monkeypatch.setattr("bicross.models.torch_runtime.gpus", lambda: ["mps"])
    with pytest.raises(InputError, match="finds no cuda device here; it finds mps"):
        devices.resolved("cuda")
    monkeypatch.setenv(devices.VARIABLE, "mps")
    assert devices.resolved(None) == "mps"


def test_without_a_gpu_and_its_driver_auto_is_the_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(devices.VARIABLE, raising=False)
    monkeypatch.setattr(devices, "DRIVERS", ())
    monkeypatch.setattr("sys.platform", "linux")
    assert devices.resolved(None) == "cpu"


def test_batches_come_back_in_order() -> None:
    engine = devices.runtime(TORCH_CPU).bi_encoder(find(STARTER_ENCODER), "f32")
    batches = [(np.full((rows, 5), 9), np.ones((rows, 5), np.int64), np.zeros((rows, 5), np.int64)) for rows in (1, 3, 2)]
    assert [len(rows) for rows in engine.run(batches)] == [1, 3, 2]
    assert list(engine.run([])) == []
