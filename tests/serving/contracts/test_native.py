"""The native contract against the real server, its queue and a real model process; its description against its models."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from pydantic import BaseModel

from bicross import pipeline
from bicross.data.click_log import read_clicks
from bicross.data.questions import read_qrels, read_queries
from bicross.serving.contracts import native_answers, native_bodies
from bicross.serving.contracts import native_examples as examples
from bicross.serving.queued import QueuedEngine
from bicross.serving.refusals import Late, Overloaded, Refused, Unavailable
from bicross.settings import SearchSettings
from tests.serving.contracts.conftest import running
from tests.serving.test_server import serving


@pytest.fixture(scope="module")
def http(collection: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A client of `bicross serve`, whose collection this module may change."""
    with serving(tmp_path_factory.mktemp("native"), collection) as server:
        server.ready()
        with httpx.Client(base_url=server.url, timeout=30) as client:
            yield client


def ask(http: httpx.Client, **body: Any) -> dict[str, Any]:
    response = http.post("/v1/search", json=body)
    assert response.status_code == 200, response.text
    native_answers.SearchFound.model_validate(response.json())
    found: dict[str, Any] = response.json()
    return found


def ids(answer: dict[str, Any]) -> list[str]:
    return [hit["id"] for hit in answer["hits"]]


def rounded(value: Any) -> Any:
    """The same JSON with numbers of five digits."""
    if isinstance(value, dict):
        return {key: rounded(one) for key, one in value.items()}
    return [rounded(one) for one in value] if isinstance(value, list) else round(value, 5) if isinstance(value, float) else value


def refused(response: httpx.Response, status: int, said: str) -> None:
    assert response.status_code == status, response.text
    error = native_answers.Error.model_validate(response.json())
    assert said in error.error.message, error


# --- search --------------------------------------------------------------------------------------------------------


def test_search_answers_as_the_command_line_does(http: httpx.Client, collection: Path) -> None:
    questions = ["How do I reset the device?", "怎么重置设备？"]
    found = ask(http, questions=questions, k=3)["queries"]
    for answer, expected in zip(found, pipeline.search(collection, questions, SearchSettings(k=3)).as_json()["queries"], strict=True):
        assert not answer["degraded"]
        assert set(answer.pop("seconds")) >= {"queue", "encode", "recall", "rerank"}
        expected.pop("seconds")
        assert rounded(answer) == rounded(expected)  # the questions may have been in batches of other sizes
    assert ids(found[0])[0] == "reset" and ids(found[1])[0] == "重置"


def test_the_header_has_the_time_of_every_stage(http: httpx.Client) -> None:
    response = http.post("/v1/search", json={"question": "battery"})
    stages = dict(re.findall(r"(\w+);dur=([0-9.]+)", response.headers["Server-Timing"]))
    assert stages.keys() == {"queue", "encode", "recall", "rerank"}
    assert {stage: float(value) for stage, value in stages.items()} == pytest.approx(
        {stage: 1000 * value for stage, value in response.json()["seconds"].items()}, abs=0.001
    )


def test_a_filter_lets_through_what_it_says_and_search_is_not_short(http: httpx.Client) -> None:
    everything = {"question": "the battery of the device 设备的电池", "k": 100}
    assert sorted(ids(ask(http, **everything, filter={"lang": "zh"})["queries"][0])) == sorted(["重置", "电池", "保修", "屏幕", "声音"])
    (one,) = ask(http, **everything, filter={"lang": "en", "year": {"gte": 2024}})["queries"]
    assert ids(one) == ["sound"]
    (none,) = ask(http, **everything, filter={"year": "2024"})["queries"]
    assert ids(none) == []
    for stage in ("lexical", "dense", "fused"):
        assert set(ids(ask(http, **everything, stage=stage, filter={"year": {"in": [2021]}})["queries"][0])) <= {
            "reset",
            "screen",
            "重置",
            "屏幕",
        }


