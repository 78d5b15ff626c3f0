"""Less padding: a batch goes through the transformer in parts of similar length, each no longer than its longest text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

PART_TOKENS = 2048  # that go through together, padding counted, and at least one text


def trim_padding(transformer: Any) -> None:
    """From now on `transformer` computes what it did, but not for padding: batches of mixed lengths are mostly that.

    Texts are sorted by length and run in parts of 2,048 tokens; what comes out stands in the order asked, (B, T, D), with zeros where
    a part was shorter, which no pooling reads. Last hidden state, pooled output and hidden states are put together so, nothing else.
    Padding on the left stays. Measured in docs/log.md.
    """
    whole = transformer.forward

    def forward(input_ids: torch.Tensor | None = None, attention_mask: torch.Tensor | None = None, **others: Any) -> Any:
        if input_ids is None or attention_mask is None or input_ids.numel() <= PART_TOKENS or attention_mask.ndim != 2:
            return whole(input_ids=input_ids, attention_mask=attention_mask, **others)
        places = torch.arange(1, attention_mask.shape[1] + 1, device=attention_mask.device)  # (T,)
        lengths = (attention_mask.bool() * places).amax(dim=1)  # (B,) up to the last visible token
        order = torch.argsort(lengths, stable=True)  # (B,)
        parts = [
            _part(rows, int(lengths[rows].max()), input_ids, attention_mask, others) for rows in _split(order, lengths[order].tolist())
        ]
        return _joined([whole(**part) for part in parts], torch.argsort(order), input_ids.shape[1])

    transformer.forward = forward


def _split(order: torch.Tensor, lengths: Sequence[int]) -> Sequence[torch.Tensor]:
    """The rows, shortest text first, in parts of bounded size; `lengths` are theirs, ascending."""
    sizes, size = list[int](), 0
    for length in lengths:
        if size and (size + 1) * length > PART_TOKENS:
            sizes.append(size)
            size = 0
        size += 1
    parts: Sequence[torch.Tensor] = order.split([*sizes, size])  # type: ignore[no-untyped-call]  # torch's own
    return parts


def _part(
    rows: torch.Tensor, longest: int, input_ids: torch.Tensor, attention_mask: torch.Tensor, others: dict[str, Any]
) -> dict[str, Any]:
    """The arguments for some of the texts, cut to the longest of them."""
    shape = input_ids.shape
    cut = {
        name: value[rows, :longest] if isinstance(value, torch.Tensor) and value.shape == shape else value for name, value in others.items()
    }
    return {"input_ids": input_ids[rows, :longest], "attention_mask": attention_mask[rows, :longest], **cut}


def _joined(outputs: list[Any], back: torch.Tensor, length: int) -> Any:
    """One output of all parts: tensors padded to `length` tokens, in the order asked."""

    def tokens(parts: list[torch.Tensor]) -> torch.Tensor:
        padded = [torch.nn.functional.pad(part, (0, 0, 0, length - part.shape[1])) for part in parts]  # each (part, T, D)
        return torch.cat(padded)[back]

    first = outputs[0]
    first.last_hidden_state = tokens([output.last_hidden_state for output in outputs])
    if getattr(first, "pooler_output", None) is not None:
        first.pooler_output = torch.cat([output.pooler_output for output in outputs])[back]
    if getattr(first, "hidden_states", None) is not None:
        first.hidden_states = tuple(tokens(list(layer)) for layer in zip(*(output.hidden_states for output in outputs), strict=True))
    return first
