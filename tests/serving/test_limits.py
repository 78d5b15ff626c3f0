"""What no client should send: the server answers or closes, and then answers the next as if nothing had been."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bicross.serving import patience
from bicross.serving.access import TABLE, Access
from tests.serving.doors import MINE, THEIRS, Door, door, head, hear, tell

POSTS = [access for access in TABLE if access.method == "POST"]
LONGEST = {access.path: access.longest for access in POSTS}


@pytest.fixture(scope="module")
def running(made_collection: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    with door({MINE: made_collection, THEIRS: made_collection}, tmp_path_factory.mktemp("limits"), patience=1.0) as found:
        yield found


@pytest.fixture
def served(running: Door) -> Iterator[Door]:
    """The server, which must be well after each test."""
    yield running
    assert tell(running.port, head("GET", "/readyz")).status == 200
    assert running.app.user_middleware[0].kwargs["bodies"].held == 0


def post(served: Door, path: str, body: bytes, **more: str) -> bytes:
    headers = {"Content-Type": "application/json", "Content-Length": str(len(body)), "X-API-Key": served.keys["admin"], **more}
    return head("POST", path, **{name: value for name, value in headers.items() if value}) + body


def test_a_body_that_says_to_be_too_long_is_refused_unread(served: Door) -> None:
    reply = tell(served.port, post(served, "/v1/search", b"{", Content_Length=str(10**12), **{"Content-Length": ""}))
    assert reply.status == 413 and reply.json()["error"]["kind"] == "too_large"
    assert reply.headers["connection"] == "close"


def test_a_body_that_says_not_how_long_it_is_is_counted(served: Door) -> None:
    chunk = b"4000\r\n" + b" " * 0x4000 + b"\r\n"
    request = post(served, "/login", b"", Transfer_Encoding="chunked", **{"Content-Length": ""})
    assert tell(served.port, request, chunk * (1 + LONGEST["/login"] // 0x4000)).status == 413


@pytest.mark.parametrize("key", ["admin", None])
def test_a_refused_client_that_sends_on_is_heard_out_and_can_read_the_refusal(served: Door, key: str | None) -> None:
    body = b" " * (8 * 1024 * 1024)
    with socket.create_connection(("127.0.0.1", served.port), timeout=20) as line:
        line.sendall(head("POST", "/ui/judge", Content_Length=str(len(body)), **({"X_API_Key": served.keys[key]} if key else {})))
        assert hear(line).status == (413 if key else 401)
        line.sendall(body)  # a connection that was closed would be reset
        assert line.recv(1) == b""


@pytest.mark.parametrize("length", ["-1", "1e3", "9" * 40, "5, 6", "٣"])
def test_a_length_that_is_none_is_refused(served: Door, length: str) -> None:
    with socket.create_connection(("127.0.0.1", served.port), timeout=20) as line:
        line.sendall(post(served, "/v1/search", b"{}", **{"Content-Length": length}))
        assert hear(line).status in (400, 413)


def test_a_body_shorter_than_it_says_is_waited_for_a_while(served: Door) -> None:
    reply = tell(served.port, post(served, "/v1/search", b'{"query"', **{"Content-Length": "1000"}))
    assert reply.status == 408 and reply.json()["error"]["kind"] == "slow_body"


def test_a_body_that_comes_by_the_byte_is_given_up(served: Door) -> None:
    with socket.create_connection(("127.0.0.1", served.port), timeout=20) as line:
        line.sendall(post(served, "/v1/search", b"", **{"Content-Length": "1000"}))
        line.setblocking(False)
        answered = b""
        for _ in range(200):
            try:
                answered = line.recv(4096)
                break
            except BlockingIOError:
                line.send(b" ")
                time.sleep(0.05)
        assert answered.startswith(b"HTTP/1.1 408")


def test_a_body_longer_than_it_says_is_not_the_next_request(served: Door) -> None:
    with socket.create_connection(("127.0.0.1", served.port), timeout=20) as line:
        line.sendall(head("GET", "/livez", Content_Length="0") + b"GARBAGE\x00\xff\r\n\r\n")
        assert hear(line).status in (200, 400)


def test_many_clients_that_send_nothing_more_keep_nobody_out(served: Door) -> None:
    lines = [socket.create_connection(("127.0.0.1", served.port), timeout=20) for _ in range(200)]
    try:
        for number, line in enumerate(lines):
            line.sendall(post(served, "/v1/search", b"{", **{"Content-Length": "1000"})[: 40 if number % 2 else None])
        assert tell(served.port, head("GET", "/livez")).status == 200
    finally:
        for line in lines:
            line.close()


@pytest.mark.parametrize(
    ("before", "start"),
    [
        (b"", b""),
        (b"", b"GET /livez HTTP/1.1\r\n"),
        (head("GET", "/livez"), b"G"),
        (head("GET", "/livez") + b"GET /livez HTTP/1.1\r\n", b""),
    ],
    ids=["silent", "half a head", "half of the next", "half of the next at once"],
)
def test_a_connection_on_which_no_request_begins_is_closed(
    served: Door, before: bytes, start: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patience, "HEAD", 0.5)
    with socket.create_connection(("127.0.0.1", served.port), timeout=20) as line:
        line.sendall(before)
        if before:
            assert hear(line).status == 200
        line.sendall(start)
        assert line.recv(100) == b""


def test_a_connection_that_was_answered_stays_open_for_the_next_request(served: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "HEAD", 0.5)
    with socket.create_connection(("127.0.0.1", served.port), timeout=20) as line:
        for _ in range(2):
            line.sendall(head("GET", "/livez"))
            assert hear(line).status == 200
            time.sleep(1.5)


def test_one_connection_too_many_is_told_when_to_come_again(served: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_connection(("127.0.0.1", served.port), timeout=20) as first:
        first.sendall(head("GET", "/livez"))
        assert hear(first).status == 200
        with monkeypatch.context() as patched:
            patched.setattr(patience, "CONNECTIONS", 1)
            reply = tell(served.port, post(served, "/v1/embeddings", b"{}"))
    assert (reply.status, reply.headers["retry-after"], reply.headers["connection"]) == (503, "1", "close")
    assert reply.json()["error"]["code"] == "unavailable"


@pytest.mark.parametrize("size", [100_000, 1_000_000])
def test_headers_that_are_too_long_are_refused(served: Door, size: int) -> None:
    assert tell(served.port, head("GET", "/livez", X_Long="x" * size)).status in (400, 431)
    assert tell(served.port, b"GET /" + b"x" * size + b" HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n").status in (400, 431)


@pytest.mark.parametrize(
    "chunks", [b"ZZ\r\n{}\r\n0\r\n\r\n", b"5\r\n{}\r\n", b"ffffffffffffffffffff\r\n{}", b"-2\r\n{}\r\n", b"\x00\x00\r\n"]
)
def test_chunks_that_are_none_end_the_connection(served: Door, chunks: bytes) -> None:
    request = post(served, "/v1/search", b"", Transfer_Encoding="chunked", **{"Content-Length": ""})
    assert tell(served.port, request, chunks).status in (0, 400, 408, 413)


@pytest.mark.parametrize("coding", ["gzip", "br", "zstd", "gzip, gzip", "deflate"])
def test_compressed_bodies_are_refused_unread(served: Door, coding: str) -> None:
    reply = tell(served.port, post(served, "/v1/search", b"\x1f\x8b\x08", Content_Encoding=coding, **{"Content-Length": "900"}))
    assert reply.status == 415


@pytest.mark.parametrize("access", [one for one in POSTS if one.family not in ("page", "sagemaker")], ids=lambda access: access.path)
@pytest.mark.parametrize("kind", ["", "text/plain", "application/x-www-form-urlencoded"])
def test_a_body_that_does_not_say_that_it_is_json_is_told_how_to(served: Door, access: Access, kind: str) -> None:
    reply = tell(served.port, post(served, access.path, b'{"question": "reset"}', **{"Content-Type": kind}))
    assert reply.status == 415 and "send Content-Type: application/json" in json.dumps(reply.json())


@pytest.mark.parametrize("access", POSTS, ids=lambda access: access.path)
@pytest.mark.parametrize(
    "body",
    [
        b"[" * 100_000,
        b'{"a":' * 50_000,
        b"[" * 900 + b"]" * 900,
        b'{"query": ' + b"[" * 300 + b"]" * 300 + b"}",
        b'{"query": NaN, "texts": [NaN], "input": NaN, "documents": [Infinity], "inputs": -Infinity, "k": NaN}',
        b'{"query": "a", "k": 1e999, "top_n": 1e999, "documents": ["a"], "dimensions": 1e999}',
        b'{"query": "a", "k": ' + b"9" * 5000 + b"}",
        b'{"query": "\\ud800", "documents": ["\\udfff"], "input": "\\ud800", "inputs": "\\ud800", "texts": ["\\ud800"]}',
        b'{"query": "\xff\xfe"}',
        b'{"query": 1, "query": 2, "\\u0000": "\\u0000"}',
        b"",
        b"null",
        b"\x00" * 100,
    ],
    ids=["lists", "objects", "900", "300", "nan", "1e999", "digits", "surrogates", "not utf-8", "twice", "nothing", "null", "zeros"],
)
def test_json_that_is_none_or_absurd_is_the_clients_mistake(served: Door, access: Access, body: bytes) -> None:
    reply = tell(served.port, post(served, access.path, body))
    if access.family == "page":  # forms, which read no JSON
        assert 200 <= reply.status < 500
    else:
        assert 400 <= reply.status < 500
        json.loads(reply.body, parse_constant=lambda word: pytest.fail(f"{word} is not JSON"))


def test_requests_in_one_piece_are_answered_in_order_and_garbage_ends_them(served: Door) -> None:
    asked = head("GET", "/livez", X_Request_Id="one") + head("GET", "/readyz", X_Request_Id="two") + b"\x16\x03\x01 garbage\r\n\r\n"
    with socket.create_connection(("127.0.0.1", served.port), timeout=20) as line:
        line.sendall(asked)
        data = b""
        try:
            while more := line.recv(65536):
                data += more
        except ConnectionError:
            pass
    assert data.index(b"x-request-id: one") < data.index(b"x-request-id: two")


def test_a_get_takes_no_body(served: Door) -> None:
    assert tell(served.port, head("GET", "/livez", Content_Length="5") + b"hello").status == 413


def test_an_upgrade_is_not_taken(served: Door) -> None:
    reply = tell(
        served.port, head("GET", "/v1/search", Connection="Upgrade", Upgrade="websocket", Sec_WebSocket_Key="a", Sec_WebSocket_Version="13")
    )
    assert reply.status == 401
