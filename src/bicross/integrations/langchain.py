"""Bicross in LangChain (langchain-core): both stages as a retriever, and each model alone.

    from bicross.integrations.langchain import BicrossRetriever
    BicrossRetriever(collection="manual", k=3).invoke("how do I reset it?")

`BicrossRetriever` is two-stage search. `BicrossVectorStore`, `BicrossReranker` (a document compressor), `BicrossCrossEncoder` and
`BicrossEmbeddings` stand where LangChain expects one stage. The only file that imports langchain_core.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast
from uuid import uuid4

import numpy as np

from bicross.errors import InputError, MissingExtra
from bicross.integrations.store import Found, Store, document_of, meta_of, text_of, told
from bicross.models import registry
from bicross.models.scores import best_first, relevance
from bicross.records import Document as Stored
from bicross.records import reading
from bicross.settings import STARTER_ENCODER, STARTER_RERANKER, Depth, IndexSettings, SearchSettings, StageName

try:
    from langchain_core.callbacks import CallbackManagerForRetrieverRun, Callbacks
    from langchain_core.cross_encoders import BaseCrossEncoder
    from langchain_core.documents import BaseDocumentCompressor, Document
    from langchain_core.embeddings import Embeddings
    from langchain_core.retrievers import BaseRetriever
    from langchain_core.vectorstores import VectorStore
    from langchain_core.vectorstores.utils import maximal_marginal_relevance
    from pydantic import ConfigDict, Field, PrivateAttr
except ImportError as error:
    raise MissingExtra(f"LangChain's classes need {error.name}, which is not installed: pip install 'bicross[langchain]'") from error


class BicrossRetriever(BaseRetriever):
    """Two-stage search in a collection: the passages that answer, best first.

    Metadata are the document's, with `document_id`, `start`, `end`, `score`, and `probability` where the collection was calibrated.
    `filter` is one of `bicross.filters`. `k`, `filter` and `min_probability` may be given to `invoke` too.
    """

    collection: str | Path
    k: int = 10
    depth: Depth = "auto"
    stage: StageName = "both"
    min_probability: float | None = None
    filter: dict[str, Any] | None = None
    _store: Store = PrivateAttr()

    def model_post_init(self, context: Any, /) -> None:
        """Open the collection; where there is none, pydantic says so with the command that makes one."""
        super().model_post_init(context)
        self._settings()
        self._store = Store(self.collection)

    def _settings(self, **given: Any) -> SearchSettings:
        wanted = {"k": self.k, "depth": self.depth, "stage": self.stage, "min_probability": self.min_probability}
        return SearchSettings(**{**wanted, **given})

    def _get_relevant_documents(
        self, query: str, *, run_manager: CallbackManagerForRetrieverRun, filter: dict[str, Any] | None = None, **given: Any
    ) -> list[Document]:
        del run_manager  # nothing here is told step by step
        found = self._store.find(query, self._settings(**given), filter or self.filter)
        return [Document(page_content=text_of(one), metadata=told(one)) for one in found]


class BicrossEmbeddings(Embeddings):
    """The bi-encoder alone: documents with the document prompt, questions with the query prompt; rows of length 1."""

    def __init__(self, model: str = STARTER_ENCODER) -> None:
        self.model = model
        self._encoder = registry.load_encoder(model)

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """Vectors of texts, (len(texts), dim)."""
        return cast(list[list[float]], self._encoder.encode_documents(texts).tolist())

    def embed_query(self, text: str) -> list[float]:
        """The vector of a question, (dim,)."""
        return cast(list[float], self._encoder.encode_queries([text])[0].tolist())


class BicrossCrossEncoder(BaseCrossEncoder):
    """The cross-encoder alone: raw scores of (question, text) pairs, any real numbers, higher is more relevant."""

    def __init__(self, model: str = STARTER_RERANKER) -> None:
        self.model = model
        self._scorer = registry.load_reranker(model)

    def score(self, text_pairs: list[tuple[str, str]]) -> list[float]:
        """One score a pair, in the order asked."""
        return cast(list[float], self._scorer.score(text_pairs).tolist()) if text_pairs else []


class BicrossReranker(BaseDocumentCompressor):
    """The cross-encoder as a document compressor: the `top_n` most relevant documents, with `relevance_score` (0 to 1, of each by itself).

    A `title` among the metadata is read with the text.
    """

    model: str = STARTER_RERANKER
    top_n: int = Field(default=3, ge=1)
    model_config = ConfigDict(extra="forbid")
    _scorer: registry.CountingScorer = PrivateAttr()

    def model_post_init(self, context: Any, /) -> None:
        """Load the model."""
        super().model_post_init(context)
        self._scorer = registry.load_reranker(self.model)

    def compress_documents(self, documents: Sequence[Document], query: str, callbacks: Callbacks | None = None) -> list[Document]:
        """The documents that are most relevant to the query, best first; those given are left as they are."""
        del callbacks  # nothing here is told step by step
        if not documents:
            return []
        read = [document_of("", document.page_content, document.metadata) for document in documents]
        scores = self._scorer.score([(query, reading(one.title, one.text)) for one in read]).tolist()
        best = [(documents[place], relevance(scores[place])) for place in best_first(scores)[: self.top_n]]
        return [one.model_copy(update={"metadata": {**one.metadata, "relevance_score": score}}) for one, score in best]


class BicrossVectorStore(VectorStore):
    """A collection as a vector store, made where it is not there. Documents come back whole, as they were put.

    Its bi-encoder is the collection's own: `embedding` has to be BicrossEmbeddings, whose model a new collection gets. `stage` is what
    `similarity_search` asks: "dense" (cosine), or "fused" or "both" for words too and for reranking. Filters are those of
    `bicross.filters`.

    Raises:
        InputError: the embedding is another's.
    """

    def __init__(self, collection: str | Path, embedding: Embeddings | None = None, stage: StageName = "dense") -> None:
        if not isinstance(embedding, BicrossEmbeddings | None):
            raise InputError(
                f"The embedding is a {type(embedding).__name__}; a collection embeds with its own model, so that vectors of two models "
                "never meet. Give BicrossEmbeddings(model=...), or none for the model that the collection has."
            )
        self.collection, self._embedding, self._stage = Path(collection), embedding, stage
        self._store = Store(collection, IndexSettings(encoder=embedding.model if embedding else None))

    @property
    def embeddings(self) -> Embeddings | None:
        """What was given as `embedding`."""
        return self._embedding

    @classmethod
    def from_texts(
        cls,
        texts: list[str],
        embedding: Embeddings | None,
        metadatas: list[dict[Any, Any]] | None = None,
        *,
        ids: list[str] | None = None,
        **given: Any,
    ) -> BicrossVectorStore:
        """Put texts into the collection named by `collection`."""
        store = cls(embedding=embedding, **given)
        store.add_texts(texts, metadatas, ids=ids)
        return store

    def add_texts(
        self,
        texts: Iterable[str],
        metadatas: list[dict[Any, Any]] | None = None,
        *,
        ids: Sequence[str | None] | None = None,
        **_: Any,
    ) -> list[str]:
        """Upsert texts by id, one made up where there is none; returns the ids. Raises InputError, naming what cannot be stored."""
        wanted = list(texts)
        named = [given or uuid4().hex for given in ids or [None] * len(wanted)]
        metas = metadatas or [{}] * len(wanted)
        if not len(wanted) == len(named) == len(metas):
            raise InputError(f"{len(wanted)} texts have {len(named)} ids and {len(metas)} metadatas; expected one of each a text.")
        self._store.put([document_of(name, text, meta) for name, text, meta in zip(named, wanted, metas, strict=True)])
        return named

    def delete(self, ids: list[str] | None = None, **_: Any) -> bool:
        """Remove documents by id, or all; ids that are not there are nothing to remove."""
        self._store.delete([one.id for one in self._store.matching()] if ids is None else ids)
        return True

    def get_by_ids(self, ids: Sequence[str], /) -> list[Document]:
        """Those of the documents that are there, in the order asked."""
        return [_document(one) for one in self._store.shelf.documents(ids).values()]

    def similarity_search(self, query: str, k: int = 4, filter: Mapping[str, Any] | None = None, **_: Any) -> list[Document]:
        """The k best documents, best first."""
        return [_document(one.document) for one in self._find(query, k, filter)]

    def similarity_search_with_score(
        self, query: str, k: int = 4, filter: Mapping[str, Any] | None = None, **_: Any
    ) -> list[tuple[Document, float]]:
        """The k best documents with their scores, higher is better: cosines, where the stage is "dense"."""
        return [(_document(one.document), one.hit.score) for one in self._find(query, k, filter)]

    def _similarity_search_with_relevance_scores(self, query: str, k: int = 4, **given: Any) -> list[tuple[Document, float]]:
        """With cosines, 0 for what points away: a number in [0, 1], whatever else was found."""
        found = self._find(query, k, given.get("filter"), "dense")
        return [(_document(one.document), max(0.0, min(1.0, one.hit.score))) for one in found]

    def max_marginal_relevance_search(
        self, query: str, k: int = 4, fetch_k: int = 20, lambda_mult: float = 0.5, filter: Mapping[str, Any] | None = None, **_: Any
    ) -> list[Document]:
        """k of the `fetch_k` best, near the query and unlike each other (Carbonell and Goldstein 1998), by the bi-encoder."""
        found = self._find(query, max(k, fetch_k), filter)
        if not found:
            return []
        encoder = self._store.encoder()
        vectors = encoder.encode_documents([reading(one.document.title, text_of(one)) for one in found])  # (found, dim)
        chosen = maximal_marginal_relevance(np.asarray(encoder.encode_queries([query])[0]), list(vectors), lambda_mult, k)
        return [_document(found[place].document) for place in chosen]

    def _find(self, query: str, k: int, where: Mapping[str, Any] | None, stage: StageName | None = None) -> list[Found]:
        return self._store.find(query, SearchSettings(k=k, stage=stage or self._stage), where)


def _document(stored: Stored) -> Document:
    return Document(id=stored.id, page_content=stored.text, metadata=meta_of(stored))