def test_an_explanation_adds_up_and_names_the_sentence_that_mattered(http: httpx.Client) -> None:
    text = "这台设备很轻。它有三种颜色。按住电源键十秒即可恢复出厂设置。包装内含数据线。"
    put(http, {"id": "长文", "title": "说明", "text": text})
    (answer,) = ask(http, question="怎么恢复出厂设置？", k=2, explain=True)["queries"]
    hit = answer["hits"][0]
    assert hit["id"] == "长文"
    assert ask(http, question="怎么恢复出厂设置？", k=2.0, depth=1.0)["queries"][0]["reranked"] == 1  # JSON has one kind of number
    assert sum(part["added"] for part in hit["parts"].values()) == pytest.approx(hit["score"], abs=1e-6)
    assert {stage["rank"] for stage in hit["stages"].values()}
    best = hit["relevant_spans"][0]
    assert hit["passage"]["text"][best["start"] : best["end"]] == "按住电源键十秒即可恢复出厂设置。"
    assert "explain" in answer["seconds"]
    http.delete(f"/v1/documents/{quote('长文')}")


@pytest.mark.parametrize("why", [Late(), Overloaded(3.0), Unavailable("The model process ended.")], ids=lambda one: one.kind)
def test_what_was_found_is_not_lost_where_there_is_no_time_to_explain_it(made_collection: Path, why: Refused) -> None:
    class Unexplained(QueuedEngine):
        async def spans(
            self, collection: str, question: str, texts: Sequence[str], deadline: float | None = None
        ) -> list[list[dict[str, Any]]]:
            raise why

    with running(made_collection, Unexplained) as url, httpx.Client(base_url=url, timeout=30) as client:
        (answer,) = ask(client, question="reset", explain=True, deadline=20)["queries"]
    assert answer["degraded"] and answer["hits"][0]["relevant_spans"] is None


@pytest.mark.parametrize("stage", ["fused", "dense", "lexical"])
def test_a_search_without_reranking_is_explained_by_its_stages(http: httpx.Client, stage: str) -> None:
    (answer,) = ask(http, question="warranty 保修", stage=stage, explain=True)["queries"]
    assert answer["hits"]
    for hit in answer["hits"]:
        assert sum(part["added"] for part in hit["parts"].values()) == pytest.approx(hit["score"])
        assert hit["relevant_spans"] is None


def test_without_explain_nothing_is_explained(http: httpx.Client) -> None:
    hit = ask(http, question="warranty")["queries"][0]["hits"][0]
    assert not {"parts", "relevant_spans"} & hit.keys()


def test_a_deadline_is_kept_or_its_passing_told(http: httpx.Client) -> None:
    assert not ask(http, question="battery", deadline=60)["queries"][0]["degraded"]
    start = time.monotonic()
    response = http.post("/v1/search", json={"questions": [f"battery {number} 电池" for number in range(64)], "k": 100, "deadline": 0.01})
    assert response.status_code in (200, 504)
    assert time.monotonic() - start < 20


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({}, "either question or questions"),
        ({"question": "a", "questions": ["b"]}, "either question or questions"),
        ({"question": " \n"}, "question"),
        ({"questions": []}, "questions"),
        ({"questions": ["a"] * 65}, "questions"),
        ({"questions": ["a"] * 5, "explain": True}, "at most 4 questions"),
        ({"question": "a" * 4097}, "4096"),
        ({"question": "a", "k": 101}, "k: "),
        ({"question": "a", "k": "5"}, "k: "),
        ({"question": "a", "k": 5.5}, "k: "),
        ({"question": "a", "depth": 1001}, "depth"),
        ({"question": "a", "depth": -1}, "depth"),
        ({"question": "a", "stage": "best"}, "stage"),
        ({"question": "a", "deadline": 0}, "deadline"),
        ({"question": "a", "deadline": 61}, "deadline"),
        ({"question": "a", "top_k": 3}, "top_k"),
        ({"question": "a", "filter": {"a": {"like": "b"}}}, "gt, gte, lt, lte"),
        ({"question": "a", "filter": {'a" OR 1=1': 1}}, "a key of the filter"),
    ],
)
def test_what_cannot_be_asked_is_refused_by_name(http: httpx.Client, body: dict[str, Any], said: str) -> None:
    refused(http.post("/v1/search", json=body), 422, said)


