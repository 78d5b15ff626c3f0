"""A query engine of LlamaIndex on our retriever and reranker, and its vector index on our embedding."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

pytest.importorskip("llama_index.core", exc_type=ImportError)

from llama_index.core import VectorStoreIndex
from llama_index.core.instrumentation import get_dispatcher
from llama_index.core.instrumentation.event_handlers import BaseEventHandler
from llama_index.core.llms import MockLLM
from llama_index.core.query_engine import RetrieverQueryEngine
from llama_index.core.schema import NodeWithScore, QueryBundle, TextNode

from bicross import pipeline
from bicross.errors import InputError
from bicross.integrations.llama_index import BicrossEmbedding, BicrossReranker, BicrossRetriever
from bicross.models.hashed import HashedEncoder
from bicross.models.registry import HASHED
from bicross.models.scores import relevance
from tests.pipeline.world import SETTINGS, row, write

QUESTION = "how do I reset the volcano with button 2?"


@pytest.fixture(scope="module")
def collection(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("llama_index")
    pipeline.index([write(folder / "source.jsonl", [row(number) for number in range(24)])], folder / "made", SETTINGS)
    return folder / "made"


def test_a_query_engine_runs_on_our_retriever_and_reranker(collection: Path) -> None:
    seen = []

    class Handler(BaseEventHandler):
        def handle(self, event: object, **_: object) -> None:
            seen.append(type(event).__name__)

    root = get_dispatcher()
    handler = Handler()
    root.add_event_handler(handler)
    try:
        engine = RetrieverQueryEngine.from_args(
            BicrossRetriever(collection, k=8), llm=MockLLM(), node_postprocessors=[BicrossReranker(model=HASHED, top_n=3)]
        )
        answer = engine.query(QUESTION)
    finally:
        root.event_handlers.remove(handler)
    assert len(answer.source_nodes) == 3 and answer.source_nodes[0].node.ref_doc_id == "d2"
    assert "button 2" in str(answer) and "document_id" not in str(answer)  # the model that repeats its prompt read the passage
    assert {"RetrievalEndEvent", "ReRankStartEvent", "ReRankEndEvent"} <= set(seen)


def test_the_retriever_gives_what_search_gives(collection: Path) -> None:
    expected = pipeline.open_collection(collection).search(QUESTION).queries[0].hits
    retriever = BicrossRetriever(collection)
    found = retriever.retrieve(QUESTION)
    assert [(one.node.ref_doc_id, one.score) for one in found] == [(hit.doc_id, hit.score) for hit in expected]
    assert found[0].node.metadata["title"] == "Title 2"
    assert found == asyncio.run(retriever.aretrieve(QUESTION))


def test_the_reranker_ranks_by_the_cross_encoder() -> None:
    nodes = [NodeWithScore(node=TextNode(text=text), score=0.5) for text in ("bread", "a volcano")]
    best = BicrossReranker(model=HASHED, top_n=1).postprocess_nodes(nodes, query_str="a volcano")
    assert [(one.text, one.score) for one in best] == [("a volcano", relevance(1.0))] and nodes[1].score == 0.5
    with pytest.raises(InputError, match="no question"):
        BicrossReranker(model=HASHED).postprocess_nodes(nodes)


def test_a_vector_index_is_built_with_our_embedding() -> None:
    embedding = BicrossEmbedding(model_name=HASHED)
    index = VectorStoreIndex([TextNode(text=text, id_=text) for text in ("hot volcano", "cold penguin")], embed_model=embedding)
    assert [one.node.node_id for one in index.as_retriever(similarity_top_k=1).retrieve(QueryBundle("penguin"))] == ["cold penguin"]
    encoder = HashedEncoder()
    assert embedding.get_text_embedding_batch(["a b", "c"]) == encoder.encode_documents(["a b", "c"]).tolist()
    assert asyncio.run(embedding.aget_query_embedding("a b")) == encoder.encode_queries(["a b"])[0].tolist()
