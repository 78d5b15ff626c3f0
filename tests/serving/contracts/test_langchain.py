from __future__ import annotations

from collections.abc import Iterator

import httpx
import numpy as np
import openai
import pytest
from langchain_cohere import CohereRerank
from langchain_core.documents import Document
from langchain_openai import OpenAIEmbeddings
from pydantic import SecretStr

from bicross.models.hashed import HashedEncoder

TEXTS = ["Hold the power button to reset the device.", "电池续航约九小时。", "The warranty covers two years."]


@pytest.fixture
def embeddings(live: str) -> Iterator[OpenAIEmbeddings]:
    made = OpenAIEmbeddings(model="any", api_key="none", base_url=f"{live}/v1", check_embedding_ctx_length=False, max_retries=0)
    yield made
    made.client._client.close()


def test_openai_embeddings_work_with_texts_of_any_number(embeddings: OpenAIEmbeddings) -> None:
    many = [f"{TEXTS[place % 3]} {place}" for place in range(1_500)]
    assert np.asarray(embeddings.embed_documents(many), np.float32) == pytest.approx(HashedEncoder().encode_documents(many), abs=1e-6)
    assert embeddings.embed_query("重置") == pytest.approx(HashedEncoder().encode_queries(["重置"])[0].tolist(), abs=1e-6)


def test_the_token_ids_that_openai_embeddings_send_by_default_are_refused_with_what_to_do(live: str) -> None:
    with (
        openai.OpenAI(api_key="none", base_url=f"{live}/v1") as client,
        pytest.raises(openai.BadRequestError, match="check_embedding_ctx_length=False"),
    ):
        client.embeddings.create(model="any", input=[[9906, 1917], [57668, 53901]])


def test_cohere_rerank_compresses_documents(live: str) -> None:
    compressor = CohereRerank(model="any", cohere_api_key=SecretStr("none"), base_url=live, top_n=2)
    documents = [Document(text, metadata={"place": place}) for place, text in enumerate(TEXTS)]
    found = compressor.compress_documents(documents, "电池能用多久")
    compressor.client._client_wrapper.httpx_client.httpx_client.close()
    assert len(found) == 2
    assert found[0].metadata["place"] == 1
    assert 1 > found[0].metadata["relevance_score"] > found[1].metadata["relevance_score"] >= 0.5


def test_the_plain_requests_of_jina_rerank_are_answered_and_refused_as_it_reads_them(http: httpx.Client) -> None:
    headers = {"Authorization": "Bearer none", "Accept-Encoding": "identity"}
    asked = {"query": "重置", "documents": TEXTS, "model": "jina-reranker-v1-base-en", "top_n": 3}
    body = http.post("/v1/rerank", json=asked, headers=headers).json()
    assert {one["index"] for one in body["results"]} == {0, 1, 2}
    assert all(isinstance(one["relevance_score"], float) for one in body["results"])
    assert "documents" in http.post("/v1/rerank", json={**asked, "documents": []}, headers=headers).json()["detail"]