@pytest.mark.parametrize(("body", "kind"), [({}, "both"), ({"depth": 0}, "fused"), ({"stage": "dense"}, "dense")])
def test_a_probability_of_a_collection_that_was_not_calibrated_is_a_conflict(http: httpx.Client, body: dict[str, Any], kind: str) -> None:
    response = http.post("/v1/search", json={"question": "a", "min_probability": 0.5, **body})
    refused(response, 409, f"{kind} search of manual gives no probability")


def test_another_collection_is_none(http: httpx.Client) -> None:
    refused(http.post("/v1/search", json={"question": "a", "collection": "theirs"}), 404, "no collection 'theirs'")
    refused(http.get("/v1/collections/theirs"), 404, "no collection")
    refused(http.get("/v1/documents/reset", params={"collection": "theirs"}), 404, "no collection")


# --- documents -----------------------------------------------------------------------------------------------------


def put(http: httpx.Client, *documents: dict[str, Any]) -> dict[str, Any]:
    response = http.post("/v1/documents", json={"documents": documents})
    assert response.status_code == 200, response.text
    native_answers.DocumentsPut.model_validate(response.json())
    found: dict[str, Any] = response.json()
    return found


@pytest.mark.parametrize(
    "name", ["plain", "guides/cable#1", "指南/数据线", "a b%2Fc?d&e=f", "delete", "double//slash", "end/", "..hidden", "%"]
)
def test_a_document_is_put_found_read_and_removed_under_any_id(http: httpx.Client, name: str) -> None:
    document = {
        "id": name,
        "title": "Cable",
        "text": f"The zyzzyva cable, 数据线 of {name}.",
        "meta": {"lang": "zy", "tags": ["a", "b"], "n": None},
    }
    assert put(http, document)["changed"] == 1
    assert put(http, document) == {"changed": 0, "unchanged": 1, "truncated": [], "documents": 11}
    assert ids(ask(http, question="zyzzyva", filter={"lang": "zy"})["queries"][0]) == [name]
    for path in {quote(name, safe=""), quote(name, safe="/")}:
        response = http.get(f"/v1/documents/{path}")
        assert response.status_code == 200 and response.json() == document
    response = http.delete(f"/v1/documents/{quote(name, safe='')}")
    assert response.status_code == 200
    assert native_answers.DocumentsDeleted.model_validate(response.json()).documents == 10
    for gone in (http.get, http.delete):
        refused(gone(f"/v1/documents/{quote(name, safe='')}"), 404, "no document")
    assert ids(ask(http, question="zyzzyva", filter={"lang": "zy"})["queries"][0]) == []


def test_documents_are_removed_together_and_unknown_ones_named(http: httpx.Client) -> None:
    put(http, {"id": "x", "text": "one"}, {"id": "y", "text": "two", "title": "两"})
    response = http.post("/v1/documents/delete", json={"ids": ["x", "无", "y"]})
    assert response.json() == {"deleted": 2, "unknown": ["无"], "documents": 10}


@pytest.mark.parametrize(
    ("documents", "said"),
    [
        ([], "documents"),
        ([{"id": "a", "text": "t"}] * 513, "documents"),
        ([{"id": "a", "text": "t"}, {"id": "a", "text": "u"}], "stands twice"),
        ([{"id": "", "text": "t"}], "documents[1].id"),
        ([{"id": "a\n", "text": "t"}], "control character"),
        ([{"id": 7, "text": "t"}], "documents[1].id"),
        ([{"id": "a", "text": " \t", "title": "t"}], "it is empty"),
        ([{"id": "a", "text": "t\0"}], "NUL"),
        ([{"id": "a", "text": "t", "metadata": {}}], "metadata"),
        ([{"id": "a", "text": "t", "meta": [1]}], "meta"),
        ([{"id": "a", "text": "字" * 700_000}], "2000000 are taken"),
    ],
)
def test_documents_that_cannot_be_kept_are_refused_together(http: httpx.Client, documents: list[Any], said: str) -> None:
    refused(http.post("/v1/documents", json={"documents": [{"id": "good", "text": "good"}, *documents] if documents else []}), 422, said)
    refused(http.get("/v1/documents/good"), 404, "no document")


