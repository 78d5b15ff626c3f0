"""Token ids of all texts on the device, and what the models say of some of them."""

from __future__ import annotations

import io
import lzma
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional

from .bert import DEVICE, Bert

BOS, PAD, EOS = 0, 1, 2
CHUNK = 32_768  # padded tokens computed together


class Texts:
    """Token ids of many texts, flat on the device."""

    def __init__(self, parts: list[tuple[np.ndarray, np.ndarray]]) -> None:
        lengths = np.concatenate([np.diff(at.astype(np.int64)) for _, at in parts])
        self.lengths = torch.from_numpy(lengths)
        self.at = torch.from_numpy(np.concatenate([[0], np.cumsum(lengths)])).to(DEVICE)
        self.ids = torch.from_numpy(np.concatenate([ids for ids, _ in parts]).astype(np.int32)).to(DEVICE)
        self.on = self.lengths.to(DEVICE)

    def place(self, into: torch.Tensor, rows: torch.Tensor, first: torch.Tensor) -> None:
        """Write the texts `rows` (B,) into `into` (B, T), each from the column `first` (B,)."""
        columns = torch.arange(into.shape[1], device=DEVICE)[None] - first[:, None]  # (B, T)
        inside = (columns >= 0) & (columns < self.on[rows][:, None])
        found = self.ids[(self.at[rows][:, None] + columns).clamp(0, len(self.ids) - 1)].long()
        into.copy_(torch.where(inside, found, into))


@dataclass
class Data:
    """All sets. Rows of questions and passages count through all of them."""

    questions: Texts
    passages: Texts
    sets: dict[str, tuple[slice, slice]]
    """Rows of each set's questions and of its passages that are searched; what was cut for a cloze lies beyond."""
    answers: dict[int, list[list[int]]]
    cut: dict[int, int]
    watched: set[int]
    prefix: dict[str, torch.Tensor]
    owner: np.ndarray
    """The document of each passage, or -1."""


def read(path: Path) -> Data:
    """The file of `starter_rows.py`."""
    arrays = np.load(io.BytesIO(lzma.decompress(path.read_bytes())))
    names = sorted({name.partition("/")[0] for name in arrays.files} - {"prefix"})
    parts: dict[str, list[tuple[np.ndarray, np.ndarray]]] = {"questions": [], "passages": []}
    sets, answers, cut, watched, owner = {}, {}, {}, set(), []
    first = {"questions": 0, "passages": 0}
    for number, name in enumerate(names):
        for kind, found in parts.items():
            found.append((arrays[f"{name}/{kind}"], arrays[f"{name}/{kind}_at"]))
        documents, clozes = arrays[f"{name}/documents"].astype(np.int64), arrays[f"{name}/clozes"].astype(np.int64)
        questions, passages = first["questions"], first["passages"]
        for row, part, passage in arrays[f"{name}/answers"].astype(np.int64):
            known = answers.setdefault(int(questions + row), [])
            known.extend([] for _ in range(int(part) + 1 - len(known)))
            known[part].append(int(passages + passage))
        watched |= {int(questions + row) for row in np.flatnonzero(arrays[f"{name}/watched"])}
        count = len(arrays[f"{name}/watched"])
        for row, (passage, variant) in enumerate(clozes):
            answers[questions + count + row] = [[int(passages + passage)]]
            cut[questions + count + row] = int(passages + variant)
        sets[name] = (slice(questions, questions + count + len(clozes)), slice(passages, passages + len(documents)))
        rows = len(arrays[f"{name}/passages_at"]) - 1
        owner.append(np.concatenate([documents + number * 10_000_000, np.full(rows - len(documents), -1)]))
        first["questions"] += count + len(clozes)
        first["passages"] += rows
    prefix = {name: torch.from_numpy(arrays[f"prefix/{name}"].astype(np.int64)).to(DEVICE) for name in ("query", "passage")}
    return Data(Texts(parts["questions"]), Texts(parts["passages"]), sets, answers, cut, watched, prefix, np.concatenate(owner))


def chunks(lengths: torch.Tensor, budget: int = CHUNK) -> Iterator[tuple[torch.Tensor, int]]:
    """Rows in the order of their lengths, as many as the budget of padded tokens holds, with the longest's length."""
    order = torch.argsort(lengths, descending=True)
    start = 0
    while start < len(order):
        longest = -(-int(lengths[order[start]]) // 8) * 8
        rows = order[start : start + max(1, budget // longest)]
        yield rows, longest
        start += len(rows)


def pairs(data: Data, asked: torch.Tensor, read_: torch.Tensor) -> Callable[[torch.Tensor, int], torch.Tensor]:
    """Makes the ids of some of the (question, passage) pairs, (B, T): <s> question </s></s> passage </s>."""

    def make(rows: torch.Tensor, longest: int) -> torch.Tensor:
        question, passage = asked[rows].to(DEVICE), read_[rows].to(DEVICE)
        ids = torch.full((len(rows), longest), PAD, device=DEVICE)
        ids[:, 0] = BOS
        middle = data.questions.on[question] + 1
        last = middle + 2 + data.passages.on[passage]
        data.questions.place(ids, question, torch.ones_like(question))
        data.passages.place(ids, passage, middle + 2)
        for column in (middle, middle + 1, last):
            ids.scatter_(1, column[:, None], EOS)
        return ids

    return make


def singles(texts: Texts, rows: torch.Tensor, prefix: torch.Tensor, longest: int) -> torch.Tensor:
    """The ids of some texts as the bi-encoder reads them, (B, T): <s> prefix text </s>."""
    rows = rows.to(DEVICE)
    ids = torch.full((len(rows), longest), PAD, device=DEVICE)
    ids[:, 0] = BOS
    ids[:, 1 : 1 + len(prefix)] = prefix
    texts.place(ids, rows, torch.full_like(rows, 1 + len(prefix)))
    ids.scatter_(1, (1 + len(prefix) + texts.on[rows])[:, None], EOS)
    return ids


def embed(model: Bert, texts: Texts, rows: torch.Tensor, prefix: torch.Tensor, budget: int = CHUNK) -> torch.Tensor:
    """Unit vectors, (len(rows), 384), fp32: the mean of the tokens' last states."""
    found, order, cast = list[torch.Tensor](), list[torch.Tensor](), model.cast()
    for part, longest in chunks(texts.lengths[rows] + 2 + len(prefix), budget):
        ids = singles(texts, rows[part], prefix, longest)
        mask = ids != PAD
        states = model.states(cast, ids, mask)[-1].float()
        found.append(functional.normalize((states * mask[..., None]).sum(1), dim=-1))
        order.append(part)
    return torch.cat(found)[torch.argsort(torch.cat(order)).to(DEVICE)]


def score(model: Bert, data: Data, asked: torch.Tensor, read_: torch.Tensor, budget: int = CHUNK) -> torch.Tensor:
    """Logits of pairs, (pairs,), fp32."""
    make, found, order, cast = pairs(data, asked, read_), [], [], model.cast()
    for rows, longest in chunks(data.questions.lengths[asked] + data.passages.lengths[read_] + 4, budget):
        ids = make(rows, longest)
        found.append(model.logits(cast, model.states(cast, ids, ids != PAD)[-1]))
        order.append(rows)
    return torch.cat(found)[torch.argsort(torch.cat(order)).to(DEVICE)]
