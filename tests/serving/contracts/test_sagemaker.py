from __future__ import annotations

import json
import math
from typing import Any

import httpx
import pytest

from bicross.models.hashed import HashedEncoder, HashedScorer

PAIRS = [["reset it", "Reset it."], ["重置", "按住电源键即可重置。"], ["reset", ""]]
SCORES = HashedScorer().score([(query, text) for query, text in PAIRS]).tolist()
RELEVANCE = [1 / (1 + math.exp(-score)) for score in SCORES]
VECTOR = HashedEncoder().encode_documents(["重置"])[0]


def invoke(http: httpx.Client, content: str | bytes, kind: str = "application/json", **headers: str) -> httpx.Response:
    return http.post("/invocations", content=content, headers={"Content-Type": kind, **headers})


def asked(http: httpx.Client, body: Any) -> Any:
    answer = invoke(http, json.dumps(body))
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_langchain_s_pairs_get_scores_in_the_order_asked(http: httpx.Client) -> None:
    assert asked(http, {"text_pairs": PAIRS}) == {"scores": pytest.approx(RELEVANCE)}
    assert asked(http, {"text_pairs": PAIRS, "raw_scores": True}) == {"scores": pytest.approx(SCORES)}


def test_the_body_s_fields_say_what_is_asked(http: httpx.Client) -> None:
    assert asked(http, {"inputs": "重置"}) == [pytest.approx(VECTOR.tolist())]
    assert [one["index"] for one in asked(http, {"query": "reset", "texts": ["a", "reset"]})] == [1, 0]
    assert [one["index"] for one in asked(http, {"query": "reset", "documents": ["a", "reset"]})["results"]] == [1, 0]
    assert asked(http, {"input": "重置"})["data"][0]["embedding"] == pytest.approx(VECTOR.tolist())


@pytest.mark.parametrize("body", [{"question": "如何重置？", "k": 2}, {"query": "如何重置？", "k": 2}])
def test_a_question_searches_the_collection(http: httpx.Client, body: dict[str, Any]) -> None:
    answer = asked(http, body)
    assert answer["text"] == "如何重置？"
    assert len(answer["hits"]) == 2
    assert answer["hits"][0]["id"] == "重置"


def test_lines_come_back_line_by_line(http: httpx.Client) -> None:
    lines = [{"inputs": "重置"}, {"text_pairs": PAIRS}, {"question": "reset", "k": 1}]
    answer = invoke(http, "\r\n".join(map(json.dumps, lines)) + "\n\n", "application/jsonlines")
    assert answer.headers["content-type"] == "application/jsonlines"
    vectors, scores, found = map(json.loads, answer.text.splitlines())
    assert vectors == [pytest.approx(VECTOR.tolist())]
    assert scores == {"scores": pytest.approx(RELEVANCE)}
    assert found["hits"][0]["id"] == "reset"


def test_a_line_that_is_no_json_is_named(http: httpx.Client) -> None:
    answer = invoke(http, '{"inputs": "a"}\n\n{"inputs": \n{"inputs": "b"}', "application/jsonlines")
    assert answer.status_code == 400 and answer.json()["error"].startswith("line 3: it is not JSON")


def test_many_lines_keep_their_order(http: httpx.Client) -> None:
    answer = invoke(http, "\n".join(json.dumps({"question": f"word{place}", "k": 1}) for place in range(60)), "application/jsonlines")
    assert [json.loads(line)["text"] for line in answer.text.splitlines()] == [f"word{place}" for place in range(60)]


def test_rows_of_pairs_get_scores_and_rows_of_texts_vectors(http: httpx.Client) -> None:
    answer = invoke(http, '"reset it","Reset it."\n重置,按住电源键即可重置。\nreset,""\n'.encode(), "text/csv; charset=utf-8")
    assert answer.headers["content-type"].startswith("text/csv")
    assert [float(line) for line in answer.text.splitlines()] == pytest.approx(RELEVANCE)
    answer = invoke(http, '重置\n"two\nlines, and a comma"\n'.encode(), "text/csv")
    first, second = ([float(number) for number in line.split(",")] for line in answer.text.splitlines())
    assert first == pytest.approx(VECTOR.tolist())
    assert second == pytest.approx(HashedEncoder().encode_documents(["two\nlines, and a comma"])[0].tolist())


def test_custom_attributes_come_back(http: httpx.Client) -> None:
    answer = invoke(http, '{"inputs": "a"}', **{"X-Amzn-SageMaker-Custom-Attributes": "trace=1"})
    assert answer.headers["X-Amzn-SageMaker-Custom-Attributes"] == "trace=1"


def test_batch_transform_is_told_how_to_ask(http: httpx.Client) -> None:
    assert http.get("/execution-parameters").json() == {"MaxConcurrentTransforms": 8, "BatchStrategy": "MULTI_RECORD", "MaxPayloadInMB": 6}


@pytest.mark.parametrize(
    ("content", "kind", "status", "said"),
    [
        ("{", "application/json", 400, "The body: it is not JSON"),
        ("[" * 100_000, "application/json", 400, "The body: it is not JSON"),
        ("9" * 5_000, "application/json", 400, "The body: it is not JSON"),
        ("[]", "application/json", 422, "it is not an object"),
        ("{}", "application/json", 422, "it has none of the fields"),
        ('{"inputs": []}', "application/json", 422, "inputs: List should have at least 1 item"),
        ('{"text_pairs": [["a"]]}', "application/json", 422, "text_pairs[0]: List should have at least 2 items"),
        ('{"text_pairs": [["a", "\\ud800"]]}', "application/json", 422, "text_pairs[0][1]: it holds a lone surrogate"),
        ('{"query": " "}', "application/json", 422, "question: it is empty"),
        ("", "application/json", 400, "The body: it is not JSON"),
        ("\n", "application/jsonlines", 400, "There is no record"),
        ('{"inputs": "a"}\n{"inputs": ""}', "application/jsonlines", 422, "line 2: inputs: String should have at least 1 character"),
        ('{"inputs": "a"}\n{"inputs": "a", "dimensions": 3}', "application/jsonlines", 400, "line 2: dimensions is 3"),
        ('{"inputs": "a"}\n' * 1_001, "application/jsonlines", 413, "There are 1001 records"),
        ("a,b\nc", "text/csv", 422, "row 2 is not like the others"),
        ("a,b,c", "text/csv", 422, "row 1 is not like the others"),
        ('a,"b', "text/csv", 400, "It is not CSV"),
        (b"\xff\xfe", "text/csv", 400, "It is not CSV"),
        ("", "text/csv", 400, "There is no record"),
        ("a", "image/png", 415, "Expected Content-Type"),
    ],
)
def test_what_cannot_be_done_is_refused_and_the_record_named(http: httpx.Client, content: str, kind: str, status: int, said: str) -> None:
    answer = invoke(http, content, kind)
    assert answer.status_code == status
    assert answer.json()["error"].startswith(said)
    assert answer.json().keys() == {"error", "error_type"}
