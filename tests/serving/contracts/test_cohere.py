from __future__ import annotations

import json
import math
from collections.abc import Iterator
from typing import Any

import cohere
import httpx
import pytest
from cohere.errors import BadRequestError, UnauthorizedError

from bicross.models.hashed import HashedScorer

QUERY = "how do I reset the device"
DOCUMENTS = ["The warranty covers two years.", "Hold the power button to reset the device.", "", "按住电源键十秒即可重置设备。"]


@pytest.fixture
def newer(live: str) -> Iterator[cohere.ClientV2]:
    with httpx.Client(timeout=60) as transport:
        yield cohere.ClientV2("none", base_url=live, httpx_client=transport)


@pytest.fixture
def older(live: str) -> Iterator[cohere.Client]:
    with httpx.Client(timeout=60) as transport:
        yield cohere.Client("none", base_url=live, httpx_client=transport)


def expected(query: str, texts: list[str]) -> list[tuple[int, float]]:
    """Place and relevance, computed apart from the server."""
    scores = HashedScorer().score([(query, text) for text in texts]).tolist()
    return sorted(((place, 1 / (1 + math.exp(-score))) for place, score in enumerate(scores)), key=lambda found: (-found[1], found[0]))


def found(results: Any) -> list[tuple[int, float]]:
    return [(one.index, one.relevance_score) for one in results]


def close(got: list[tuple[int, float]], wanted: list[tuple[int, float]]) -> bool:
    return [place for place, _ in got] == [place for place, _ in wanted] and all(
        math.isclose(one, other, rel_tol=1e-5) for (_, one), (_, other) in zip(got, wanted, strict=True)
    )


def test_the_client_of_version_2_gets_the_documents_best_first_and_no_documents_back(newer: cohere.ClientV2) -> None:
    answer = newer.rerank(model="rerank-v3.5", query=QUERY, documents=DOCUMENTS)
    assert close(found(answer.results), expected(QUERY, DOCUMENTS))
    assert answer.id
    assert answer.meta is not None
    assert answer.meta.api_version is not None
    assert answer.meta.api_version.version == "2"
    assert answer.meta.billed_units is not None
    assert answer.meta.billed_units.search_units == 1
    assert answer.meta.tokens is not None
    assert answer.meta.tokens.input_tokens > 20
    assert "document" not in answer.results[0].model_dump()
    assert answer.model_dump()["model"] == "bicross/hashed"


def test_the_client_of_version_1_gets_texts_and_whole_objects_back(older: cohere.Client) -> None:
    documents = [{"text": "Clean the screen.", "page": "7"}, "保修期为两年。", {"title": "保修", "text": "仅限正常使用。"}]
    answer = older.rerank(query="保修期", documents=documents, return_documents=True, top_n=2)
    assert answer.meta is not None
    assert answer.meta.api_version is not None
    assert answer.meta.api_version.version == "1"
    assert close(found(answer.results), expected("保修期", ["Clean the screen.", "保修期为两年。", "保修\n仅限正常使用。"])[:2])
    assert [one.document.text for one in answer.results if one.document] == ["保修期为两年。", "仅限正常使用。"]
    assert answer.results[1].document is not None
    assert answer.results[1].document.model_dump()["title"] == "保修"


def test_rank_fields_name_what_is_read_line_by_line(older: cohere.Client) -> None:
    documents: list[Any] = [{"author": "Reset", "text": "device"}, {"author": "Sound", "text": "reset device", "extra": "x"}]
    answer = older.rerank(query="reset device", documents=documents, rank_fields=["author", "text"])
    assert close(found(answer.results), expected("reset device", ["Reset\ndevice", "Sound\nreset device"]))


@pytest.mark.anyio
async def test_the_asynchronous_clients_work(live: str) -> None:
    async with httpx.AsyncClient() as transport:
        two = cohere.AsyncClientV2("none", base_url=live, httpx_client=transport)
        one = cohere.AsyncClient("none", base_url=live, httpx_client=transport)
        second = await two.rerank(model="m", query="重置", documents=DOCUMENTS, top_n=1)
        first = await one.rerank(query="重置", documents=DOCUMENTS, top_n=1)
    assert close(found(second.results), expected("重置", DOCUMENTS)[:1])
    assert found(second.results) == found(first.results)


