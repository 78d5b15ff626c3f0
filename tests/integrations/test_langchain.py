"""The standard suites of langchain-tests on our classes, and what they do not ask."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("langchain_core", exc_type=ImportError)
pytest.importorskip("langchain_tests", exc_type=ImportError)

from langchain_core.documents import Document
from langchain_core.embeddings import DeterministicFakeEmbedding
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import RunnableLambda
from langchain_core.vectorstores import VectorStore
from langchain_tests.integration_tests import EmbeddingsIntegrationTests, RetrieversIntegrationTests, VectorStoreIntegrationTests
from langchain_tests.unit_tests import EmbeddingsUnitTests

from bicross import pipeline
from bicross.errors import InputError
from bicross.integrations.langchain import (
    BicrossCrossEncoder,
    BicrossEmbeddings,
    BicrossReranker,
    BicrossRetriever,
    BicrossVectorStore,
)
from bicross.models.hashed import HashedScorer
from bicross.models.registry import HASHED
from bicross.models.scores import relevance
from bicross.settings import SearchSettings
from tests.pipeline.world import SETTINGS, row, write

pytestmark = pytest.mark.anyio  # their suites have async tests
QUESTION = "how do I reset the volcano with button 2?"


@pytest.fixture(scope="module")
def collection(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("langchain")
    rows = [{**row(number), "lang": "en" if number % 8 < 5 else "zh"} for number in range(24)]
    pipeline.index([write(folder / "source.jsonl", rows)], folder / "made", SETTINGS)
    return folder / "made"


class TestRetriever(RetrieversIntegrationTests):
    @pytest.fixture(autouse=True)
    def _at(self, collection: Path) -> None:
        self._collection = collection

    @property
    def retriever_constructor(self) -> type[BaseRetriever]:
        return BicrossRetriever

    @property
    def retriever_constructor_params(self) -> dict[str, Any]:
        return {"collection": self._collection}

    @property
    def retriever_query_example(self) -> str:
        return QUESTION


class TestVectorStore(VectorStoreIntegrationTests):
    @pytest.fixture
    def vectorstore(self, tmp_path: Path) -> Iterator[VectorStore]:
        return BicrossVectorStore(tmp_path / "store", BicrossEmbeddings(HASHED))


class TestEmbeddingsUnit(EmbeddingsUnitTests):
    @property
    def embeddings_class(self) -> type[BicrossEmbeddings]:
        return BicrossEmbeddings

    @property
    def embedding_model_params(self) -> dict[str, Any]:
        return {"model": HASHED}


class TestEmbeddings(EmbeddingsIntegrationTests):
    @property
    def embeddings_class(self) -> type[BicrossEmbeddings]:
        return BicrossEmbeddings

    @property
    def embedding_model_params(self) -> dict[str, Any]:
        return {"model": HASHED}


def test_the_retriever_gives_what_search_gives_with_the_metadata(collection: Path) -> None:
    expected = pipeline.open_collection(collection).search(QUESTION).queries[0].hits
    found = BicrossRetriever(collection=collection).invoke(QUESTION)
    assert [one.metadata["document_id"] for one in found] == [hit.doc_id for hit in expected]
    assert [one.page_content for one in found] == [hit.passage and hit.passage.text for hit in expected]
    assert found[0].metadata["title"] == "Title 2" and found[0].metadata["lang"] == "en"
    assert {one.metadata["lang"] for one in BicrossRetriever(collection=collection).invoke(QUESTION, filter={"lang": "zh"})} == {"zh"}


def test_the_reranker_keeps_the_best_and_says_how_relevant_each_is() -> None:
    given = [
        Document(page_content=text, metadata={"title": title}) for title, text in (("", "bread"), ("volcano", "hot"), ("", "a volcano"))
    ]
    best = BicrossReranker(model=HASHED, top_n=2).compress_documents(given, "a volcano")
    assert [one.page_content for one in best] == ["a volcano", "hot"]
    assert best[0].metadata["relevance_score"] == relevance(1.0) and "relevance_score" not in given[2].metadata
    assert BicrossReranker(model=HASHED).compress_documents([], "nothing") == []


def test_recall_and_reranking_make_a_chain(collection: Path) -> None:
    reranker = BicrossReranker(model=HASHED, top_n=3)
    recall = BicrossVectorStore(collection).as_retriever(search_kwargs={"k": 20})
    chain = RunnableLambda(lambda question: reranker.compress_documents(recall.invoke(question), question))
    found = chain.invoke(QUESTION)
    assert found[0].id == "d2" and len(found) == 3


def test_the_cross_encoder_gives_raw_scores() -> None:
    pairs = [("a volcano", "a volcano"), ("a volcano", "bread")]
    assert BicrossCrossEncoder(HASHED).score(pairs) == HashedScorer().score(pairs).tolist()
    assert BicrossCrossEncoder(HASHED).score([]) == []


def test_a_store_is_a_collection_that_the_command_line_searches(tmp_path: Path) -> None:
    texts, metas = ["the volcano is hot", "the penguin is cold", "the penguin is black"], [{"n": 1}, {"n": 2}, {"n": 3}]
    store = BicrossVectorStore.from_texts(texts, BicrossEmbeddings(HASHED), metas, ids=["a", "b", "c"], collection=tmp_path / "store")
    assert pipeline.search(tmp_path / "store", ["volcano"], SearchSettings(stage="fused")).queries[0].hits[0].doc_id == "a"
    assert [one.id for one in store.similarity_search("penguin", filter={"n": {"gt": 2}})] == ["c"]
    assert all(0 <= score <= 1 for _, score in store.similarity_search_with_relevance_scores("penguin"))
    near, unlike = store.max_marginal_relevance_search("the penguin is cold", k=2, fetch_k=3, lambda_mult=0.0)
    assert (near.id, unlike.id) == ("b", "a")
    store.delete()
    assert store.similarity_search("penguin") == []


def test_what_cannot_be_stored_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="DeterministicFakeEmbedding"):
        BicrossVectorStore(tmp_path / "store", DeterministicFakeEmbedding(size=6))
    store = BicrossVectorStore(tmp_path / "store", BicrossEmbeddings(HASHED))
    with pytest.raises(InputError, match="no text"):
        store.add_texts(["good", " "], ids=["a", "b"])
    with pytest.raises(InputError, match="2 texts have 1 ids"):
        store.add_texts(["good", "too"], ids=["a"])
    assert store.get_by_ids(["a"]) == []
    with pytest.raises(ValueError, match="does not exist; expected a collection"):
        BicrossRetriever(collection=tmp_path / "none")
