"""nDCG@10 on the questions that train nothing."""

from __future__ import annotations

import numpy as np
import torch

from .bert import Bert
from .log import say
from .recall import Recall
from .sampling import GROUP
from .texts import CHUNK, embed, score

DEEP = 30  # candidates that an order is measured on
WATCHED = 120  # questions of a set


def ndcg(gains: torch.Tensor, scores: torch.Tensor) -> float:
    """nDCG@10 with one relevant passage or more among the candidates; (Q, C) each."""
    order = scores.argsort(dim=1, descending=True)
    discount = 1 / torch.log2(torch.arange(2, 12, device=scores.device).float())
    gained = gains.gather(1, order)[:, :10]
    best = gains.sort(dim=1, descending=True).values[:, :10]
    return float(((gained * discount[: gained.shape[1]]).sum(1) / (best * discount[: best.shape[1]]).sum(1).clamp(min=1e-6)).mean())


@torch.no_grad()
def watch(out: Recall, models: dict[str, Bert]) -> None:
    """nDCG@10 on the watched questions of each set, the answer's passage among the best DEEP candidates: recall, each model alone, both."""
    rng = np.random.default_rng(1)
    for name, (rows, _) in out.data.sets.items():
        some = [row for row in range(rows.start, rows.stop) if row in out.data.watched and len(out.found.get(row, ())) >= GROUP]
        if len(some) < 20 or name.endswith("_simplified"):
            continue
        some = sorted(rng.choice(some, min(WATCHED, len(some)), replace=False).tolist())
        width = min(DEEP, 1 + min(len(out.found[row]) for row in some))
        lists = torch.tensor([[out.positives[row][0], *out.found[row][: width - 1]] for row in some])
        flat = torch.tensor(some).repeat_interleave(width), lists.reshape(-1)
        recalled = out.scores(*flat).view(lists.shape)
        gains = torch.zeros_like(recalled)
        gains[:, 0] = 1
        facts = {"recall": round(ndcg(gains, recalled), 4)}
        for label, model in models.items():
            own = score(model, out.data, *flat, 8 * CHUNK).view(lists.shape)
            facts |= {label: round(ndcg(gains, own), 4)}
            facts |= {f"{label} + {weight} recall": round(ndcg(gains, own + weight * recalled), 4) for weight in (0.5, 1.0)}
        say(name, questions=len(some), **facts)


@torch.no_grad()
def dense(out: Recall, model: Bert) -> dict[str, float]:
    """nDCG@10 of dense search alone over each whole set, on the watched questions."""
    rng, found = np.random.default_rng(1), {}
    for name, (rows, columns) in out.data.sets.items():
        some = [row for row in range(rows.start, rows.stop) if row in out.data.watched]
        if len(some) < 20 or name.endswith("_simplified"):
            continue
        some = sorted(rng.choice(some, min(2 * WATCHED, len(some)), replace=False).tolist())
        asked = embed(model, out.data.questions, torch.tensor(some), out.data.prefix["query"], 8 * CHUNK)
        told = embed(model, out.data.passages, torch.arange(columns.start, columns.stop), out.data.prefix["passage"], 8 * CHUNK)
        best = (asked @ told.T).topk(min(10, len(told))).indices.cpu() + columns.start
        gains = torch.tensor(
            [
                [float(int(row) in {one for part in out.data.answers[question] for one in part}) for row in top]
                for question, top in zip(some, best, strict=True)
            ]
        )
        discount = 1 / torch.log2(torch.arange(2, 2 + gains.shape[1]).float())
        found[name] = round(float((gains * discount).amax(1).mean()), 4)
    return found
