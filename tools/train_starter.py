"""Train the starter's models on a GPU, out of the rows of `tools/starter_rows.py`, in some minutes.

    python tools/train_starter.py --rows rows.npz.xz --base src/bicross/starter/encoder/model.packed.safetensors --into OUT --minutes 9

Needs torch, safetensors and numpy, and nothing of bicross but `packing.py`. The base is the bi-encoder that was. Steps:

1. Every passage and question is embedded, and every set's candidates are found: by cosine, and by BM25 over word pieces.
2. The full cross-encoder learns lists of an answer, hard negatives and a random passage. Its loss is the mean of two listwise softmaxes
   (Cao et al. 2007): of its score alone, and of its score on top of the recall score, so that it learns what recall does not know.
   Labels are mixed with the softmax of the recall score, which knows other domains. Half way on, a copy of itself scores
   the candidates first: those that it holds for answers are left out, and of the others the hardest are taken.
3. The fast one, of half the layers, learns its scores and its hidden states (Jiao et al. 2020, "TinyBERT").
4. The bi-encoder learns from in-batch and denoised hard negatives and from the cross-encoder's scores. Mixed with its base (Wortsman et
   al. 2022) by the share that is best on the watched questions.

Each step has its share of the time. Rates fall to 0 with it. OUT gets a file per half of a model, in 8 bits, and log.json.
"""

from __future__ import annotations

import argparse
import importlib.util
import io
import json
import lzma
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import load as load_tensors
from safetensors.numpy import save_file

BOS, PAD, EOS = 0, 1, 2
OWN = 4  # documents that answer a question, at most
GROUP = 8  # an answer and its negatives
POOL = 24  # candidates of a question that are kept
DEEP = 30  # candidates that a watched question's order is measured on
WATCHED = 120  # questions of a set
CHUNK = 32_768  # padded tokens computed together
SHARE_OF_ASKED = 0.42  # of the rows that people's questions are
ASKED = ("drcd", "drcd_simplified", "cmrc_trial", "squad_sentences")
SOFT = 0.2  # of the label that the recall score makes
SCALE = 50.0  # of cosines in the bi-encoder's softmax
VOCABULARY, HIDDEN, HEADS, LAYERS = 48663, 384, 12, 12
Weights = dict[str, torch.Tensor]
device = "cuda" if torch.cuda.is_available() else "cpu"
started = time.monotonic()
log: dict[str, Any] = {"steps": []}


def say(what: str, **facts: Any) -> None:
    """One line, and one entry of the log."""
    entry = {"at": round(time.monotonic() - started, 1), "what": what, **facts}
    log["steps"].append(entry)
    print(json.dumps(entry), flush=True)


class Texts:
    """Token ids of many texts, flat on the device."""

    def __init__(self, parts: list[tuple[np.ndarray, np.ndarray]]) -> None:
        lengths = np.concatenate([np.diff(at.astype(np.int64)) for _, at in parts])
        self.lengths = torch.from_numpy(lengths)
        self.at = torch.from_numpy(np.concatenate([[0], np.cumsum(lengths)])).to(device)
        self.ids = torch.from_numpy(np.concatenate([ids for ids, _ in parts]).astype(np.int32)).to(device)
        self.on = self.lengths.to(device)

    def place(self, into: torch.Tensor, rows: torch.Tensor, first: torch.Tensor) -> None:
        """Write the texts `rows` (B,) into `into` (B, T), each from the column `first` (B,)."""
        columns = torch.arange(into.shape[1], device=device)[None] - first[:, None]  # (B, T)
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
    prefix: Weights
    owner: np.ndarray
    """The document of each passage, or -1."""


def read(path: Path, limit: int | None) -> Data:
    """The file of `starter_rows.py`."""
    arrays = np.load(io.BytesIO(lzma.decompress(path.read_bytes())))
    names = sorted({name.partition("/")[0] for name in arrays.files} - {"prefix"})
    parts: dict[str, list[tuple[np.ndarray, np.ndarray]]] = {"questions": [], "passages": []}
    sets, answers, cut, watched, owner = {}, {}, {}, set(), []
    first = {"questions": 0, "passages": 0}
    for number, name in enumerate(names[:limit]):
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
    prefix = {name: torch.from_numpy(arrays[f"prefix/{name}"].astype(np.int64)).to(device) for name in ("query", "passage")}
    return Data(Texts(parts["questions"]), Texts(parts["passages"]), sets, answers, cut, watched, prefix, np.concatenate(owner))