@pytest.mark.parametrize(
    ("meta", "said"),
    [
        ('{"a": NaN}', "not finite"),
        ('{"a": "\\ud800"}', "lone surrogate"),
        ('{"\\ud800": 1}', "surrogate"),
        (f'{{"a": {"[" * 20}{"]" * 20}}}', "16 levels"),
        (json.dumps({str(number): 1 for number in range(257)}), "meta"),
    ],
)
def test_meta_that_could_not_be_read_again_is_refused(http: httpx.Client, meta: str, said: str) -> None:
    body = f'{{"documents": [{{"id": "a", "text": "t", "meta": {meta}}}]}}'
    refused(http.post("/v1/documents", content=body, headers={"Content-Type": "application/json"}), 422, said)


def test_a_body_that_is_no_json_is_refused(http: httpx.Client) -> None:
    for body in (b"{", b"\xff", b"[" * 100_000):
        response = http.post("/v1/search", content=body, headers={"Content-Type": "application/json"})
        assert response.status_code in (400, 422)
        native_answers.Error.model_validate(response.json())


# --- collections and feedback --------------------------------------------------------------------------------------


def test_collections_are_described(http: httpx.Client) -> None:
    found = native_answers.CollectionsFound.model_validate(http.get("/v1/collections").json())
    (one,) = found.collections
    assert (one.name, one.encoder, one.reranker, one.documents) == ("manual", "bicross/hashed", "bicross/hashed", 10)
    assert http.get("/v1/collections/manual").json() == one.model_dump()


def test_feedback_is_kept_where_tune_and_questions_read_it(http: httpx.Client, collection: Path) -> None:
    said = [
        {"question": "怎么重置设备？", "doc_id": "重置", "grade": 1},
        {"question": "怎么重置设备？", "doc_id": "重置", "position": 1, "clicked": True, "time": "2026-11-25T17:30:00+08:00"},
        {"question": "怎么重置设备？", "doc_id": "重置", "grade": 3},
        {"question": "怎么重置设备？", "doc_id": "电池", "position": 2, "clicked": False},
    ]
    assert http.post("/v1/feedback", json={"feedback": said}).json() == {"judgements": 2, "shown": 2}
    folder = collection / "feedback"
    queries, _ = read_queries(folder / "queries.jsonl")
    assert read_qrels(folder / "qrels.tsv") == {queries[0].id: {"重置": 3}}
    log = read_clicks([folder / "clicks.jsonl"], {}, lambda *_: None)
    assert log.clicked.tolist() == [1, 0] and log.time[0] == 1795599000
    assert http.post("/v1/feedback", json={"feedback": [{**said[0], "grade": None}]}).json() == {"judgements": 1, "shown": 0}
    assert (folder / "queries.jsonl").read_bytes() == b""


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({"question": "q", "doc_id": "d"}, "position"),
        ({"question": "q", "doc_id": "d", "grade": 4}, "grade"),
        ({"question": "q", "doc_id": "d", "grade": True}, "grade"),
        ({"question": "q", "doc_id": "d", "grade": 1, "clicked": True}, "clicked"),
        ({"question": "q", "doc_id": "d", "position": 0, "clicked": True}, "position"),
        ({"question": "q", "doc_id": "d", "position": 1, "clicked": 1}, "clicked"),
        ({"question": "q", "doc_id": "d", "position": 1, "clicked": True, "time": "yesterday"}, "ISO 8601"),
        ({"question": "q", "doc_id": "d", "position": 1, "clicked": True, "time": "0001-01-01T00:00:00+23:59"}, "ISO 8601"),
        ({"question": " ", "doc_id": "d", "grade": 1}, "question"),
        ("grade", "feedback[0]"),
    ],
)
def test_feedback_that_no_reader_would_take_is_refused(http: httpx.Client, collection: Path, said: Any, why: str) -> None:
    refused(http.post("/v1/feedback", json={"feedback": [said]}), 422, why)


