from __future__ import annotations

import math

import httpx
import numpy as np
import pytest

from bicross import __version__
from bicross.models.hashed import HashedEncoder, HashedScorer

TEXTS = ["How do I reset it?", "如何重置设备？"]
LONG = "word " * 600


def test_vectors_come_as_a_bare_list_for_one_text_and_for_many(http: httpx.Client) -> None:
    wanted = HashedEncoder().encode_documents(TEXTS)
    many = http.post("/embed", json={"inputs": TEXTS, "normalize": True, "truncate": True, "prompt_name": "query"})
    assert np.asarray(many.json(), dtype=np.float32) == pytest.approx(wanted, abs=1e-7)
    one = http.post("/embed", json={"inputs": TEXTS[0], "dimensions": 64})
    assert one.json() == many.json()[:1]


def test_headers_tell_what_was_computed(http: httpx.Client) -> None:
    headers = http.post("/embed", json={"inputs": TEXTS}).headers
    assert headers["x-compute-type"] == "cpu"
    assert headers["x-compute-tokens"] == str(5 + 6)
    assert headers["x-compute-characters"] == str(sum(map(len, TEXTS)))
    assert int(headers["x-total-time"]) == int(headers["x-compute-time"]) >= 0


def test_info_has_the_fields_that_clients_read(http: httpx.Client) -> None:
    info = http.get("/info").json()
    assert info["model_id"] == "bicross/hashed"
    assert info["model_sha"] == HashedEncoder().space.fingerprint
    assert info["max_input_length"] == 512
    assert info["max_client_batch_size"] == 1_000
    assert info["model_type"] == {"embedding": {}}
    assert info["auto_truncate"] is True
    assert info["version"] == __version__
    assert info["model_dtype"] == "float32"


def test_texts_are_ordered_as_a_bare_list(http: httpx.Client) -> None:
    texts = ["The warranty covers two years.", "Reset it.", "重置", ""]
    answer = http.post("/rerank", json={"query": "reset it", "texts": texts, "return_text": True}).json()
    scores = HashedScorer().score([("reset it", text) for text in texts]).tolist()
    assert [(one["index"], one["text"]) for one in answer] == [(1, "Reset it."), (0, texts[0]), (2, "重置"), (3, "")]
    assert [one["score"] for one in answer] == pytest.approx([1 / (1 + math.exp(-scores[one["index"]])) for one in answer])
    raw = http.post("/rerank", json={"query": "reset it", "texts": texts, "raw_scores": True}).json()
    assert [one["score"] for one in raw] == pytest.approx([scores[one["index"]] for one in raw])
    assert all(one.keys() == {"index", "score"} for one in raw)


def test_as_many_scores_come_back_as_texts_were_sent(http: httpx.Client) -> None:
    assert len(http.post("/rerank", json={"query": "重置", "texts": ["文档"] * 1_000}).json()) == 1_000


def test_a_text_that_may_not_be_cut_is_refused_and_otherwise_cut(http: httpx.Client) -> None:
    assert http.post("/embed", json={"inputs": [LONG]}).status_code == 200
    for more, said in (({"truncate": False}, "truncate is false"), ({"truncation_direction": "Left"}, "cuts at the end")):
        refused = http.post("/embed", json={"inputs": ["short", LONG], **more})
        assert (refused.status_code, refused.json()["error_type"]) == (422, "Validation")
        assert "inputs.1" in refused.json()["error"]
        assert said in refused.json()["error"]
        assert http.post("/embed", json={"inputs": ["short"], **more}).status_code == 200


@pytest.mark.parametrize(
    ("path", "body", "status", "kind"),
    [
        ("/embed", {"inputs": ["a"] * 1_001}, 413, "Validation"),
        ("/embed", {"inputs": []}, 400, "Empty"),
        ("/embed", {"inputs": ""}, 400, "Empty"),
        ("/embed", {"inputs": [[1, 2]]}, 422, "Validation"),
        ("/embed", {"inputs": "a", "prompt_name": "no such"}, 422, "Validation"),
        ("/embed", {}, 422, "Validation"),
        ("/rerank", {"query": "q", "texts": ["a"] * 1_001}, 413, "Validation"),
        ("/rerank", {"query": "q", "texts": []}, 400, "Empty"),
        ("/rerank", {"query": "", "texts": ["a"]}, 400, "Empty"),
        ("/rerank", {"query": "q", "texts": [3]}, 422, "Validation"),
    ],
)
def test_errors_are_in_tei_s_shape_in_both_its_routes(
    http: httpx.Client, path: str, body: dict[str, object], status: int, kind: str
) -> None:
    answer = http.post(path, json=body)
    assert (answer.status_code, answer.json()["error_type"]) == (status, kind)
    assert answer.json().keys() == {"error", "error_type"}


def test_half_a_character_is_refused(http: httpx.Client) -> None:
    for path, body in (("/embed", '{"inputs": "a\\udc00"}'), ("/rerank", '{"query": "q", "texts": ["\\udc00"]}')):
        answer = http.post(path, content=body, headers={"Content-Type": "application/json"})
        assert (answer.status_code, answer.json()["error_type"]) == (422, "Validation")
        assert "lone surrogate" in answer.json()["error"]