class Bert:
    """A BERT by its weights, fp32, under the names that transformers gives them; computed in bf16. `head` is what those names begin with."""

    def __init__(self, weights: Weights, layers: int, head: str = "") -> None:
        self.weights = {name: value.detach().clone().to(device) for name, value in weights.items()}
        self.layers, self.head = layers, head

    def cast(self) -> Weights:
        """The weights in bf16, through which gradients flow back."""
        return {name: value.to(torch.bfloat16) for name, value in self.weights.items()}

    def copy(self) -> Bert:
        return Bert(self.weights, self.layers, self.head)

    def states(self, cast: Weights, ids: torch.Tensor, mask: torch.Tensor) -> list[torch.Tensor]:
        """Of the embeddings and of each layer, each (B, T, HIDDEN)."""
        rows, length = ids.shape

        def norm(states: torch.Tensor, name: str) -> torch.Tensor:
            return F.layer_norm(states, (HIDDEN,), cast[name + ".LayerNorm.weight"], cast[name + ".LayerNorm.bias"], 1e-12)

        def linear(states: torch.Tensor, name: str) -> torch.Tensor:
            return F.linear(states, cast[name + ".weight"], cast[name + ".bias"])

        at = self.head + "embeddings"
        place = cast[at + ".position_embeddings.weight"][:length] + cast[at + ".token_type_embeddings.weight"][0]
        found = [norm(F.embedding(ids, cast[at + ".word_embeddings.weight"]) + place, at)]
        seen = mask[:, None, None, :].expand(rows, HEADS, length, length)
        for layer in range(self.layers):
            at, states = f"{self.head}encoder.layer.{layer}", found[-1]
            parts = [
                linear(states, f"{at}.attention.self.{name}").view(rows, length, HEADS, -1).transpose(1, 2) for name in ("query", "key", "value")
            ]
            read_ = F.scaled_dot_product_attention(*parts, attn_mask=seen).transpose(1, 2).reshape(rows, length, HIDDEN)
            states = norm(linear(read_, at + ".attention.output.dense") + states, at + ".attention.output")
            wide = F.gelu(linear(states, at + ".intermediate.dense"))
            found.append(norm(linear(wide, at + ".output.dense") + states, at + ".output"))
        return found

    def logits(self, cast: Weights, states: torch.Tensor) -> torch.Tensor:
        """(B,), fp32, of the last states."""
        pooled = torch.tanh(F.linear(states[:, 0], cast[self.head + "pooler.dense.weight"], cast[self.head + "pooler.dense.bias"]))
        return F.linear(pooled, cast["classifier.weight"], cast["classifier.bias"])[:, 0].float()


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
        question, passage = asked[rows].to(device), read_[rows].to(device)
        ids = torch.full((len(rows), longest), PAD, device=device)
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
    rows = rows.to(device)
    ids = torch.full((len(rows), longest), PAD, device=device)
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
        found.append(F.normalize((states * mask[..., None]).sum(1), dim=-1))
        order.append(part)
    return torch.cat(found)[torch.argsort(torch.cat(order)).to(device)]


def score(model: Bert, data: Data, asked: torch.Tensor, read_: torch.Tensor, budget: int = CHUNK) -> torch.Tensor:
    """Logits of pairs, (pairs,), fp32."""
    make, found, order, cast = pairs(data, asked, read_), [], [], model.cast()
    for rows, longest in chunks(data.questions.lengths[asked] + data.passages.lengths[read_] + 4, budget):
        ids = make(rows, longest)
        found.append(model.logits(cast, model.states(cast, ids, ids != PAD)[-1]))
        order.append(rows)
    return torch.cat(found)[torch.argsort(torch.cat(order)).to(device)]


