"""What the routes ask for: the models and the collections, behind a queue, in another process."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from bicross.protocols import Side
from bicross.records import Document
from bicross.settings import SearchSettings
from bicross.vectors import Vectors


@dataclass(frozen=True, slots=True)
class Embedded:
    """Unit vectors (texts, dim), float32; how many tokens each text had for the model, and whether it was cut."""

    vectors: Vectors
    tokens: tuple[int, ...]
    cut: tuple[bool, ...]


@dataclass(frozen=True, slots=True)
class Scored:
    """The cross-encoder's logits in the order asked, higher is better; tokens of each pair, and whether it was cut."""

    scores: tuple[float, ...]
    tokens: tuple[int, ...]
    cut: tuple[bool, ...]


class Searchable(Protocol):
    """What agents ask for. `collection` is a name that is served. `deadline` is a `time.monotonic()` value; work that cannot be done by
    then is not begun.

    All raise `refusals.Overloaded`, `refusals.Unavailable`, `refusals.Late`, and `errors.InputError` or `errors.StoreError` of what is
    asked. A task that is cancelled takes its work out of the queue.
    """

    async def search(
        self,
        collection: str,
        questions: Sequence[str],
        settings: SearchSettings,
        where: Mapping[str, Any] | None = None,
        deadline: float | None = None,
    ) -> list[dict[str, Any]]:
        """For each question `results.Answer.as_json()`, whose `degraded` tells that less was reranked, for the deadline, and `seconds` by
        stage. `where` is a filter on the documents' meta."""
        ...

    async def score(self, collection: str, pairs: Sequence[tuple[str, str]], deadline: float | None = None) -> Scored: ...

    async def documents(self, collection: str, ids: Sequence[str], brief: bool = False) -> list[dict[str, Any]]:
        """{id, title, text, meta} of those that exist, in the order asked; where `brief`, how title and text begin, and of meta the url."""
        ...

    async def describe(self, collection: str) -> dict[str, Any]:
        """{name, documents, passages, encoder, reranker, dimensions, max_tokens, matryoshka[dimension], similarity, space, depth,
        stage, adaptive, fast, calibrated[kind], weights}."""
        ...


class Engine(Searchable, Protocol):
    """What the routes ask for: what agents ask for, and vectors, spans and writes, which raise the same."""

    async def embed(self, collection: str, texts: Sequence[str], side: Side, deadline: float | None = None) -> Embedded: ...

    async def spans(
        self, collection: str, question: str, texts: Sequence[str], deadline: float | None = None
    ) -> list[list[dict[str, Any]]]:
        """For each text the spans that mattered to the cross-encoder: {start, end, score}, code points, end exclusive, best first."""
        ...

    async def put(self, collection: str, documents: Sequence[Document]) -> dict[str, Any]:
        """Upsert by id; on the disk and searchable when this returns. {changed, unchanged, truncated[{id, reason}], documents}."""
        ...

    async def delete(self, collection: str, ids: Sequence[str]) -> dict[str, Any]:
        """{deleted, unknown[id], documents}; gone from every answer when this returns."""
        ...

    @property
    def ready(self) -> bool:
        """Whether models and indexes are loaded and work is taken."""
        ...
