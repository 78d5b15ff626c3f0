"""Losses of lists, and rates that fall with the clock."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import torch

from .bert import DEVICE, Bert


def listwise(scores: torch.Tensor, left_out: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Cross-entropy of lists, (Q, W), with a target that sums to 1, without the passages left out."""
    logs = torch.log_softmax(scores.masked_fill(left_out, -1e4), dim=1)
    return -(target * logs.masked_fill(left_out, 0)).sum(1).mean()


def schedule(model: Bert, rate: float, head: float, seconds: float) -> tuple[torch.optim.Optimizer, Callable[[], float]]:
    """AdamW without the word embeddings, and what sets its rate by the clock: up in a twentieth, down to 0; says how much is done."""
    groups: dict[tuple[bool, bool], list[Any]] = {}
    for name, weight in model.weights.items():
        if "word_embeddings" not in name:
            groups.setdefault(("pooler" in name or "classifier" in name, weight.ndim > 1), []).append(weight.requires_grad_())
    optimizer = torch.optim.AdamW(
        [
            {"params": some, "rate": head if new else rate, "weight_decay": 0.01 if decays else 0.0}
            for (new, decays), some in groups.items()
        ],
        lr=rate,
        betas=(0.9, 0.98),
        fused=DEVICE == "cuda",
    )
    begun = time.monotonic()

    def step() -> float:
        done = (time.monotonic() - begun) / seconds
        for group in optimizer.param_groups:
            group["lr"] = group["rate"] * min(1.0, done / 0.05 + 0.02, max(0.0, 1 - done) / 0.95)
        return done

    return optimizer, step


def update(optimizer: torch.optim.Optimizer, loss: torch.Tensor) -> None:
    loss.backward()
    torch.nn.utils.clip_grad_norm_([weight for group in optimizer.param_groups for weight in group["params"]], 1.0)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