@dataclass
class Recall:
    """What recall finds: for a question the answers and the candidates, and the two scores of any passage of its set."""

    data: Data
    asked: torch.Tensor  # (questions, HIDDEN)
    told: torch.Tensor  # (passages, HIDDEN)
    lexical: torch.Tensor  # of each set (its questions, its passages), all flat, bf16, as shares of the question's best
    at: torch.Tensor  # (questions,): where in `lexical` a question's passages begin, less the number of the first
    last: torch.Tensor  # (questions,): the last passage of the question's set
    owner: torch.Tensor  # (passages,)
    own: torch.Tensor  # (questions, OWN): owners of its answers, filled up with -2
    name: dict[int, str]
    found: dict[int, list[int]] = field(default_factory=dict)
    positives: dict[int, list[int]] = field(default_factory=dict)
    weights: tuple[float, float] = (1.0, 1.0)

    def scores(self, questions: torch.Tensor, passages: torch.Tensor) -> torch.Tensor:
        """The recall score of pairs, (pairs,): cosine and BM25, weighted. A passage cut for a cloze has no BM25; its neighbour's is taken."""
        questions, passages = questions.to(device), passages.to(device)
        dense = (self.asked[questions] * self.told[passages]).sum(-1)
        lexical = self.lexical[self.at[questions] + torch.minimum(passages, self.last[questions])].float()
        return self.weights[0] * dense + self.weights[1] * lexical


def bm25(data: Data, name: str) -> torch.Tensor:
    """Scores of all questions of a set and all its passages over word pieces, (questions, passages), bf16, each question's best 1."""
    rows, columns = data.sets[name]

    def counts(texts: Texts, part: slice) -> torch.Tensor:
        ids = texts.ids[texts.at[part.start] : texts.at[part.stop]].long()
        owner = torch.repeat_interleave(torch.arange(part.stop - part.start, device=device), texts.on[part])
        return torch.sparse_coo_tensor(
            torch.stack([owner, ids]), torch.ones(len(ids), device=device), (part.stop - part.start, VOCABULARY)
        ).coalesce()

    documents = counts(data.passages, columns)
    owner, token = documents.indices()
    frequency, lengths = documents.values(), data.passages.on[columns].float()
    appears = torch.bincount(token, minlength=VOCABULARY).float()
    total = columns.stop - columns.start
    weight = torch.log1p((total - appears + 0.5) / (appears + 0.5))
    impact = weight[token] * frequency * 2.2 / (frequency + 1.2 * (0.25 + 0.75 * lengths[owner] / lengths.mean()))
    table = torch.sparse_coo_tensor(torch.stack([owner, token]), impact, (total, VOCABULARY)).to_dense().bfloat16()
    found = []
    for start in range(rows.start, rows.stop, 2048):
        part = slice(start, min(rows.stop, start + 2048))
        asked = counts(data.questions, part).to_dense().clamp(max=1).bfloat16()
        scores = asked @ table.T
        found.append(scores / scores.amax(1, keepdim=True).clamp(min=1e-6))
    return torch.cat(found)


def recall(data: Data, model: Bert) -> Recall:
    """Embed everything, and find every question's candidates."""
    with torch.no_grad():
        asked = embed(model, data.questions, torch.arange(len(data.questions.lengths)), data.prefix["query"], 8 * CHUNK)
        told = embed(model, data.passages, torch.arange(len(data.passages.lengths)), data.prefix["passage"], 8 * CHUNK)
        say("embedded", questions=len(asked), passages=len(told), tokens=int(data.passages.lengths.sum()))
        at, last = torch.zeros(len(asked), dtype=torch.long), torch.zeros(len(asked), dtype=torch.long)
        own, lexical, start = torch.full((len(asked), OWN), -2), list[torch.Tensor](), 0
        for question, known in data.answers.items():
            owners = sorted({int(data.owner[row]) for part in known for row in part})[:OWN]
            own[question, : len(owners)] = torch.tensor(owners)
        out = Recall(data, asked, told, torch.empty(0), at, last, torch.from_numpy(data.owner).to(device), own.to(device), {})
        vectors = asked.cpu().numpy(), told.cpu().numpy()
        for name, (rows, columns) in data.sets.items():
            scores = bm25(data, name)
            lexical.append(scores.reshape(-1))
            width = columns.stop - columns.start
            at[rows] = start + torch.arange(rows.stop - rows.start) * width - columns.start
            last[rows] = columns.stop - 1
            start += scores.numel()
            for first in range(rows.start, rows.stop, 2048):
                part = slice(first, min(rows.stop, first + 2048))
                count = min(2 * POOL, width)
                by_dense = (asked[part] @ told[columns].T).topk(count).indices.cpu().numpy() + columns.start
                by_words = scores[first - rows.start : part.stop - rows.start].float().topk(count).indices.cpu().numpy() + columns.start
                for place, question in enumerate(range(part.start, part.stop)):
                    out.name[question] = name
                    if question in data.answers:
                        _candidates(out, question, by_dense[place].tolist(), by_words[place].tolist(), vectors)
        out.lexical, out.at, out.last = torch.cat(lexical), at.to(device), last.to(device)
    say("candidates found", questions=len(out.found), scores=len(out.lexical))
    return out


