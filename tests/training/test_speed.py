"""The rate of training is measured on the model and the texts given."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("torch")

from bicross.errors import InputError
from bicross.training.speed import training_rate
from tests.training.families import make, words


def test_a_tiny_model_trains_at_some_rate(tmp_path: Path) -> None:
    base = make(tmp_path)
    texts = [words(*range(length)) for length in (3, 70, 12)] * 30  # some longer than the model's positions
    assert training_rate(base, texts, 192, seconds=0.2) > 0
    with pytest.raises(InputError, match="no text"):
        training_rate(base, [], 192)
