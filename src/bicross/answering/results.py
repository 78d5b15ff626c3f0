"""What `faq`, `classify` and `similarity` give back. Field for field this is their JSON; times are seconds."""

from __future__ import annotations

from dataclasses import dataclass

from bicross.evaluation.reliability import Share, Threshold
from bicross.records import Skip


@dataclass(frozen=True, slots=True)
class Choice:
    """A label (of an FAQ an answer) for a text, how probably it is right, and the known text that is nearest, with its cosine.

    `answered` is false where that is not probable enough: then "I do not know". `expected` is the label that a file gave.
    """

    text: str
    label: str
    probability: float
    answered: bool
    nearest: str
    cosine: float
    score: float | None = None
    expected: str | None = None


@dataclass(frozen=True, slots=True)
class Fit:
    """Where the probabilities come from: `fitted_to` "known texts", each asked as if it were not there, or "general questions". With
    `asked` pairs, `threshold` says what the cut brings on them; `cut` is the least probability that is answered."""

    fitted_to: str
    asked: int
    threshold: Threshold
    cut: float


@dataclass(frozen=True, slots=True)
class Measured:
    """On texts with a known label: `accuracy` if all are answered, `precision` of those that are, and the share `answered`.

    Intervals are of 95 %.
    """

    texts: int
    accuracy: Share
    precision: Share | None
    answered: Share


@dataclass(frozen=True, slots=True)
class Chosen:
    """`faq` and `classify`."""

    known: int
    labels: int
    choices: tuple[Choice, ...]
    fit: Fit
    measured: Measured | None
    kept: str | None
    remarks: tuple[str, ...]
    skipped: tuple[Skip, ...]
    seconds: dict[str, float]


@dataclass(frozen=True, slots=True)
class Similarity:
    """`similarity` of two texts: the cosine of the bi-encoder's vectors; the cross-encoder's score of each order, and `relevance`, the
    logistic function of their mean."""

    a: str
    b: str
    cosine: float
    score: float
    score_reversed: float
    relevance: float
    encoder: str
    reranker: str


@dataclass(frozen=True, slots=True)
class Agreement:
    """`similarity` of a file of pairs with labels: Spearman's rank correlation of each model's opinion with the labels, 95 % intervals."""

    pairs: int
    cosine: Share
    score: Share
    both: Share
    encoder: str
    reranker: str
