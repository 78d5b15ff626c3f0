"""The two cross-encoders."""

from __future__ import annotations

import numpy as np
import torch
from torch.nn import functional

from .bert import DEVICE, HIDDEN, Bert, Weights, fewer, reranker
from .log import say
from .optimising import listwise, schedule, update
from .recall import Recall
from .sampling import GROUP, SHARE_OF_ASKED, Sampler
from .texts import PAD, chunks, pairs, score

SOFT = 0.2  # of the label that the recall score makes
RAW = 0.6  # of the time that candidates are taken as they were found
MARGIN = 0.5  # by which an answer's score has to be above a negative's


def residual_weights(out: Recall, sampler: Sampler) -> tuple[float, float]:
    """Weights of cosine and BM25 that order lists best, by gradient descent on some."""
    questions = sampler.draw(2048)
    lists = sampler.lists(questions, 16, 2)
    left_out = sampler.same(questions, lists)
    flat = torch.tensor(questions).repeat_interleave(16), lists.reshape(-1)
    columns = []
    for weights in ((1.0, 0.0), (0.0, 1.0)):
        out.weights = weights
        columns.append(out.scores(*flat).view(-1, 16))
    found = torch.tensor([20.0, 3.0], device=DEVICE, requires_grad=True)
    optimizer = torch.optim.Adam([found], lr=0.5)
    target = functional.one_hot(torch.zeros(len(lists), dtype=torch.long, device=DEVICE), 16).float()
    for _ in range(150):
        optimizer.zero_grad()
        loss = listwise(found[0] * columns[0] + found[1] * columns[1], left_out, target)
        loss.backward()
        optimizer.step()
    return float(found[0]), float(found[1])


def train_reranker(out: Recall, base: Weights, seconds: float, batch: int, seed: int) -> Bert:
    """The full cross-encoder: raw candidates for six tenths of the time, then those that a copy of itself sorts."""
    data, model, copy = out.data, reranker(base), None
    sampler = Sampler(out, np.random.default_rng(seed), SHARE_OF_ASKED)
    out.weights = residual_weights(out, sampler)
    say(
        "recall score",
        cosine=round(out.weights[0], 2),
        words=round(out.weights[1], 2),
        chances={name: round(value, 4) for name, value in sampler.chances.items()},
    )
    optimizer, step = schedule(model, 1.5e-4, 5e-4, seconds)
    losses, steps, suspects = [], 0, torch.zeros(2, device=DEVICE)
    while (done := step()) < 1:
        questions = sampler.draw(batch)
        if done < RAW:
            lists, left_out = (found := sampler.lists(questions, GROUP, 1)), sampler.same(questions, found)
        else:
            if copy is None:
                copy = model.copy()
            lists, left_out = denoised(copy, out, sampler, questions, 14, suspects)
        flat = torch.tensor(questions).repeat_interleave(lists.shape[1]), lists.reshape(-1)
        recalled = out.scores(*flat).view(lists.shape)
        own = score(model, data, *flat).view(lists.shape)
        target = functional.one_hot(torch.zeros(len(lists), dtype=torch.long, device=DEVICE), lists.shape[1]).float()
        soft = torch.softmax(recalled.masked_fill(left_out, -1e4), 1)
        alone = listwise(own, left_out, (1 - SOFT) * target + SOFT * soft)
        above = listwise(own + recalled, left_out, target)
        update(optimizer, 0.5 * alone + 0.5 * above)
        steps += 1
        if steps % 25 == 0:
            losses.append((float(alone), float(above)))
        if steps % 250 == 0:
            first, second = np.mean(losses, axis=0)
            say(
                "cross-encoder",
                steps=steps,
                done=round(done, 2),
                alone=round(float(first), 4),
                above_recall=round(float(second), 4),
                suspects=suspects.tolist(),
            )
            losses = []
    say("cross-encoder trained", steps=steps, questions=steps * batch, suspects=suspects.tolist())
    return model


@torch.no_grad()
def denoised(
    judge: Bert, out: Recall, sampler: Sampler, questions: list[int], width: int, suspects: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Lists of GROUP: the judge scores more candidates; those as good as the answer are left out, of the rest the best are taken."""
    wide = sampler.lists(questions, width, 2)
    known = sampler.same(questions, wide)
    flat = torch.tensor(questions).repeat_interleave(width), wide.reshape(-1)
    total = (score(judge, out.data, *flat) + out.scores(*flat)).view(wide.shape)
    suspect = total > total[:, :1] - MARGIN
    suspect[:, 0] = False
    suspects += torch.stack([suspect.sum(), torch.tensor(suspect.numel() - len(questions), device=DEVICE)])
    order = total.masked_fill(known | suspect, -1e4)
    order[:, 0] = 1e4
    best = order.topk(GROUP - 1, dim=1).indices
    best = torch.cat([best, torch.full((len(best), 1), width - 1, device=DEVICE)], 1)  # and one at random
    return wide.gather(1, best.cpu()), (known | suspect).gather(1, best)


def train_fast(out: Recall, full: Bert, layers: int, seconds: float, batch: int, seed: int) -> Bert:
    """A cross-encoder of fewer layers: the full one's scores, and its hidden states layer to layer."""
    model, kept = fewer(full, layers)
    sampler = Sampler(out, np.random.default_rng(seed), SHARE_OF_ASKED)
    optimizer, step = schedule(model, 2e-4, 2e-4, seconds)
    steps, losses = 0, []
    with torch.no_grad():
        taught_by = full.cast()
    while step() < 1:
        questions = sampler.draw(batch)
        lists = sampler.lists(questions, GROUP, 1)
        left_out = sampler.same(questions, lists)
        asked, read_ = torch.tensor(questions).repeat_interleave(GROUP), lists.reshape(-1)
        make, ours, theirs, order, hidden, cast = pairs(out.data, asked, read_), [], [], [], [], model.cast()
        for rows, longest in chunks(out.data.questions.lengths[asked] + out.data.passages.lengths[read_] + 4):
            ids = make(rows, longest)
            mask = ids != PAD
            student = model.states(cast, ids, mask)
            with torch.no_grad():
                teacher = full.states(taught_by, ids, mask)
                theirs.append(full.logits(taught_by, teacher[-1]))
            ours.append(model.logits(cast, student[-1]))
            weight, count = mask[..., None], mask.sum() * HIDDEN * layers
            apart = [((student[place + 1] - teacher[layer + 1]) * weight).float().square().sum() for place, layer in enumerate(kept)]
            hidden.append(torch.stack(apart).sum() / count)
            order.append(rows)
        back = torch.argsort(torch.cat(order)).to(DEVICE)
        own, taught = torch.cat(ours)[back].view(lists.shape), torch.cat(theirs)[back].view(lists.shape)
        distance = torch.stack(hidden).mean()
        scores = listwise(own, left_out, torch.softmax(taught.masked_fill(left_out, -1e4), 1))
        loss = scores + 0.02 * functional.mse_loss(own, taught) + distance
        update(optimizer, loss)
        steps += 1
        if steps % 50 == 0:
            losses.append((float(scores), float(distance)))
    say(
        "fast cross-encoder trained",
        steps=steps,
        questions=steps * batch,
        losses=[[round(value, 4) for value in one] for one in losses[:: max(1, len(losses) // 6)]],
    )
    return model
