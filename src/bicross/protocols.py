"""The plugs. A backend is anything with these methods; nothing has to inherit.

Each plug has a conformance suite in tests/conformance/ that every implementation passes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Literal, Protocol, TypeVar

from bicross.records import Passage, Query, Ranking, Space

if TYPE_CHECKING:  # numpy is only a type here, so that `import bicross` stays light
    from bicross.vectors import Keys, Scores, Vectors

A = TypeVar("A")
B = TypeVar("B")
Side = Literal["query", "document"]
Progress = Callable[[str, int, int], None]
"""Called with what is done, how many of it, and of how many (0 where that is not known)."""


def silent(what: str, done: int, total: int) -> None:
    """Progress that nobody sees."""


class Encoder(Protocol):
    """A bi-encoder. Rows come back in the order asked, finite, float32."""

    @property
    def space(self) -> Space: ...
    def encode_queries(self, texts: Sequence[str]) -> Vectors: ...  # (len(texts), dim)
    def encode_documents(self, texts: Sequence[str]) -> Vectors: ...  # (len(texts), dim)


class Scorer(Protocol):
    """Reads a query and a document together. Pairs of any queries in one call; higher is better; the order asked."""

    @property
    def fingerprint(self) -> str: ...
    def score(self, pairs: Sequence[tuple[str, str]]) -> Scores: ...  # (len(pairs),)


class Index(Protocol):
    """Vectors of one space under integer keys, which the collection hands out and never uses twice."""

    @property
    def space(self) -> Space: ...
    def __len__(self) -> int: ...
    def add(self, keys: Keys, vectors: Vectors) -> None: ...
    def remove(self, keys: Keys) -> None: ...
    def search(self, vectors: Vectors, k: int) -> tuple[Keys, Scores]: ...  # each (queries, k), key -1 where there is none
    def save(self) -> dict[str, bytes | memoryview]: ...  # file name -> content, valid until the index is changed


class Corpus(Protocol):
    """What searchers see of a collection: one snapshot. Keys are of passages that live in it; none is ever a dead one."""

    @property
    def space(self) -> Space: ...
    def nearest(self, vectors: Vectors, k: int) -> tuple[Keys, Scores]: ...  # each (queries, k), key -1 where there is none
    def lexical(self, texts: Sequence[str], k: int) -> tuple[Keys, Scores]: ...  # each (queries, k), key -1 where there is none
    def owners(self, keys: Iterable[int]) -> Mapping[int, str]: ...  # key -> id of the document, which is not read
    def passages(self, keys: Iterable[int]) -> Mapping[int, Passage]: ...
    def titles(self, doc_ids: Iterable[str]) -> Mapping[str, str]: ...
    def of_documents(self, doc_ids: Iterable[str]) -> Mapping[str, tuple[Passage, ...]]: ...


class Searcher(Protocol):
    """Ranks documents for queries. BM25, dense, fused and reranked are all Searchers; a reranker holds a Searcher."""

    def search(self, queries: Sequence[Query], k: int) -> Mapping[str, Ranking]: ...


class Executor(Protocol):
    """Runs the same work on many items, here or elsewhere, results in order."""

    def map(self, work: Callable[[A], B], items: Iterable[A]) -> Iterator[B]: ...
