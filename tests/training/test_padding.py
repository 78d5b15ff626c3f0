"""A transformer without padding computes what it computed with it: outputs and gradients."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from transformers import AutoModel, AutoModelForSequenceClassification  # noqa: E402  # needs torch

from bicross.training import padding  # noqa: E402
from bicross.training.padding import trim_padding  # noqa: E402
from tests.training.families import FAMILIES, SPECIAL, WORDS, make  # noqa: E402

TOKENS = 128  # of a part, so that small batches have several
MIXED = [
    3, 30, 5, 12, 7, 7, 30, 4, 21, 9, 3, 3, 16, 28, 5, 11, 6, 2, 19, 8,
    25, 13, 10, 14, 4, 17, 2, 22, 15, 3, 26, 9, 18, 2, 20, 6, 23, 1, 24, 3,
]  # fmt: skip


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(padding, "PART_TOKENS", TOKENS)


def batch(lengths: list[int], left: bool = False) -> dict[str, Any]:
    """Random words, padded to the longest: ids and mask, (B, T)."""
    generator, longest = torch.Generator().manual_seed(0), max(lengths)
    ids = torch.randint(len(SPECIAL), len(SPECIAL) + len(WORDS), (len(lengths), longest), generator=generator)
    places = torch.arange(longest).expand(len(lengths), -1)
    mask = (places < torch.tensor(lengths)[:, None]).long()
    mask = mask.flip(1) if left else mask
    return {"input_ids": torch.where(mask.bool(), ids, torch.ones_like(ids)), "attention_mask": mask}


def gradients(model: Any) -> dict[str, Any]:
    found = {name: parameter.grad.clone() for name, parameter in model.named_parameters() if parameter.grad is not None}
    model.zero_grad()
    return found


def assert_close(found: Any, expected: Any) -> None:
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)


def encoded(model: Any, inputs: dict[str, Any]) -> tuple[Any, Any]:
    """The output, and the gradients of a loss that reads every visible token and every layer."""
    output = model(**inputs, output_hidden_states=True)
    visible = inputs["attention_mask"][:, :, None].float()  # (B, T, 1)
    loss = (output.last_hidden_state * visible).square().mean() + sum((layer * visible).mean() for layer in output.hidden_states)
    pooled = getattr(output, "pooler_output", None)
    (loss if pooled is None else loss + pooled.square().mean()).backward()
    return output, gradients(model)


def compare(model: Any, inputs: dict[str, Any]) -> None:
    expected, slopes = encoded(model, inputs)
    trim_padding(model)
    found, trimmed_slopes = encoded(model, inputs)
    visible = inputs["attention_mask"].bool()
    assert found.last_hidden_state.shape == expected.last_hidden_state.shape
    assert_close(found.last_hidden_state[visible], expected.last_hidden_state[visible])
    assert found[0] is found.last_hidden_state
    assert len(found.hidden_states) == len(expected.hidden_states)
    for ours, theirs in zip(found.hidden_states, expected.hidden_states, strict=True):
        assert_close(ours[visible], theirs[visible])
    if getattr(expected, "pooler_output", None) is not None:
        assert_close(found.pooler_output, expected.pooler_output)
    assert trimmed_slopes.keys() == slopes.keys()
    for name, slope in slopes.items():
        assert_close(trimmed_slopes[name], slope)


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
@pytest.mark.parametrize("family", FAMILIES)
def test_hidden_states_and_gradients_are_the_same(family: str, attention: str, tmp_path: Path) -> None:
    compare(AutoModel.from_pretrained(make(tmp_path, family), attn_implementation=attention), batch(MIXED))


@pytest.mark.parametrize("family", FAMILIES)
def test_scores_of_pairs_and_gradients_are_the_same(family: str, tmp_path: Path) -> None:
    folder = make(tmp_path, family, "ForSequenceClassification", num_labels=1)
    model = AutoModelForSequenceClassification.from_pretrained(folder, attn_implementation="eager").eval()
    inputs = batch(MIXED)
    if family == "Bert":
        inputs["token_type_ids"] = (torch.arange(30) > 1).long().repeat(len(MIXED), 1)
    expected = model(**inputs).logits
    expected.square().sum().backward()
    slopes = gradients(model)
    trim_padding(model.base_model)
    found = model(**inputs).logits
    found.square().sum().backward()
    assert_close(found, expected)
    trimmed_slopes = gradients(model)
    for name, slope in slopes.items():
        torch.testing.assert_close(trimmed_slopes[name], slope, atol=1e-5 * float(slope.abs().max() + 1), rtol=1e-4)


@pytest.mark.parametrize("lengths", [[7], [9] * 33, list(range(1, 18)), [1] * 20 + [40]], ids=["one", "equal", "ramp", "outlier"])
def test_batches_of_other_shapes(lengths: list[int], tmp_path: Path) -> None:
    compare(AutoModel.from_pretrained(make(tmp_path)), batch(lengths))


def test_padding_on_the_left_stays(tmp_path: Path) -> None:
    compare(AutoModel.from_pretrained(make(tmp_path)), batch(MIXED, left=True))


def test_it_saves_work_only_where_there_is_padding(tmp_path: Path) -> None:
    model = AutoModel.from_pretrained(make(tmp_path))
    shapes: list[tuple[int, ...]] = []
    model.embeddings.register_forward_hook(lambda module, inputs, output: shapes.append(tuple(output.shape[:2])))
    trim_padding(model)
    inputs = batch(MIXED)
    model(**inputs)
    assert sum(rows for rows, _ in shapes) == len(MIXED)
    assert all(rows * length <= TOKENS for rows, length in shapes)
    assert sum(rows * length for rows, length in shapes) < inputs["input_ids"].numel() * 0.7
    shapes.clear()
    model(input_ids=inputs["input_ids"])  # no mask says what is padding
    model(**batch([30, 5, 12, 30]))  # as little as one part
    assert shapes == [(len(MIXED), 30), (4, 30)]
