from __future__ import annotations

import io
import json
import logging
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bicross.serving import logs
from bicross.serving.logs import Lines, Visit
from tests.serving.doors import MINE, THEIRS, Door, door, head, tell

QUESTION = "how do I reset it 怎么重置"


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    """What a server's log is written to; loggers are as before afterwards."""
    loggers = [logging.getLogger(name) for name in ("bicross.serving", "uvicorn")]
    before = [(logger.handlers, logger.propagate, logger.level) for logger in loggers]
    written = io.StringIO()
    logs.configure(written)
    yield written
    for logger, (handlers, propagate, level) in zip(loggers, before, strict=True):
        logger.handlers, logger.propagate = handlers, propagate
        logger.setLevel(level)


@pytest.fixture
def served(stream: io.StringIO, made_collection: Path, tmp_path: Path) -> Iterator[Door]:
    with door({MINE: made_collection, THEIRS: made_collection}, tmp_path) as running:
        yield running


def requests(stream: io.StringIO) -> dict[str, dict[str, Any]]:
    """The lines of requests by id."""
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    return {line["request_id"]: line for line in lines if line["message"] == "request"}


def test_a_request_is_one_line_and_says_neither_keys_nor_questions(served: Door, stream: io.StringIO) -> None:
    body = json.dumps({"query": QUESTION, "documents": ["secret text", "机密"]}).encode()
    with_key = {"Authorization": f"Bearer {served.keys['read']}", "Content_Type": "application/json", "Content_Length": str(len(body))}
    said = tell(served.port, head("POST", "/v1/rerank", X_Request_Id="asked", **with_key) + body)
    tell(served.port, head("POST", "/v1/rerank", X_Request_Id="wrong", **with_key) + body.replace(b"documents", b"docuwents"))
    wrong_key = {"X_API_Key": "bcx_presented", "Cookie": "bicross_session=presented"}
    tell(served.port, head("GET", f"/v1/models/{served.keys['read']}?key={served.keys['read']}", X_Request_Id="path", **wrong_key))
    tell(served.port, b"GARBAGE " + served.keys["admin"].encode() + b"\r\n\r\n")
    found = requests(stream)
    line = found["asked"]
    assert (said.status, line["status"], line["bytes"]) == (200, 200, len(said.body))
    assert (line["method"], line["route"], line["collection"], line["client"]) == ("POST", "/v1/rerank", MINE, "127.0.0.1")
    assert line["level"] == "info" and line["time"].endswith("+00:00") and line["seconds"] > 0
    assert len(line["key"]) == 8 and served.keys["read"] not in line.values()
    assert found["wrong"]["refused"] == "invalid_request"
    assert (found["path"]["route"], found["path"]["key"], found["path"]["refused"]) == ("/v1/models/{model:path}", "", "unauthorized")
    for secret in (*served.keys.values(), "presented", "secret text", "reset it"):
        assert secret not in stream.getvalue()
    assert "\\u673a\\u5bc6" not in stream.getvalue() and "机密" not in stream.getvalue()


def test_an_error_has_types_and_places_but_not_what_it_quotes() -> None:
    try:
        try:
            {}["inner secret"]
        except KeyError as inner:
            raise ValueError(QUESTION) from inner
    except ValueError:
        record = logging.LogRecord("bicross.serving", logging.ERROR, __file__, 1, "request", None, sys.exc_info())
    line = json.loads(Lines().format(record))
    assert line["level"] == "error" and "builtins.ValueError" in line["traceback"] and "builtins.KeyError" in line["traceback"]
    assert any(__file__ in place and "test_an_error" in place for place in line["traceback"])
    assert QUESTION not in json.dumps(line, ensure_ascii=False) and "inner secret" not in json.dumps(line)


def test_a_line_stays_one_line_whatever_a_client_says(stream: io.StringIO) -> None:
    logs.write(Visit("a\nb", "GET\r\n" + "X" * 100, "127.0.0.1\u2028"))
    (line,) = stream.getvalue().splitlines()
    assert json.loads(line)["status"] == logs.GONE and len(json.loads(line)["method"]) == 16
