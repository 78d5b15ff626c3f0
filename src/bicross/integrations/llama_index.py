"""Bicross in LlamaIndex (llama-index-core): two-stage search as a retriever, and each model alone.

    from bicross.integrations.llama_index import BicrossRetriever
    RetrieverQueryEngine.from_args(BicrossRetriever("manual", k=3), llm=llm).query("how do I reset it?")

`BicrossReranker` is a node postprocessor, `BicrossEmbedding` an embedding. The only file that imports llama_index.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from bicross.errors import InputError, MissingExtra
from bicross.integrations.store import Found, Store, document_of, text_of, told
from bicross.models import registry
from bicross.models.scores import best_first, relevance
from bicross.records import reading
from bicross.settings import STARTER_ENCODER, STARTER_RERANKER, SearchSettings

try:
    from llama_index.core.base.embeddings.base import BaseEmbedding
    from llama_index.core.bridge.pydantic import Field, PrivateAttr
    from llama_index.core.instrumentation.events.rerank import ReRankEndEvent, ReRankStartEvent
    from llama_index.core.postprocessor.types import BaseNodePostprocessor
    from llama_index.core.retrievers import BaseRetriever
    from llama_index.core.schema import MetadataMode, NodeRelationship, NodeWithScore, QueryBundle, RelatedNodeInfo, TextNode
    from llama_index_instrumentation import get_dispatcher
except ImportError as error:
    raise MissingExtra(f"LlamaIndex's classes need {error.name}, which is not installed: pip install 'bicross[llama-index]'") from error

_NOT_READ = ["document_id", "start", "end", "score", "probability"]  # metadata that say nothing to a language model
_dispatcher = get_dispatcher(__name__)


class BicrossRetriever(BaseRetriever):
    """Two-stage search in a collection: the passages that answer as nodes, best first, their source node the document.

    Metadata are the document's, with `document_id`, `start`, `end`, `score`, and `probability` where the collection was calibrated.
    `filter` is one of `bicross.filters`; the other settings are those of `SearchSettings`.

    Raises:
        InputError: there is no collection.
    """

    def __init__(self, collection: str | Path, k: int = 10, filter: Mapping[str, Any] | None = None, **settings: Any) -> None:
        self._settings = SearchSettings(k=k, **settings)
        self._store, self._filter = Store(collection), filter
        super().__init__()

    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        return [_node(one) for one in self._store.find(query_bundle.query_str, self._settings, self._filter)]

    async def _aretrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        return await asyncio.to_thread(self._retrieve, query_bundle)


def _node(found: Found) -> NodeWithScore:
    hit, document = found
    node = TextNode(
        id_=document.id if hit.passage is None else hit.passage.id,
        text=text_of(found),
        metadata=told(found),
        start_char_idx=hit.passage and hit.passage.start,
        end_char_idx=hit.passage and hit.passage.end,
        relationships={NodeRelationship.SOURCE: RelatedNodeInfo(node_id=document.id)},
        excluded_llm_metadata_keys=_NOT_READ,
        excluded_embed_metadata_keys=_NOT_READ,
    )
    return NodeWithScore(node=node, score=hit.score)


class BicrossReranker(BaseNodePostprocessor):
    """The cross-encoder as a node postprocessor: the `top_n` most relevant nodes; their score is 0 to 1, of each by itself.

    A `title` among the metadata is read with the text.
    """

    model: str = STARTER_RERANKER
    top_n: int = Field(default=3, ge=1)
    _scorer: registry.CountingScorer = PrivateAttr()

    def model_post_init(self, context: Any, /) -> None:
        """Load the model."""
        super().model_post_init(context)
        self._scorer = registry.load_reranker(self.model)

    @classmethod
    def class_name(cls) -> str:
        return "BicrossReranker"

    def _postprocess_nodes(self, nodes: list[NodeWithScore], query_bundle: QueryBundle | None = None) -> list[NodeWithScore]:
        if query_bundle is None:
            raise InputError("There is no question to rank the nodes by; give query_str or query_bundle.")
        if not nodes:
            return []
        _dispatcher.event(ReRankStartEvent(query=query_bundle, nodes=nodes, top_n=self.top_n, model_name=self.model))
        read = [document_of("", one.node.get_content(MetadataMode.NONE), one.node.metadata) for one in nodes]
        scores = self._scorer.score([(query_bundle.query_str, reading(one.title, one.text)) for one in read]).tolist()
        best = [NodeWithScore(node=nodes[place].node, score=relevance(scores[place])) for place in best_first(scores)[: self.top_n]]
        _dispatcher.event(ReRankEndEvent(nodes=best))
        return best


class BicrossEmbedding(BaseEmbedding):
    """The bi-encoder alone: texts with the document prompt, questions with the query prompt; rows of length 1. `model_name` names it."""

    model_name: str = STARTER_ENCODER
    embed_batch_size: int = Field(default=512, gt=0, le=2048)  # so that batches of one length can be made of them
    _encoder: registry.TokenEncoder = PrivateAttr()

    def model_post_init(self, context: Any, /) -> None:
        """Load the model."""
        super().model_post_init(context)
        self._encoder = registry.load_encoder(self.model_name)

    @classmethod
    def class_name(cls) -> str:
        return "BicrossEmbedding"

    def _get_query_embedding(self, query: str) -> list[float]:
        return cast(list[float], self._encoder.encode_queries([query])[0].tolist())

    async def _aget_query_embedding(self, query: str) -> list[float]:
        return await asyncio.to_thread(self._get_query_embedding, query)

    def _get_text_embedding(self, text: str) -> list[float]:
        return self._get_text_embeddings([text])[0]

    def _get_text_embeddings(self, texts: list[str]) -> list[list[float]]:
        return cast(list[list[float]], self._encoder.encode_documents(texts).tolist())
