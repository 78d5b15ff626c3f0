"""The nouns. All that flows between stages is one of these: frozen, small, plain types only. See docs/data_model.md."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Qrels = Mapping[str, Mapping[str, int]]
"""Query id -> document id -> grade. Grade 0 is judged and not relevant; higher is better."""


@dataclass(frozen=True, slots=True)
class Document:
    """What the user owns. A recommender's item is a Document too."""

    id: str
    text: str
    title: str = ""
    meta: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Passage:
    """A span of a Document's text: what is embedded and reranked. `start` and `end` count code points, end exclusive.

    A passage that is shown has the page (from 1) and the heading that most of it stands under, where its document has them.
    """

    id: str
    doc_id: str
    start: int
    end: int
    text: str
    page: int | None = None
    heading: str = ""


@dataclass(frozen=True, slots=True)
class Query:
    """A question. A recommender's user is a Query whose `meta` holds the history."""

    id: str
    text: str
    meta: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Space:
    """Which model made a vector. Vectors mix only inside one space.

    `fingerprint` hashes weights, tokenizer, pooling, prompts, normalisation and length limit;
    `similarity` is "cosine" or "dot".
    """

    fingerprint: str
    dim: int
    similarity: str = "cosine"


@dataclass(frozen=True, slots=True)
class Stage:
    """Where one stage of search put a document: rank counts from 1, a higher score is better."""

    rank: int
    score: float


@dataclass(frozen=True, slots=True)
class Hit:
    """A document found. `score` orders the ranking; `probability` is that of being relevant, in [0, 1], by a fitted Calibration; `stages`
    explains."""

    doc_id: str
    score: float
    passage: Passage | None = None
    stages: Mapping[str, Stage] = field(default_factory=dict)
    probability: float | None = None


Ranking = tuple[Hit, ...]
"""Hits, best first. Equal scores stand in the order of their ids (`vectors.best_first`)."""


@dataclass(frozen=True, slots=True)
class Term:
    """What one stage's score adds to a logit: `slope` times the score, never less than `absent`, which is added where the stage did not
    find the document; a stage without `absent` must have scored it."""

    slope: float
    absent: float | None = None


@dataclass(frozen=True, slots=True)
class Calibration:
    """What turns the scores of a hit into the probability that it is relevant, whatever other hits there are: the logistic function of
    `offset` and the terms of its scores, or, where there are `knots` (logit, probability), the line through them, flat beyond its ends.

    BM25 counts as log(1 + score), because it has no upper end. `fitted_to` tells to which questions (`ancestry.marks`); nothing where that
    is not known.
    """

    offset: float
    terms: Mapping[str, Term]
    knots: tuple[tuple[float, float], ...] = ()
    fitted_to: str = ""

    def logit(self, scores: Mapping[str, float]) -> float | None:
        """Of the scores by stage; None where one is missing that must be there."""
        value = self.offset
        for name, term in self.terms.items():
            if name in scores:
                added = term.slope * read_score(name, scores[name])
                value += added if term.absent is None else max(term.absent, added)
            elif term.absent is None:
                return None
            else:
                value += term.absent
        return value

    def probability(self, scores: Mapping[str, float]) -> float | None:
        """In [0, 1], of the scores by stage; None where one is missing that must be there."""
        logit = self.logit(scores)
        if logit is None:
            return None
        if not self.knots:
            return 1 / (1 + math.exp(-max(-60.0, min(60.0, logit))))
        place = bisect_right(self.knots, logit, key=lambda knot: knot[0])
        if place in (0, len(self.knots)):
            return self.knots[max(0, place - 1)][1]
        (left, low), (right, high) = self.knots[place - 1 : place + 1]
        return low + (high - low) * (logit - left) / (right - left)


def read_score(stage: str, score: float) -> float:
    """A stage's score as a Calibration reads it."""
    return math.log1p(max(0.0, score)) if stage == "lexical" else score


@dataclass(frozen=True, slots=True)
class Run:
    """The rankings of many queries under one name."""

    name: str
    rankings: Mapping[str, Ranking]


@dataclass(frozen=True, slots=True)
class Report:
    """What an evaluation found. `per_query` maps measure -> query id -> value, so that two Reports can be compared."""

    run: str
    means: Mapping[str, float]
    per_query: Mapping[str, Mapping[str, float]]
    confidence: Mapping[str, tuple[float, float]]
    ceiling: Mapping[str, float]
    latency: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A document beside a question: what the models read of it, and what each stage thinks of it.

    `kind` is one of KINDS. `scores` holds those that are known of "lexical", "dense", their ranks "lexical rank" and
    "dense rank" and "rank" in the fused order (all from 1), "rerank", and "teacher".
    """

    doc_id: str
    text: str
    kind: str
    scores: Mapping[str, float] = field(default_factory=dict)


KINDS = ("positive", "hard", "suspect", "duplicate", "easy", "random", "unsorted")
"""Known answer; hard negative; suspected false negative; near-duplicate of an answer; easy negative; drawn at random; not yet scored."""


@dataclass(frozen=True, slots=True)
class Mined:
    """A question with its known answers and the candidates that mining found for it, in the order of recall.

    `source` says what made it: fingerprints of collection and models, the settings, the threshold and the fold.
    """

    query: Query
    positives: tuple[Candidate, ...]
    candidates: tuple[Candidate, ...]
    source: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Example:
    """A training row: `positive` answers `query`, `negatives` do not. `scores` are a teacher's, of the positive and then of the negatives.

    `ids` name the documents of the positive and the negatives, where they are known; `answers` names every document that must
    never stand as a negative for this question in a batch: known answers, their near-duplicates, and suspects.
    """

    query: str
    positive: str
    negatives: tuple[str, ...] = ()
    scores: tuple[float, ...] = ()
    source: str = ""
    query_id: str = ""
    ids: tuple[str, ...] = ()
    answers: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class LabelledPair:
    """Two texts and how alike, or how relevant, they are: a similarity, a grade, or 0 and 1."""

    first: str
    second: str
    label: float


@dataclass(frozen=True, slots=True)
class Skip:
    """A row or file that was left out, by name, and why."""

    id: str
    reason: str


def reading(title: str, text: str) -> str:
    """What a model reads of a passage: the title first, unless the text already begins with it, as a heading or as words."""
    head, body = title.strip(), text.lstrip("# \t\r\n")
    begins = body.startswith(head) and not body[len(head) : len(head) + 1].isalnum()
    return text if not head or begins else f"{head}\n{text}"