def test_a_thousand_documents_are_ordered_and_equal_ones_stand_as_they_came(newer: cohere.ClientV2) -> None:
    documents = [f"document {place % 7} 文档 {place % 5}" for place in range(1_000)]
    answer = newer.rerank(model="m", query="document 3 文档 4", documents=documents)
    assert close(found(answer.results), expected("document 3 文档 4", documents))
    assert answer.meta is not None
    assert answer.meta.billed_units is not None
    assert answer.meta.billed_units.search_units == 10


@pytest.mark.parametrize(
    ("query", "documents", "said"),
    [
        (" ", ["a"], "query: it is empty"),
        ("q" * 8_193, ["a"], "query: String should have at most 8192"),
        ("q", [], "documents: List should have at least 1"),
        ("q", ["a"] * 1_001, "documents: List should have at most 1000"),
    ],
)
def test_what_cannot_be_reranked_is_a_bad_request(newer: cohere.ClientV2, query: str, documents: list[str], said: str) -> None:
    with pytest.raises(BadRequestError) as caught:
        newer.rerank(model="m", query=query, documents=documents)
    assert caught.value.body["message"].startswith(said)
    assert caught.value.body["detail"] == caught.value.body["message"]


def test_a_wrong_key_is_unauthorized(guarded: tuple[str, str]) -> None:
    url, key = guarded
    with httpx.Client() as transport:
        with pytest.raises(UnauthorizedError) as caught:
            cohere.ClientV2("wrong", base_url=url, httpx_client=transport).rerank(model="m", query="q", documents=["a"])
        assert "API key" in caught.value.body["message"]
        right = cohere.ClientV2(key, base_url=url, httpx_client=transport)
        assert len(right.rerank(model="m", query="q", documents=["a"]).results) == 1


@pytest.mark.parametrize("path", ["/rerank", "/v1/rerank"])
def test_callers_of_jina_vllm_and_infinity_find_their_fields(http: httpx.Client, path: str) -> None:
    answer = http.post(path, json={"model": "jina-reranker-v2-base-multilingual", "query": QUERY, "documents": DOCUMENTS, "top_n": 2})
    body = answer.json()
    assert answer.status_code == 200
    assert body["object"] == "list"
    assert body["model"] == "bicross/hashed"
    assert isinstance(body["created"], int)
    assert body["usage"]["total_tokens"] == body["usage"]["prompt_tokens"] > 0
    assert [one["document"] for one in body["results"]] == [{"text": DOCUMENTS[one["index"]]} for one in body["results"]]
    assert "return_documents" not in body


def test_documents_are_not_sent_back_where_that_is_said(http: httpx.Client) -> None:
    asked = {"query": QUERY, "documents": DOCUMENTS}
    assert "document" not in http.post("/v1/rerank", json={**asked, "return_documents": False}).json()["results"][0]
    assert "document" not in http.post("/v2/rerank", json=asked).json()["results"][0]
    assert "document" in http.post("/v2/rerank", json={**asked, "return_documents": True}).json()["results"][0]


def test_vllm_s_zero_means_all(http: httpx.Client) -> None:
    assert len(http.post("/rerank", json={"query": QUERY, "documents": DOCUMENTS, "top_n": 0}).json()["results"]) == len(DOCUMENTS)


@pytest.mark.parametrize("raw", [{"raw_scores": True}, {"use_activation": False}])
def test_raw_scores_are_the_model_s(http: httpx.Client, raw: dict[str, bool]) -> None:
    results = http.post("/v1/rerank", json={"query": QUERY, "documents": DOCUMENTS, **raw}).json()["results"]
    scores = HashedScorer().score([(QUERY, text) for text in DOCUMENTS])
    assert [one["relevance_score"] for one in results] == pytest.approx(sorted(scores.tolist(), reverse=True))


