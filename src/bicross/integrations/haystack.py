"""Bicross in Haystack (haystack-ai 3): a collection as a document store, two-stage search as a retriever, and each model alone.

    from bicross.integrations.haystack import BicrossDocumentStore, BicrossRetriever
    BicrossRetriever(BicrossDocumentStore("manual"), top_k=3).run("how do I reset it?")

The only file that imports haystack.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from bicross.errors import InputError, MissingExtra
from bicross.integrations.haystack_filters import translated
from bicross.integrations.store import Found, Store, document_of, meta_of, text_of, told
from bicross.models import registry
from bicross.models.scores import best_first, relevance
from bicross.opened import Once
from bicross.records import Document as Stored
from bicross.records import reading
from bicross.settings import STARTER_ENCODER, STARTER_RERANKER, Depth, IndexSettings, SearchSettings, StageName

try:
    from haystack import Document, component, default_from_dict, default_to_dict
    from haystack.document_stores.errors import DuplicateDocumentError
    from haystack.document_stores.types import DuplicatePolicy, FilterPolicy, apply_filter_policy
    from haystack.errors import FilterError
except ImportError as error:
    raise MissingExtra(f"Haystack's classes need {error.name}, which is not installed: pip install 'bicross[haystack]'") from error

Filters = dict[str, Any]


class BicrossDocumentStore:
    """A collection as a DocumentStore, made where it is not there: with the models that are named, or the pair that ships with Bicross.

    It embeds what is written with its own bi-encoder, so that vectors of two models never meet: an `embedding` that a document brings is
    not kept, and pipelines that write need no embedder. Documents need text; a `title` in their meta is read by the models too. Filters are
    translated (`haystack_filters`) and see the first level of `meta`.

    Raises:
        InputError: no collection can be made there, or it has another encoder than the one that is named.
    """

    def __init__(self, collection: str, encoder: str | None = None, reranker: str | None = None) -> None:
        self.collection, self.encoder, self.reranker = str(collection), encoder, reranker
        self.store = Store(Path(collection), IndexSettings(encoder=encoder, reranker=reranker))

    def to_dict(self) -> dict[str, Any]:
        """As `from_dict` reads it."""
        return default_to_dict(self, collection=self.collection, encoder=self.encoder, reranker=self.reranker)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> BicrossDocumentStore:
        """As `to_dict` gave it."""
        return default_from_dict(cls, data)

    def count_documents(self) -> int:
        """How many there are."""
        return self.store.shelf.counts().documents

    def count_documents_by_filter(self, filters: Filters) -> int:
        """How many match. Raises FilterError."""
        return len(self._matching(filters))

    def filter_documents(self, filters: Filters | None = None) -> list[Document]:
        """Those that match, or all, in the order in which they came first. Raises FilterError."""
        return [_document(one) for one in self._matching(filters)]

    def write_documents(self, documents: list[Document], policy: DuplicatePolicy = DuplicatePolicy.NONE) -> int:
        """Put documents, searchable when this returns; returns how many. Without a policy it is FAIL. Nothing is written if one cannot be.

        Raises:
            DuplicateDocumentError: an id is there already, and the policy is FAIL. InputError, which is a ValueError: one has no text.
        """
        _check(documents)
        present = self.store.shelf.present(one.id for one in documents)
        chosen: dict[str, Document] = {}
        for one in documents:
            if policy == DuplicatePolicy.OVERWRITE or (one.id not in present and one.id not in chosen):
                chosen[one.id] = one
            elif policy != DuplicatePolicy.SKIP:
                raise DuplicateDocumentError(f"Document {one.id!r} is there already; write with another policy to skip or overwrite it.")
        self.store.put([document_of(one.id, one.content or "", one.meta) for one in chosen.values()])
        return len(documents) if policy == DuplicatePolicy.OVERWRITE else len(chosen)

    def update_by_filter(self, filters: Filters, meta: dict[str, Any]) -> int:
        """Merge `meta` into that of the documents that match; returns how many. Raises FilterError."""
        found = self._matching(filters)
        self.store.put([document_of(one.id, one.text, {**meta_of(one), **meta}) for one in found])
        return len(found)

    def delete_documents(self, document_ids: list[str]) -> None:
        """Remove documents by id; those that are not there are nothing to remove."""
        self.store.delete(document_ids)

    def delete_by_filter(self, filters: Filters) -> int:
        """Remove the documents that match; returns how many. Raises FilterError."""
        return self.store.delete([one.id for one in self._matching(filters)])

    def delete_all_documents(self) -> None:
        """Remove all."""
        self.store.delete([one.id for one in self.store.matching()])

    def find(self, query: str, settings: SearchSettings, filters: Filters | None) -> list[Found]:
        """Two-stage search among the documents that match. Raises FilterError."""
        return self.store.find(query, settings, _where(filters))

    def _matching(self, filters: Filters | None) -> list[Stored]:
        try:
            return self.store.matching(_where(filters))
        except InputError as error:
            raise FilterError(str(error)) from error


def _check(documents: object) -> None:
    if not isinstance(documents, list) or not all(isinstance(one, Document) for one in documents):
        raise InputError(f"Found {str(documents)[:80]!r}; expected a list of Haystack's Documents.")


def _where(filters: Filters | None) -> dict[str, Any] | None:
    try:
        return translated(filters) if filters else None
    except InputError as error:
        raise FilterError(str(error)) from error


def _document(stored: Stored) -> Document:
    return Document(id=stored.id, content=stored.text, meta=meta_of(stored))


def _passage(found: Found) -> Document:
    name = found.document.id if found.hit.passage is None else found.hit.passage.id
    return Document(id=name, content=text_of(found), meta=told(found), score=found.hit.score)


@component
class BicrossRetriever:
    """Two-stage search: the passages that answer, best first. Their meta are the document's, with `document_id`, `start`, `end`, `score`,
    and `probability` where the collection was calibrated."""

    def __init__(
        self,
        document_store: BicrossDocumentStore,
        filters: Filters | None = None,
        top_k: int = 10,
        filter_policy: str | FilterPolicy = FilterPolicy.REPLACE,
        depth: Depth = "auto",
        stage: StageName = "both",
        min_probability: float | None = None,
    ) -> None:
        self.document_store, self.filters, self.top_k = document_store, filters, top_k
        self.filter_policy = filter_policy if isinstance(filter_policy, FilterPolicy) else FilterPolicy.from_str(filter_policy)
        self._settings = SearchSettings(k=top_k, depth=depth, stage=stage, min_probability=min_probability)

    def to_dict(self) -> dict[str, Any]:
        """As `from_dict` reads it."""
        given = {"document_store": self.document_store, "filters": self.filters, "top_k": self.top_k}
        settings = self._settings.model_dump(include={"depth", "stage", "min_probability"})
        return default_to_dict(self, **given, filter_policy=self.filter_policy.value, **settings)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> BicrossRetriever:
        """As `to_dict` gave it."""
        return default_from_dict(cls, data)

    @component.output_types(documents=list[Document])
    def run(self, query: str, filters: Filters | None = None, top_k: int | None = None) -> dict[str, list[Document]]:
        """Answer a question."""
        where = apply_filter_policy(self.filter_policy, self.filters, filters)
        settings = self._settings if top_k is None else self._settings.model_copy(update={"k": top_k})
        return {"documents": [_passage(one) for one in self.document_store.find(query, settings, where)]}


@component
class BicrossRanker:
    """The cross-encoder alone: the `top_k` most relevant documents, their score 0 to 1, of each by itself."""

    def __init__(self, model: str = STARTER_RERANKER, top_k: int = 10) -> None:
        self.model, self.top_k = model, top_k
        self._scorer = Once(lambda: registry.load_reranker(model))

    def warm_up(self) -> None:
        """Load the model."""
        self._scorer()

    @component.output_types(documents=list[Document])
    def run(self, query: str, documents: list[Document], top_k: int | None = None) -> dict[str, list[Document]]:
        """Rank documents; those given are left as they are."""
        scores = self._scorer().score([(query, _reading(one)) for one in documents]).tolist() if documents else []
        best = best_first(scores)[: self.top_k if top_k is None else top_k]
        return {"documents": [replace(documents[place], score=relevance(scores[place])) for place in best]}


@component
class BicrossTextEmbedder:
    """The bi-encoder on a question: a row of length 1."""

    def __init__(self, model: str = STARTER_ENCODER) -> None:
        self.model = model
        self._encoder = Once(lambda: registry.load_encoder(model))

    def warm_up(self) -> None:
        """Load the model."""
        self._encoder()

    @component.output_types(embedding=list[float])
    def run(self, text: str) -> dict[str, list[float]]:
        """Embed a question."""
        return {"embedding": self._encoder().encode_queries([text])[0].tolist()}


@component
class BicrossDocumentEmbedder:
    """The bi-encoder on documents, for stores of others: each gets an `embedding` of length 1. A `title` in meta is read with the text."""

    def __init__(self, model: str = STARTER_ENCODER) -> None:
        self.model = model
        self._encoder = Once(lambda: registry.load_encoder(model))

    def warm_up(self) -> None:
        """Load the model."""
        self._encoder()

    @component.output_types(documents=list[Document])
    def run(self, documents: list[Document]) -> dict[str, list[Document]]:
        """Embed documents; those given are left as they are."""
        if not documents:
            return {"documents": []}
        vectors = self._encoder().encode_documents([_reading(one) for one in documents])  # (documents, dim)
        return {"documents": [replace(one, embedding=row.tolist()) for one, row in zip(documents, vectors, strict=True)]}


def _reading(document: Document) -> str:
    stored = document_of(document.id, document.content or "", document.meta)
    return reading(stored.title, stored.text)
