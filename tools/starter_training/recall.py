"""What recall finds, on the device: by cosine, and by BM25 over word pieces."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch

from .bert import DEVICE, VOCABULARY, Bert
from .log import say
from .texts import CHUNK, Data, Texts, embed

OWN = 4  # documents that answer a question, at most
POOL = 24  # candidates of a question that are kept


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
        """The recall score of pairs, (pairs,): cosine and BM25, weighted. What was cut for a cloze takes the BM25 of the set's last."""
        questions, passages = questions.to(DEVICE), passages.to(DEVICE)
        dense = (self.asked[questions] * self.told[passages]).sum(-1)
        lexical = self.lexical[self.at[questions] + torch.minimum(passages, self.last[questions])].float()
        return self.weights[0] * dense + self.weights[1] * lexical


def bm25(data: Data, name: str) -> torch.Tensor:
    """Scores of all questions of a set and all its passages over word pieces, (questions, passages), bf16, each question's best 1."""
    rows, columns = data.sets[name]

    def counts(texts: Texts, part: slice) -> torch.Tensor:
        ids = texts.ids[texts.at[part.start] : texts.at[part.stop]].long()
        owner = torch.repeat_interleave(torch.arange(part.stop - part.start, device=DEVICE), texts.on[part])
        return torch.sparse_coo_tensor(
            torch.stack([owner, ids]), torch.ones(len(ids), device=DEVICE), (part.stop - part.start, VOCABULARY)
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
        out = Recall(data, asked, told, torch.empty(0), at, last, torch.from_numpy(data.owner).to(DEVICE), own.to(DEVICE), {})
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
        out.lexical, out.at, out.last = torch.cat(lexical), at.to(DEVICE), last.to(DEVICE)
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