def test_a_document_s_score_does_not_depend_on_its_neighbours(http: httpx.Client) -> None:
    alone = http.post("/v2/rerank", json={"query": QUERY, "documents": DOCUMENTS[1:2]}).json()["results"][0]["relevance_score"]
    among = http.post("/v2/rerank", json={"query": QUERY, "documents": DOCUMENTS}).json()["results"]
    assert alone == next(one["relevance_score"] for one in among if one["index"] == 1)


def test_limits_of_length_are_warned_of_where_they_do_not_hold(http: httpx.Client) -> None:
    asked = {"query": "reset", "documents": ["one two three four", "five"]}
    assert "warnings" not in http.post("/v2/rerank", json={**asked, "max_tokens_per_doc": 4096, "max_chunks_per_doc": 10}).json()["meta"]
    warnings = http.post("/v2/rerank", json={**asked, "max_tokens_per_doc": 2}).json()["meta"]["warnings"]
    assert warnings == ["max_tokens_per_doc is 2, and up to 5 tokens of query and document were read: the model's own limit holds alone."]
    cut = http.post("/v2/rerank", json={"query": "reset", "documents": ["word " * 5_000, "short"]}).json()["meta"]["warnings"]
    assert cut == ["1 documents were longer than the model reads with the query, and were cut at the end."]


def test_spans_count_code_points_in_the_document_s_own_text(http: httpx.Client) -> None:
    text = "Nothing of use here. 😀 Hold the power button to reset the device. 保修期为两年。"
    documents = [text, {"title": "Reset", "text": text}]
    asked = {"query": "reset the device", "documents": documents, "relevant_spans": {"mode": "on", "max_spans": 1, "threshold": 0}}
    answer = http.post("/v2/rerank", json=asked)
    assert answer.status_code == 200, answer.text
    for result in answer.json()["results"]:
        (span,) = result["relevant_spans"]
        assert "reset the device" in text[span["start"] : span["end"]]
        assert 0 < span["score"] <= 1


def test_no_span_is_below_the_threshold(http: httpx.Client) -> None:
    asked = {"query": "reset", "documents": ["To reset, wait. Then go."], "relevant_spans": {"threshold": 1}}
    assert http.post("/v2/rerank", json=asked).json()["results"][0]["relevant_spans"] == []


@pytest.mark.parametrize(
    "body",
    [
        '{"query": "\\ud83d", "documents": ["a"]}',
        '{"query": "q", "documents": ["a\\ud83d"]}',
        '{"query": "q", "documents": [{"text": "a", "other": ["\\ud83d"]}]}',
        '{"query": "q", "documents": [{"text": "a", "\\ud83d": 1}]}',
        '{"query": "q", "documents": [{"title": "a"}]}',
        '{"query": "q", "documents": [{"text": 3}]}',
        '{"query": "q", "documents": [3]}',
        '{"query": "q", "documents": [{"text": "a"}], "rank_fields": ["b"]}',
        '{"query": "q", "documents": ["a"], "top_n": -1}',
        '{"query": "q", "documents": ["a"], "relevant_spans": {"threshold": 2}}',
        '{"query": "q"}',
        '{"documents": ["a"]}',
        "[]",
        '"text"',
        "{",
        "",
        "[" * 100_000,
        '{"query": "q", "documents": [{"text": "a", "deep": ' + "[" * 400 + "]" * 400 + "}]}",
    ],
)
@pytest.mark.parametrize("path", ["/rerank", "/v1/rerank", "/v2/rerank"])
def test_a_wrong_body_is_400_with_message_and_detail(http: httpx.Client, path: str, body: str) -> None:
    answer = http.post(path, content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 400
    assert answer.json()["message"]
    assert answer.json()["detail"]
    assert answer.json()["id"] == answer.headers["x-request-id"]


def test_numbers_that_json_does_not_have_come_back_as_null(http: httpx.Client) -> None:
    body = '{"query": "q", "documents": [{"text": "a", "page": NaN, "big": ' + "9" * 400 + "}]}"
    answer = http.post("/v1/rerank", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 200
    assert json.loads(answer.text)["results"][0]["document"] == {"text": "a", "page": None, "big": int("9" * 400)}
