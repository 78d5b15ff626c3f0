from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from pathlib import Path

import httpx
import httpx2
import numpy as np
import openai
import pytest

from bicross.models.hashed import HashedEncoder
from bicross.protocols import Side
from bicross.serving.contracts.shared import public_name, shorter
from bicross.serving.engine import Embedded
from bicross.serving.queued import QueuedEngine
from bicross.serving.refusals import Overloaded, Refused
from bicross.vectors import unit
from tests.serving.contracts.conftest import running

TEXTS = ["How do I reset it?", "如何重置设备？", "😀", " "]


@pytest.fixture
def client(live: str) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(api_key="none", base_url=f"{live}/v1", max_retries=0) as client:
        yield client


def test_the_client_gets_the_encoder_s_vectors_in_the_base64_that_it_asks_for(client: openai.OpenAI) -> None:
    answer = client.embeddings.create(model="text-embedding-3-small", input=TEXTS)
    wanted = HashedEncoder().encode_documents(TEXTS)
    assert np.array_equal(np.asarray([one.embedding for one in answer.data], dtype=np.float32), wanted)
    assert [one.index for one in answer.data] == [0, 1, 2, 3]
    assert answer.model == "bicross/hashed"
    assert answer.usage.prompt_tokens == answer.usage.total_tokens == 5 + 6


def test_numbers_are_the_same_as_base64(client: openai.OpenAI, http: httpx.Client) -> None:
    numbers = client.embeddings.create(model="m", input="重置", encoding_format="float").data[0].embedding
    raw = http.post("/v1/embeddings", json={"model": "m", "input": "重置", "encoding_format": "base64"}).json()["data"][0]["embedding"]
    assert numbers == pytest.approx(np.frombuffer(base64.b64decode(raw), dtype="<f4"), abs=1e-7)
    unsaid = http.post("/v1/embeddings", json={"input": "重置"}).json()["data"][0]["embedding"]
    assert unsaid == numbers


@pytest.mark.anyio
async def test_the_asynchronous_client_works(live: str) -> None:
    async with openai.AsyncOpenAI(api_key="none", base_url=f"{live}/v1") as client:
        answer = await client.embeddings.create(model="m", input=["a"] * 1_000)
    assert len(answer.data) == 1_000


def test_the_side_of_a_search_is_the_document_s_unless_input_type_says_query(made_collection: Path) -> None:
    sides: list[Side] = []

    class Noting(QueuedEngine):
        async def embed(self, collection: str, texts: Sequence[str], side: Side, deadline: float | None = None) -> Embedded:
            sides.append(side)
            return await super().embed(collection, texts, side, deadline)

    with running(made_collection, Noting) as url, openai.OpenAI(api_key="x", base_url=f"{url}/v1") as client:
        client.embeddings.create(model="m", input="a")
        for name in ("query", "search_query", "search_document", "passage"):
            client.embeddings.create(model="m", input="a", extra_body={"input_type": name})
    assert sides == ["document", "query", "query", "document", "document"]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ([1, 2, 3], "token ids"),
        ([[1, 2], [3]], "token ids"),
        ("", "at least 1 character"),
        (["a", ""], "at least 1 character"),
        ([], "at least 1 item"),
        (["a"] * 2_049, "at most 2048 items"),
    ],
)
def test_what_is_no_text_is_a_bad_request(client: openai.OpenAI, given: list[str], said: str) -> None:
    with pytest.raises(openai.BadRequestError, match=said) as caught:
        client.embeddings.create(model="m", input=given)
    assert caught.value.type == "invalid_request_error"
    assert caught.value.code in ("invalid_request", "empty")


@pytest.mark.parametrize(
    "body", ['{"input": "\\ud800"}', "{", "", "[]", '{"input": {}}', '{"input": "a", "encoding_format": "int8"}', "{}"]
)
def test_a_wrong_body_is_400_with_an_error_object(http: httpx.Client, body: str) -> None:
    answer = http.post("/v1/embeddings", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 400
    assert answer.json()["error"].keys() == {"message", "type", "param", "code"}


def test_a_model_that_was_not_trained_for_it_gives_no_shorter_vectors(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="dimensions is 32; expected 64: the model was not trained to be cut shorter"):
        client.embeddings.create(model="m", input="a", dimensions=32)
    assert len(client.embeddings.create(model="m", input="a", dimensions=64).data[0].embedding) == 64


def test_a_model_that_was_trained_for_it_gives_shorter_vectors_of_length_1() -> None:
    vectors = unit(np.random.default_rng(0).normal(size=(2, 64)).astype(np.float32))
    cut = shorter(vectors, 16, {"matryoshka": [32, 16]})
    assert cut.shape == (2, 16)
    assert np.linalg.norm(cut, axis=1) == pytest.approx([1, 1])
    with pytest.raises(Refused, match="expected 16 or 32 or 64"):
        shorter(vectors, 8, {"matryoshka": [32, 16]})


def test_the_models_that_answer_are_listed_and_shown(client: openai.OpenAI) -> None:
    (model,) = client.models.list().data
    assert model.id == "bicross/hashed"
    assert client.models.retrieve("bicross/hashed") == model
    with pytest.raises(openai.NotFoundError) as caught:
        client.models.retrieve("gpt-4")
    assert caught.value.code == "model_not_found"


def test_names_of_models_tell_nothing_of_the_machine() -> None:
    assert public_name("bicross/starter-encoder") == "bicross/starter-encoder"
    assert public_name("models/bi-encoder-0123") == "models/bi-encoder-0123"
    assert public_name("/home/someone/secret/encoder") == "encoder"


def test_a_wrong_key_is_an_authentication_error(guarded: tuple[str, str]) -> None:
    url, key = guarded
    with openai.OpenAI(api_key="wrong", base_url=f"{url}/v1") as client, pytest.raises(openai.AuthenticationError) as caught:
        client.embeddings.create(model="m", input="a")
    assert caught.value.request_id
    with openai.OpenAI(api_key=key, base_url=f"{url}/v1") as client:
        assert len(client.embeddings.create(model="m", input="a").data) == 1


def test_a_full_server_is_a_rate_limit_error_with_the_time_to_wait(made_collection: Path) -> None:
    class Full(QueuedEngine):
        async def embed(self, collection: str, texts: Sequence[str], side: Side, deadline: float | None = None) -> Embedded:
            raise Overloaded(3.0)

    with running(made_collection, Full) as url:
        with openai.OpenAI(api_key="x", base_url=f"{url}/v1", max_retries=0) as client, pytest.raises(openai.RateLimitError) as caught:
            client.embeddings.create(model="m", input="a")
        assert isinstance(caught.value.response, httpx2.Response)
        assert caught.value.response.headers["retry-after"] == "3"
        assert caught.value.code == "overloaded"
        refused = httpx.post(f"{url}/embed", json={"inputs": "a"})
        assert (refused.status_code, refused.json()["error_type"]) == (429, "Overloaded")
