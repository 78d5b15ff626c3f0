"""Which questions and which of their candidates a step learns from."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
import torch

from .bert import DEVICE
from .recall import Recall

GROUP = 8  # an answer and its negatives
ASKED = ("drcd", "drcd_simplified", "cmrc_trial", "squad_sentences")
SHARE_OF_ASKED = 0.42  # of the rows that people's questions are


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
            some = [
                row
                for row in range(rows.start, rows.stop)
                if row in self.out.found and row not in data.watched and len(self.out.found[row]) >= GROUP
            ]
            if not any(row in data.watched for row in range(rows.start, rows.stop)) or len(some) > 50:
                self.rows[f"{name}"] = np.array([row for row in some if row not in data.cut])
                self.rows[f"{name}/cloze"] = np.array([row for row in some if row in data.cut])
        self.rows = {name: rows for name, rows in self.rows.items() if len(rows)}
        size = {
            name: len(rows) if name in ASKED else math.sqrt(len(rows)) * (0.5 if name.endswith("/cloze") else 1)
            for name, rows in self.rows.items()
        }
        whole = {
            True: sum(value for name, value in size.items() if name in ASKED),
            False: sum(value for name, value in size.items() if name not in ASKED),
        }
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
        """Which of the lists' passages are no negatives, (questions, width): of an answer's document, or as good as a copy of it."""
        rows, asked = lists.to(DEVICE), torch.tensor(questions, device=DEVICE)
        vectors = self.out.told[rows]  # (Q, W, HIDDEN)
        alike = (vectors @ vectors[:, :1].transpose(1, 2))[..., 0] > 0.97
        alike |= (self.out.owner[rows][..., None] == self.out.own[asked][:, None]).any(-1)
        alike[:, 0] = False
        return alike
