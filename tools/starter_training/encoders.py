"""The bi-encoder."""

from __future__ import annotations

import numpy as np
import torch
from torch.nn import functional

from .bert import DEVICE, HIDDEN, LAYERS, Bert, Weights
from .log import say
from .optimising import listwise, schedule, update
from .recall import Recall
from .rerankers import MARGIN
from .sampling import SHARE_OF_ASKED, Sampler
from .texts import embed, score

SCALE = 50.0  # of cosines in the softmax


def train_encoder(out: Recall, base: Weights, judge: Bert, seconds: float, batch: int, seed: int) -> Bert:
    """The bi-encoder: in-batch and denoised negatives, and the cross-encoder's order of each question's own."""
    data, width = out.data, 6
    model = Bert(base, LAYERS)
    sampler = Sampler(out, np.random.default_rng(seed), SHARE_OF_ASKED)
    optimizer, step = schedule(model, 4e-5, 4e-5, seconds)
    steps, losses = 0, []
    while step() < 1:
        questions = sampler.draw(batch)
        lists = sampler.lists(questions, width, 1)
        left_out = sampler.same(questions, lists)
        flat = torch.tensor(questions).repeat_interleave(width), lists.reshape(-1)
        with torch.no_grad():
            taught = (score(judge, data, *flat) + out.scores(*flat)).view(lists.shape)
        left_out |= (taught > taught[:, :1] - MARGIN) & (torch.arange(width, device=DEVICE) > 0)
        asked = embed(model, data.questions, torch.tensor(questions), data.prefix["query"])
        told = embed(model, data.passages, lists.reshape(-1), data.prefix["passage"]).view(batch, width, -1)
        own = SCALE * torch.einsum("qd,qwd->qw", asked, told)
        every = SCALE * asked @ told.reshape(-1, HIDDEN).T  # (Q, Q * W)
        mine = torch.arange(batch, device=DEVICE)
        blocked = every.detach() > own[:, :1].detach()  # of other questions: as near as the answer, so perhaps one
        blocked.view(batch, batch, width)[mine, mine] = left_out
        contrast = functional.cross_entropy(every.masked_fill(blocked, -1e4), mine * width)
        distil = listwise(own, left_out, torch.softmax(taught.masked_fill(left_out, -1e4), 1))
        update(optimizer, contrast + distil)
        steps += 1
        if steps % 20 == 0:
            losses.append((float(contrast), float(distil)))
    say(
        "bi-encoder trained",
        steps=steps,
        questions=steps * batch,
        losses=[[round(value, 4) for value in one] for one in losses[:: max(1, len(losses) // 6)]],
    )
    return model
