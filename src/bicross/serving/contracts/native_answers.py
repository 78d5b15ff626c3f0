"""What the native contract gives, as models, which describe it; the answers themselves are written as they come."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field


class Problem(BaseModel):
    """What was wrong: a word for programs, and a sentence for people."""

    kind: str
    message: str


class Error(BaseModel):
    """Every answer that is none. `request_id` finds it in the server's log."""

    error: Problem
    request_id: str


class PassageFound(BaseModel):
    """The part of a document that was found; code points of its text, end exclusive. `page` (from 1) and `heading` are those that
    most of it stands under, where the document has them."""

    text: str
    start: int
    end: int
    page: int | None = None
    heading: str = ""


class StageFound(BaseModel):
    """Where a stage put the document, from 1, and its score there."""

    rank: int
    score: float


class PartFound(BaseModel):
    """What a stage added to the hit's score, and its weight."""

    weight: float
    added: float


class RelevantSpan(BaseModel):
    """Code points of the passage's text, end exclusive, and how much less relevant to the reranker it is without them, in logits."""

    start: int
    end: int
    score: float


class HitFound(BaseModel):
    """A document found. `parts` and `relevant_spans` are there if `explain` was asked for: the parts sum to the score, and are none for a
    hit that was not reranked in a search that reranks; spans are null where the reranker did not read the hit or was not asked."""

    id: str
    score: float
    probability: float | None = Field(description="That it is relevant; null where the collection was not calibrated.")
    title: str
    passage: PassageFound | None
    stages: dict[str, StageFound]
    parts: dict[str, PartFound] = {}
    relevant_spans: list[RelevantSpan] | None = None


class AnswerFound(BaseModel):
    """One question's hits, best first. `answerable` is told where `min_probability` was asked for; `truncated`: the question is longer
    than a model reads; `degraded`: less was reranked or explained than asked for, so that the deadline was kept."""

    text: str
    answerable: bool | None
    probability: float | None = Field(description="The highest of all hits found, shown or not.")
    reranked: int
    truncated: bool
    degraded: bool
    hits: list[HitFound]
    seconds: dict[str, float]


class SearchFound(BaseModel):
    """An answer a question, in the order asked, and the seconds of each stage over all of them."""

    queries: list[AnswerFound]
    seconds: dict[str, float]


class Shortened(BaseModel):
    """A passage that is longer than the model reads."""

    id: str
    reason: str


class DocumentsPut(BaseModel):
    """How many documents were written, how many were there just so, and how many the collection holds now."""

    changed: int
    unchanged: int
    truncated: list[Shortened]
    documents: int


class DocumentsDeleted(BaseModel):
    """How many documents went and are left; ids that were not there."""

    deleted: int
    unknown: list[str]
    documents: int


class DocumentFound(BaseModel):
    """A document as it was put."""

    id: str
    title: str
    text: str
    meta: dict[str, Any]


class CollectionFound(BaseModel):
    """What a collection holds and what answers. What only a loaded model knows is null before the first document."""

    name: str
    documents: int
    passages: int
    encoder: str
    reranker: str
    dimensions: int | None
    matryoshka: list[int] = Field(description="The shorter dimensions that the encoder was trained for.")
    max_tokens: int | None
    similarity: str | None
    space: str | None
    depth: int = Field(description="How many candidates are reranked by default, or at most are where it is adaptive.")
    stage: str = Field(description="The kind of search where none is asked for.")
    adaptive: bool = Field(description="Whether each question tells how many candidates are reranked.")
    fast: str | None = Field(description="A faster reranker that reads candidates before.")
    calibrated: list[str]
    weights: dict[str, dict[str, float]]


class CollectionsFound(BaseModel):
    """The collections that the caller may see, the default first."""

    collections: list[CollectionFound]


class FeedbackKept(BaseModel):
    """How many judgements, and how many documents that were shown, are on the disk now."""

    judgements: int
    shown: int
