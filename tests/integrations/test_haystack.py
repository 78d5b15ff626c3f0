"""Haystack's own tests of document stores on ours, and its pipelines with our components."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("haystack", exc_type=ImportError)

from haystack import Document, Pipeline
from haystack.components.preprocessors import DocumentSplitter
from haystack.components.writers import DocumentWriter
from haystack.document_stores.errors import DuplicateDocumentError
from haystack.document_stores.in_memory import InMemoryDocumentStore
from haystack.document_stores.types import DuplicatePolicy
from haystack.errors import FilterError
from haystack.testing.document_store import CountDocumentsByFilterTest, DocumentStoreBaseExtendedTests

from bicross import pipeline
from bicross.errors import InputError
from bicross.integrations.haystack import (
    BicrossDocumentEmbedder,
    BicrossDocumentStore,
    BicrossRanker,
    BicrossRetriever,
    BicrossTextEmbedder,
)
from bicross.models.hashed import HashedEncoder
from bicross.models.registry import HASHED
from bicross.models.scores import relevance
from tests.pipeline.world import SETTINGS, row, write

QUESTION = "how do I reset the volcano with button 2?"


@pytest.fixture
def document_store(tmp_path: Path) -> BicrossDocumentStore:
    return BicrossDocumentStore(str(tmp_path / "store"), HASHED, HASHED)


class TestDocumentStore(DocumentStoreBaseExtendedTests, CountDocumentsByFilterTest):
    @pytest.fixture
    def document_store(self, tmp_path: Path) -> BicrossDocumentStore:
        return BicrossDocumentStore(str(tmp_path / "store"), HASHED, HASHED)

    @staticmethod
    def assert_documents_are_equal(received: list[Document], expected: list[Document]) -> None:
        """Of all but the embeddings that they brought, which a collection does not keep: it has its own."""
        assert received == [Document(id=one.id, content=one.content, meta=one.meta) for one in expected]

    def test_write_documents(self, document_store: BicrossDocumentStore) -> None:
        given = [Document(content="first"), Document(content="second")]
        assert document_store.write_documents(given) == 2
        with pytest.raises(DuplicateDocumentError):
            document_store.write_documents(given[:1])
        assert document_store.filter_documents() == given


@pytest.fixture(scope="module")
def collection(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("haystack")
    rows = [{**row(number), "n": number} for number in range(24)]
    pipeline.index([write(folder / "source.jsonl", rows)], folder / "made", SETTINGS)
    return folder / "made"


def test_a_pipeline_writes_and_another_asks_and_survives_its_own_text(tmp_path: Path) -> None:
    store = BicrossDocumentStore(str(tmp_path / "store"), HASHED, HASHED)
    writing = Pipeline()
    writing.add_component("splitter", DocumentSplitter(split_by="word", split_length=4))
    writing.add_component("writer", DocumentWriter(store, policy=DuplicatePolicy.OVERWRITE))
    writing.connect("splitter", "writer")
    writing.run({"splitter": {"documents": [Document(content="the volcano is hot the penguin is cold", meta={"title": "Nature"})]}})
    asking = Pipeline()
    asking.add_component("retriever", BicrossRetriever(store, top_k=2, min_probability=None))
    asking.add_component("ranker", BicrossRanker(HASHED, top_k=1))
    asking.connect("retriever.documents", "ranker.documents")
    again = Pipeline.loads(asking.dumps(), allowed_modules=["bicross.integrations.haystack"])
    for one in (asking, again):
        found = one.run({"retriever": {"query": "penguin"}, "ranker": {"query": "penguin"}})["ranker"]["documents"]
        assert [document.content for document in found] == ["the penguin is cold"] and found[0].score == relevance(1.0)


def test_the_retriever_gives_what_search_gives_among_what_matches(collection: Path) -> None:
    expected = pipeline.open_collection(collection).search(QUESTION).queries[0].hits
    retriever = BicrossRetriever(BicrossDocumentStore(str(collection)))
    found = retriever.run(QUESTION)["documents"]
    assert [(one.meta["document_id"], one.score) for one in found] == [(hit.doc_id, hit.score) for hit in expected]
    among = retriever.run(QUESTION, filters={"field": "meta.n", "operator": "in", "value": [3, 4, None]}, top_k=5)["documents"]
    assert {one.meta["n"] for one in among} == {3, 4}
    with pytest.raises(FilterError, match="meta alone"):
        retriever.run(QUESTION, filters={"field": "content", "operator": "==", "value": "x"})


def test_the_embedders_serve_a_store_of_others() -> None:
    given = [Document(content="hot volcano", meta={"title": "Heat"}), Document(content="cold penguin")]
    embedded = BicrossDocumentEmbedder(HASHED).run(given)["documents"]
    assert embedded[0].embedding == HashedEncoder().encode_documents(["Heat\nhot volcano"])[0].tolist() and given[0].embedding is None
    other = InMemoryDocumentStore(embedding_similarity_function="cosine")
    other.write_documents(embedded)
    best = other.embedding_retrieval(BicrossTextEmbedder(HASHED).run("penguin")["embedding"], top_k=1)
    assert [one.content for one in best] == ["cold penguin"]
    assert BicrossDocumentEmbedder(HASHED).run([]) == {"documents": []} == BicrossRanker(HASHED).run("x", [])


def test_a_document_without_text_is_refused_by_name(document_store: BicrossDocumentStore) -> None:
    with pytest.raises(InputError, match="'empty' has no text"):
        document_store.write_documents([Document(content="text"), Document(id="empty", meta={"a": 1})])
    assert document_store.count_documents() == 0
