"""The chat client against a real server on this machine."""

import socket
import threading
import time

import pytest

from bicross.data.chat import TRIES, Chat, Stopped, Unanswered
from bicross.errors import InputError
from tests.data.served import said, serve

KEY = "sk-secret"
HELLO = [{"role": "user", "content": "你好"}]


def chat(url: str, key: str = KEY) -> Chat:
    return Chat(url, "small", key, patience=0.001)


def test_what_is_sent_and_what_comes_back() -> None:
    with serve(lambda body, number: said("hello")) as served:
        assert chat(served.url).ask(HELLO) == "hello"
        assert chat(f"{served.url}/chat/completions", "").ask(HELLO) == "hello"
    path, headers, body = served.asked[0]
    assert (path, headers["Authorization"]) == ("/v1/chat/completions", f"Bearer {KEY}")
    assert body == {"model": "small", "messages": HELLO, "temperature": 0}
    assert served.asked[1][0] == path and "Authorization" not in served.asked[1][1]


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_busy_server_is_asked_again(status: int) -> None:
    with serve(lambda body, number: said("at last") if number == 3 else (status, {}, b"busy")) as served:
        assert chat(served.url).ask(HELLO) == "at last"
    assert len(served.asked) == 4


def test_the_pause_that_the_server_asks_for_is_kept() -> None:
    with serve(lambda body, number: said("yes") if number else (429, {"Retry-After": "0.2"}, b"")) as served:
        start = time.monotonic()
        chat(served.url).ask(HELLO)
    assert 0.2 <= time.monotonic() - start < 5


def test_a_server_that_stays_busy_has_no_answer() -> None:
    with (
        serve(lambda body, number: (503, {}, b"out of memory")) as served,
        pytest.raises(Unanswered, match=r"503.*out of memory.* 6 times"),
    ):
        chat(served.url).ask(HELLO)
    assert len(served.asked) == TRIES


def test_a_server_that_is_not_there_has_no_answer() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(Unanswered, match=r"cannot be reached .*refused"):
        chat(f"http://127.0.0.1:{port}/v1").ask(HELLO)


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_wrong_key_ends_it_and_is_never_shown(status: int) -> None:
    with serve(lambda body, number: (status, {}, f"Incorrect API key: {KEY}".encode())) as served, pytest.raises(InputError) as caught:
        chat(served.url).ask(HELLO)
    assert str(status) in str(caught.value) and "Incorrect API key: ***" in str(caught.value)
    assert KEY not in str(caught.value) + repr(chat(served.url))
    assert len(served.asked) == 1


def test_a_redirect_is_not_followed_so_that_the_key_goes_nowhere_else() -> None:
    with serve(lambda body, number: said("stolen")) as other, serve(lambda body, number: (302, {"Location": other.url}, b"")) as served:
        with pytest.raises(InputError, match="302"):
            chat(served.url).ask(HELLO)
        assert other.asked == []


def test_messages_that_the_server_refuses_are_not_sent_again() -> None:
    with serve(lambda body, number: (400, {}, b"too long")) as served, pytest.raises(Unanswered, match=r"400.*too long"):
        chat(served.url).ask(HELLO)
    assert len(served.asked) == 1


@pytest.mark.parametrize(
    "answer", [b"<html>", b"{}", b'{"choices": []}', b"[1]", b"null", b'{"choices": "ab"}', said(None)[2], said([1])[2]]
)
def test_an_answer_that_is_no_completion_says_so(answer: bytes) -> None:
    with serve(lambda body, number: (200, {}, answer)) as served, pytest.raises(Unanswered, match="answer"):
        chat(served.url).ask(HELLO)


def test_a_run_that_ends_waits_for_no_further_try() -> None:
    stop = threading.Event()
    with serve(lambda body, number: (429, {"Retry-After": "30"}, b"")) as served:
        threading.Timer(0.2, stop.set).start()
        with pytest.raises(Stopped):
            Chat(served.url, "small", stop=stop).ask(HELLO)
        with pytest.raises(Stopped):
            Chat(served.url, "small", stop=stop).ask(HELLO)
    assert len(served.asked) == 1


@pytest.mark.parametrize(
    "url", ["", "localhost:8000", "ftp://host/v1", "http://", "http://me:key@host/v1", "http://host:x/", "http://a b/v1", "http://h/v\n1"]
)
def test_an_address_that_cannot_be_asked_is_refused(url: str) -> None:
    with pytest.raises(InputError, match="--endpoint"):
        Chat(url, "small")


def test_a_key_with_a_line_end_is_refused_without_showing_it() -> None:
    with pytest.raises(InputError, match="BICROSS_API_KEY") as caught:
        Chat("http://localhost/v1", "small", f"{KEY}\nx")
    assert KEY not in str(caught.value)
    with pytest.raises(InputError, match="--model"):
        Chat("http://localhost/v1", " ")


def test_a_query_of_the_address_is_sent_and_not_shown() -> None:
    with serve(lambda body, number: (404, {}, b"")) as served, pytest.raises(InputError) as caught:
        chat(f"{served.url}/?api-version=1").ask(HELLO)
    assert served.asked[0][0] == "/v1/chat/completions?api-version=1"
    assert "api-version" not in str(caught.value)