def _candidates(out: Recall, question: int, by_dense: list[int], by_words: list[int], vectors: tuple[np.ndarray, np.ndarray]) -> None:
    """Keep a question's answers, of each document the passage nearest to it, and the fused candidates of other documents."""
    data, (asked, told) = out.data, vectors
    known = data.answers[question]
    out.positives[question] = [part[int((told[part] @ asked[question]).argmax())] if len(part) > 1 else part[0] for part in known]
    owners = {int(data.owner[row]) for part in known for row in part}
    ranks: dict[int, float] = {}
    for order in (by_dense, by_words):
        for rank, row in enumerate(order):
            ranks[row] = ranks.get(row, 0.0) + 1 / (60 + rank)
    best = sorted(ranks, key=lambda row: -ranks[row])
    out.found[question] = [row for row in best[: POOL + 8] if int(data.owner[row]) not in owners][:POOL]


@dataclass
class Sampler:
    """Draws questions: people's own with their share, sets of free text by the square root of their size."""

    out: Recall
    rng: np.random.Generator
    asked_share: float
    chances: dict[str, float] = field(default_factory=dict)
    rows: dict[str, np.ndarray] = field(default_factory=dict)
    at: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        data = self.out.data
        for name, (rows, _) in data.sets.items():
            some = [row for row in range(rows.start, rows.stop) if row in self.out.found and row not in data.watched and len(self.out.found[row]) >= GROUP]
            if not any(row in data.watched for row in range(rows.start, rows.stop)) or len(some) > 50:
                self.rows[f"{name}"] = np.array([row for row in some if row not in data.cut])
                self.rows[f"{name}/cloze"] = np.array([row for row in some if row in data.cut])
        self.rows = {name: rows for name, rows in self.rows.items() if len(rows)}
        size = {name: len(rows) if name in ASKED else math.sqrt(len(rows)) * (0.5 if name.endswith("/cloze") else 1) for name, rows in self.rows.items()}
        whole = {True: sum(value for name, value in size.items() if name in ASKED), False: sum(value for name, value in size.items() if name not in ASKED)}
        share = {True: self.asked_share, False: 1 - self.asked_share}
        self.chances = {name: value / whole[name in ASKED] * share[name in ASKED] for name, value in size.items()}

    def draw(self, count: int) -> list[int]:
        """Questions; each set's own in an order that begins again when it is used up."""
        names, found = list(self.chances), []
        weights = np.array([self.chances[name] for name in names])
        for name in self.rng.choice(len(names), count, p=weights / weights.sum()):
            rows = self.rows[names[name]]
            place = self.at.get(names[name], 0)
            if place % len(rows) == 0:
                self.rng.shuffle(rows)
            found.append(int(rows[place % len(rows)]))
            self.at[names[name]] = place + 1
        return found

    def lists(self, questions: list[int], width: int, far: int) -> torch.Tensor:
        """For each question an answer, candidates and `far` random passages of its set, (questions, width)."""
        out, rows = self.out, []
        for question in questions:
            positive = int(self.rng.choice(out.positives[question]))
            _, columns = out.data.sets[out.name[question]]
            found = out.found[question]
            near = self.rng.choice(len(found), min(width - 1 - far, len(found)), replace=False)
            others = [found[place] for place in near]
            others += [int(row) for row in self.rng.integers(columns.start, columns.stop, width - 1 - len(others))]
            if question in out.data.cut:
                positive = out.data.cut[question]
            rows.append([positive, *others])
        return torch.tensor(rows)

    def same(self, questions: list[int], lists: torch.Tensor) -> torch.Tensor:
        """Which of the lists' passages must not count as negatives, (questions, width): of an answer's document, or as good as a copy of it."""
        rows, asked = lists.to(device), torch.tensor(questions, device=device)
        vectors = self.out.told[rows]  # (Q, W, HIDDEN)
        alike = (vectors @ vectors[:, :1].transpose(1, 2))[..., 0] > 0.97
        alike |= (self.out.owner[rows][..., None] == self.out.own[asked][:, None]).any(-1)
        alike[:, 0] = False
        return alike


