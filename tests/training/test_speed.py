"""A step of training goes through every layer of the model given, and changes no weight."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")

from bicross.errors import ModelNotFound
from bicross.training import loading, speed
from bicross.training.surgery import layers_of
from tests.training.families import make, words


@pytest.mark.parametrize(("head", "kind"), [("Model", "SentenceTransformer"), ("ForSequenceClassification", "CrossEncoder")])
def test_every_layer_gets_gradients_and_no_weight_changes(head: str, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    base, loaded, load = make(tmp_path, head=head), list[Any](), loading.load

    def seen(*arguments: Any) -> Any:
        loaded.append(load(*arguments))
        return loaded[-1]

    monkeypatch.setattr(speed, "load", seen)
    step = speed.training_step(base, 192)
    (model,) = loaded
    assert type(model).__name__ == kind
    transformer = model[0].model.base_model
    before = {name: value.clone() for name, value in transformer.state_dict().items()}
    texts = [words(*range(length)) for length in (3, 70, 12)]  # some longer than the model's positions
    step([("w1 w2", text) for text in texts] if kind == "CrossEncoder" else texts)
    for layer in layers_of(transformer):
        assert any(value.grad is not None and value.grad.abs().sum() > 0 for value in layer.parameters())
    assert transformer.get_input_embeddings().weight.grad is None
    assert all((value == before[name]).all() for name, value in transformer.state_dict().items())


def test_no_model_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ModelNotFound, match=r"config\.json"):
        speed.training_step(tmp_path, 192)
