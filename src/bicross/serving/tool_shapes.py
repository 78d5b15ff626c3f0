"""What the tools of agents take and give. `FoundAll` and `Fetched` are what the connectors of ChatGPT and its deep research expect."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, Field

from bicross.serving.feedback import LONGEST_QUESTION

LONGEST_TEXT, MOST_TEXTS = 100_000, 200  # characters, texts
MOST_HITS = 50  # half of what the native API gives: all that a tool answers stands in the agent's context
Question = Annotated[str, Field(max_length=LONGEST_QUESTION, description="A question or keywords, in English or Chinese.")]
Text = Annotated[str, Field(max_length=LONGEST_TEXT)]
Named = Annotated[str | None, Field(max_length=200, description="A name from list_collections; without one, the default collection.")]


class Found(BaseModel):
    """A document that may answer. `id` is for `fetch`."""

    id: str
    title: str
    url: str


class FoundAll(BaseModel):
    """The documents found, best first."""

    results: list[Found]


class Fetched(BaseModel):
    """A whole document; `metadata` is what its owner stored beside it."""

    id: str
    title: str
    text: str
    url: str
    metadata: dict[str, Any]


class Reranked(BaseModel):
    """A text's place in the list that was given, counted from 0, and how well it answers, in [0, 1]."""

    index: int
    relevance_score: float


class RerankedAll(BaseModel):
    """The texts, best first."""

    results: list[Reranked]


class Listed(BaseModel):
    """A collection that may be searched."""

    name: str
    documents: int
    default: bool


class ListedAll(BaseModel):
    """All collections that the caller may search."""

    collections: list[Listed]