def listwise(scores: torch.Tensor, left_out: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Cross-entropy of lists, (Q, W), with a target that sums to 1, without the passages left out."""
    logs = torch.log_softmax(scores.masked_fill(left_out, -1e4), dim=1)
    return -(target * logs.masked_fill(left_out, 0)).sum(1).mean()


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
    found = torch.tensor([20.0, 3.0], device=device, requires_grad=True)
    optimizer = torch.optim.Adam([found], lr=0.5)
    target = F.one_hot(torch.zeros(len(lists), dtype=torch.long, device=device), 16).float()
    for _ in range(150):
        optimizer.zero_grad()
        loss = listwise(found[0] * columns[0] + found[1] * columns[1], left_out, target)
        loss.backward()
        optimizer.step()
    return float(found[0]), float(found[1])


def reranker(base: Weights) -> Bert:
    """A cross-encoder of the base's weights with a new head."""
    weights = {"bert." + name: value for name, value in base.items()}
    weights["bert.pooler.dense.weight"] = torch.randn(HIDDEN, HIDDEN) * 0.02
    weights["classifier.weight"] = torch.randn(1, HIDDEN) * 0.02
    weights["bert.pooler.dense.bias"], weights["classifier.bias"] = torch.zeros(HIDDEN), torch.zeros(1)
    return Bert(weights, LAYERS, "bert.")


def fewer(of: Bert, layers: int) -> tuple[Bert, list[int]]:
    """A model of some of the layers, evenly spread, the last one among them; and which."""
    kept = [round((place + 1) * of.layers / layers) - 1 for place in range(layers)]
    weights = {name: value for name, value in of.weights.items() if ".layer." not in name}
    for place, layer in enumerate(kept):
        old, new = (f"{of.head}encoder.layer.{number}." for number in (layer, place))
        weights |= {new + name.removeprefix(old): value for name, value in of.weights.items() if name.startswith(old)}
    return Bert(weights, layers, of.head), kept


def schedule(model: Bert, rate: float, head: float, seconds: float) -> tuple[torch.optim.Optimizer, Callable[[], float]]:
    """AdamW without the word embeddings, and what sets its rate by the clock: up in a twentieth, down to 0; says how much is done."""
    groups: dict[tuple[bool, bool], list[Any]] = {}
    for name, weight in model.weights.items():
        if "word_embeddings" not in name:
            groups.setdefault(("pooler" in name or "classifier" in name, weight.ndim > 1), []).append(weight.requires_grad_())
    optimizer = torch.optim.AdamW(
        [{"params": some, "rate": head if new else rate, "weight_decay": 0.01 if decays else 0.0} for (new, decays), some in groups.items()],
        lr=rate,
        betas=(0.9, 0.98),
        fused=device == "cuda",
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


def train_reranker(out: Recall, base: Weights, seconds: float, batch: int, seed: int) -> Bert:
    """The full cross-encoder: raw candidates for six tenths of the time, then those that a copy of itself sorts."""
    data, model, copy = out.data, reranker(base), None
    sampler = Sampler(out, np.random.default_rng(seed), SHARE_OF_ASKED)
    out.weights = residual_weights(out, sampler)
    say("recall score", cosine=round(out.weights[0], 2), words=round(out.weights[1], 2), chances={name: round(value, 4) for name, value in sampler.chances.items()})
    optimizer, step = schedule(model, 1.5e-4, 5e-4, seconds)
    losses, steps, suspects = [], 0, torch.zeros(2, device=device)
    while (done := step()) < 1:
        questions = sampler.draw(batch)
        if done < 0.6:
            lists, left_out = (found := sampler.lists(questions, GROUP, 1)), sampler.same(questions, found)
        else:
            if copy is None:
                copy = model.copy()
            lists, left_out = denoised(copy, out, sampler, questions, 14, suspects)
        flat = torch.tensor(questions).repeat_interleave(lists.shape[1]), lists.reshape(-1)
        recalled = out.scores(*flat).view(lists.shape)
        own = score(model, data, *flat).view(lists.shape)
        target = F.one_hot(torch.zeros(len(lists), dtype=torch.long, device=device), lists.shape[1]).float()
        soft = torch.softmax(recalled.masked_fill(left_out, -1e4), 1)
        alone = listwise(own, left_out, (1 - SOFT) * target + SOFT * soft)
        above = listwise(own + recalled, left_out, target)
        update(optimizer, 0.5 * alone + 0.5 * above)
        steps += 1
        if steps % 25 == 0:
            losses.append((float(alone), float(above)))
        if steps % 250 == 0:
            first, second = np.mean(losses, axis=0)
            say("cross-encoder", steps=steps, done=round(done, 2), alone=round(float(first), 4), above_recall=round(float(second), 4), suspects=suspects.tolist())
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
    suspect = total > total[:, :1] - 0.5
    suspect[:, 0] = False
    suspects += torch.stack([suspect.sum(), torch.tensor(suspect.numel() - len(questions), device=device)])
    order = total.masked_fill(known | suspect, -1e4)
    order[:, 0] = 1e4
    best = order.topk(GROUP - 1, dim=1).indices
    best = torch.cat([best, torch.full((len(best), 1), width - 1, device=device)], 1)  # and one at random
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
        back = torch.argsort(torch.cat(order)).to(device)
        own, taught = torch.cat(ours)[back].view(lists.shape), torch.cat(theirs)[back].view(lists.shape)
        distance = torch.stack(hidden).mean()
        scores = listwise(own, left_out, torch.softmax(taught.masked_fill(left_out, -1e4), 1))
        loss = scores + 0.02 * F.mse_loss(own, taught) + distance
        update(optimizer, loss)
        steps += 1
        if steps % 50 == 0:
            losses.append((float(scores), float(distance)))
    say("fast cross-encoder trained", steps=steps, questions=steps * batch, losses=[[round(value, 4) for value in one] for one in losses[:: max(1, len(losses) // 6)]])
    return model


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
        left_out |= (taught > taught[:, :1] - 0.5) & (torch.arange(width, device=device) > 0)
        asked = embed(model, data.questions, torch.tensor(questions), data.prefix["query"])
        told = embed(model, data.passages, lists.reshape(-1), data.prefix["passage"]).view(batch, width, -1)
        own = SCALE * torch.einsum("qd,qwd->qw", asked, told)
        every = SCALE * asked @ told.reshape(-1, HIDDEN).T  # (Q, Q * W)
        mine = torch.arange(batch, device=device)
        blocked = every.detach() > own[:, :1].detach()  # of other questions: as near as the answer, so perhaps one
        blocked.view(batch, batch, width)[mine, mine] = left_out
        contrast = F.cross_entropy(every.masked_fill(blocked, -1e4), mine * width)
        distil = listwise(own, left_out, torch.softmax(taught.masked_fill(left_out, -1e4), 1))
        update(optimizer, contrast + distil)
        steps += 1
        if steps % 20 == 0:
            losses.append((float(contrast), float(distil)))
    say("bi-encoder trained", steps=steps, questions=steps * batch, losses=[[round(value, 4) for value in one] for one in losses[:: max(1, len(losses) // 6)]])
    return model


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
        gains = torch.tensor([[float(int(row) in {one for part in out.data.answers[question] for one in part}) for row in top] for question, top in zip(some, best, strict=True)])
        discount = 1 / torch.log2(torch.arange(2, 2 + gains.shape[1]).float())
        found[name] = round(float((gains * discount).amax(1).mean()), 4)
    return found


def mixed(model: Bert, base: Weights, share: float) -> Bert:
    """`share` of the model's weights and the rest of the base's."""
    return Bert({name: share * value.detach().cpu() + (1 - share) * base[name].cpu() for name, value in model.weights.items()}, model.layers)


def small_encoder(out: Recall, full: Bert, layers: int, seconds: float, seed: int) -> Bert:
    """A bi-encoder of fewer layers that puts every text where the full one puts it."""
    model, _ = fewer(full, layers)
    optimizer, step = schedule(model, 3e-4, 3e-4, seconds)
    rng, steps, losses = np.random.default_rng(seed), 0, []
    while step() < 1:
        loss = torch.zeros((), device=device)
        for texts, prefix in ((out.data.questions, "query"), (out.data.passages, "passage")):
            rows = torch.from_numpy(rng.integers(0, len(texts.lengths), 512))
            ours = embed(model, texts, rows, out.data.prefix[prefix])
            with torch.no_grad():
                theirs = embed(full, texts, rows, out.data.prefix[prefix], 8 * CHUNK)
            loss = loss + (1 - (ours * theirs).sum(1)).mean() * 10 + 10 * ((ours @ ours.T - theirs @ theirs.T) ** 2).mean().sqrt()
        update(optimizer, loss)
        steps += 1
        if steps % 50 == 0:
            losses.append(round(float(loss), 4))
    say("small bi-encoder trained", steps=steps, losses=losses[:: max(1, len(losses) // 8)])
    return model


def save(model: Bert, into: Path, halves: int) -> None:
    """The weights but for the word embeddings in 8 bits, as `packing.py` does it, in so many files."""
    packing = _packing()
    weights = {name: value.detach().cpu().numpy().astype(np.float16) for name, value in model.weights.items() if "word_embeddings" not in name}
    packed = packing.pack(weights)
    names = sorted(packed)
    for half in range(halves):
        save_file({name: packed[name] for name in names[half::halves]}, into.with_name(f"{into.name}-{half}.safetensors"))


def _packing() -> Any:
    place = Path(__file__).parents[1] / "src" / "bicross" / "starter" / "packing.py"
    spec = importlib.util.spec_from_file_location("packing", place)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=Path, required=True)
    parser.add_argument("--base", type=Path, required=True)
    parser.add_argument("--into", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=9.0)
    parser.add_argument("--batch", type=int, default=64, help="questions of a step")
    parser.add_argument("--sets", type=int, help="only so many, to try it")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    options.into.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(options.seed)
    torch.set_float32_matmul_precision("high")
    left = lambda: 60 * options.minutes - (time.monotonic() - started)  # noqa: E731
    data = read(options.rows, options.sets)
    base = {name: value.float() for name, value in load_tensors(_packing().unpack(options.base)).items() if "pooler" not in name and "position_ids" not in name}
    say("read", device=torch.cuda.get_device_name() if device == "cuda" else "cpu", questions=len(data.questions.lengths), passages=len(data.passages.lengths))
    out = recall(data, Bert(base, LAYERS))
    time_left = left() - 0.05 * 60 * options.minutes
    full = train_reranker(out, base, 0.56 * time_left, options.batch, options.seed)
    save(full, options.into / "full", 2)
    fast = train_fast(out, full, 6, 0.15 * time_left, options.batch, options.seed + 1)
    save(fast, options.into / "fast", 1)
    watch(out, {"full": full, "fast": fast})
    tuned = train_encoder(out, base, full, 0.17 * time_left, 2 * options.batch, options.seed + 2)
    save(tuned, options.into / "encoder", 2)
    for share in (0.0, 0.3, 0.5, 0.7, 1.0):
        say("bi-encoder", share=share, ndcg=dense(out, mixed(tuned, base, share)))
    small = small_encoder(out, mixed(tuned, base, 0.5), 6, max(5.0, left() - 8), options.seed + 3)
    save(small, options.into / "small", 1)
    say("small bi-encoder", ndcg=dense(out, small))
    (options.into / "log.json").write_text(json.dumps(log, indent=1))


if __name__ == "__main__":
    main()