def test_feedback_of_documents_that_are_not_there_is_named_and_none_of_it_kept(http: httpx.Client, collection: Path) -> None:
    here = {"question": "gone?", "doc_id": "reset", "grade": 3}
    gone = {"question": "gone?", "doc_id": "nowhere", "grade": 3}
    clicked = {"question": "gone?", "doc_id": "没有", "position": 1, "clicked": True}
    refused(http.post("/v1/feedback", json={"feedback": [here, gone, clicked, gone]}), 422, "has no document 'nowhere', '没有'.")
    judged = collection / "feedback" / "judgements.jsonl"
    assert not judged.exists() or "gone?" not in judged.read_text("utf-8")
    assert http.post("/v1/feedback", json={"feedback": [{**gone, "grade": None}]}).json() == {"judgements": 1, "shown": 0}


@pytest.mark.parametrize(
    ("path", "content", "said"),
    [
        ("/v1/search", '{"question":\n "a" "k": 1}', "body: it is not JSON: Expecting ',' delimiter at line 2, column 6"),
        ("/v1/search", "question=a", "body: it is not JSON: Expecting value at line 1, column 1"),
        ("/v1/search", '{"query": "a"}', "body: there is no field 'query'; expected question, questions, k, depth, stage"),
        ("/v1/search", '{"question": "a", "depth": -1}', "depth: Input should be 'auto'; depth: Input should be greater than"),
        ("/v1/documents", '{"documents": [{"id": "a", "txt": "b"}]}', "documents[0]: there is no field 'txt'; expected id, text, "),
        ("/v1/documents", '{"documents": [{"id": "a"}]}', "documents[0].text: Field required"),
        ("/v1/feedback", '{"feedback": [{"question": "a", "doc_id": "b", "position": 0, "clicked": true}]}', "feedback[0].position: "),
        ("/v1/feedback", '{"feedback": [{"question": "a", "doc_id": "b", "clicked": true}]}', "feedback[0].position: Field required"),
    ],
)
def test_the_first_mistakes_are_told_so_that_they_can_be_mended(http: httpx.Client, path: str, content: str, said: str) -> None:
    response = http.post(path, content=content, headers={"Content-Type": "application/json"})
    assert response.json()["error"]["message"].startswith(said)
    refused(response, 422, said)
    refused(http.post(path, content=content), 415, "send Content-Type: application/json")


# --- description ---------------------------------------------------------------------------------------------------


def test_every_body_and_answer_has_examples_in_both_languages_that_hold(http: httpx.Client) -> None:
    routes = {route: what for route, what in http.get("/openapi.json").json()["paths"].items() if _is_native(what)}
    assert set(routes) == {
        "/v1/search", "/v1/documents", "/v1/documents/delete", "/v1/documents/{id}",
        "/v1/collections", "/v1/collections/{name}", "/v1/feedback",
    }  # fmt: skip
    for what in routes.values():
        for operation in what.values():
            answer = operation["responses"]["200"]["content"]["application/json"]
            model = _model(answer["schema"], native_answers)
            shown = [example["value"] for example in answer["examples"].values()]
            if "requestBody" in operation:
                body = operation["requestBody"]["content"]["application/json"]
                taken = [example["value"] for example in body["examples"].values()]
                for value in taken:
                    _model(body["schema"], native_bodies).model_validate(value)
                assert _is_bilingual(taken)
            for value in shown:
                model.model_validate(value, extra="forbid")
            assert len(shown) >= 2
            assert {"401", "404", "422", "429", "503"} <= operation["responses"].keys()


def test_the_examples_of_questions_and_feedback_are_answered(http: httpx.Client) -> None:
    for path, shown in (("/v1/search", examples.SEARCH), ("/v1/feedback", examples.FEEDBACK), ("/v1/documents/delete", examples.DELETE)):
        for example in shown.values():
            assert http.post(path, json=example["value"]).status_code == 200


def _is_native(operations: dict[str, Any]) -> bool:
    return all(operation.get("tags") == ["Bicross"] for operation in operations.values())


def _model(schema: dict[str, Any], module: Any) -> type[BaseModel]:
    model: type[BaseModel] = getattr(module, schema["$ref"].rsplit("/", 1)[-1])
    return model


def _is_bilingual(values: list[Any]) -> bool:
    texts = [json.dumps(value, ensure_ascii=False) for value in values]
    return any(re.search("[一-鿿]", text) for text in texts) and any(not re.search("[一-鿿]", text) for text in texts)
