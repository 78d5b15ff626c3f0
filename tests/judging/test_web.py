"""The page over real HTTP: what it serves, what keys do, and who is turned away."""

from __future__ import annotations

import json
import re
import socket
import threading
from collections.abc import Iterator, Mapping
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from bicross.errors import InputError, StoreError
from bicross.judging.page import PAGE, POLICY
from bicross.judging.session import Session
from bicross.judging.web import serve
from tests.judging.world import PAIRS, session, shown


class Browser:
    """Asks as a page would, unless it is told otherwise."""

    def __init__(self, address: str) -> None:
        self.address = address
        parts = urlsplit(address)
        self.host, self.path = parts.netloc, parts.path

    def ask(
        self, method: str, what: str, body: object = None, headers: Mapping[str, str | None] | None = None, path: str | None = None
    ) -> tuple[int, Mapping[str, str], Any]:
        """Status, headers and the body, read if it is JSON; a header that is None is not sent."""
        content = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        usual = {
            "Host": self.host,
            "Content-Type": "application/json",
            "Origin": f"http://{self.host}",
            "Content-Length": str(len(content)),
        }
        connection = HTTPConnection(self.host, timeout=10)
        connection.putrequest(method, (path or self.path) + what, skip_host=True)
        for name, value in {**usual, **(headers or {})}.items():
            if value is not None:
                connection.putheader(name, value)
        connection.endheaders(content)
        answer = connection.getresponse()
        read = answer.read()
        connection.close()
        kind = answer.headers["Content-Type"]
        return answer.status, dict(answer.headers), json.loads(read) if kind == "application/json" else read.decode()

    def press(self, key: str, query: str | None, document: str | None, **headers: str | None) -> tuple[int, Any]:
        said = {name.replace("_", "-"): value for name, value in headers.items()}
        status, _, state = self.ask("POST", "judge", {"key": key, "query": query, "document": document}, said)
        return status, state


def started(of: Session) -> tuple[Browser, threading.Thread]:
    """A server in a thread of its own, and a browser that knows its address."""
    addresses: list[str] = []
    announced = threading.Event()

    def announce(address: str) -> None:
        addresses.append(address)
        announced.set()

    thread = threading.Thread(target=serve, args=(of, 0, announce))
    thread.start()
    assert announced.wait(10)
    return Browser(addresses[0]), thread


@pytest.fixture
def asked(tmp_path: Path) -> Session:
    return session(tmp_path)


@pytest.fixture
def browser(asked: Session) -> Iterator[Browser]:
    found, thread = started(asked)
    yield found
    pair = asked.current
    assert found.press("q", pair and pair.query_id, pair and pair.doc_id) == (200, {"ended": True})
    thread.join(10)
    assert not thread.is_alive()


def test_the_page_asks_for_nothing_from_outside(browser: Browser) -> None:
    status, headers, page = browser.ask("GET", "")
    assert status == 200 and page == PAGE and headers["Content-Security-Policy"] == POLICY
    assert "default-src 'none'" in POLICY and "unsafe" not in POLICY
    assert (headers["Cache-Control"], headers["Referrer-Policy"], headers["X-Content-Type-Options"]) == (
        "no-store",
        "no-referrer",
        "nosniff",
    )
    assert not re.search(r"https?://|//[a-z]|innerHTML|\son\w+=", page)
    assert re.findall(r'(?:src|href)="([^"]*)"', page) == ["data:,"]


def test_keys_judge_and_the_next_pair_comes(browser: Browser, asked: Session) -> None:
    _, _, state = browser.ask("GET", "state")
    assert state["pair"] == {
        "query": "q1",
        "document": "a",
        "question": "what is q1?",
        "title": "Title a",
        "passages": ["text of a", "正文"],
    }
    for key, document, after in (("2", "a", "b"), (" ", "b", "a")):
        status, state = browser.press(key, state["pair"]["query"], document)
        assert status == 200 and state["pair"]["document"] == after
    status, state = browser.press("u", "q2", "a")
    assert status == 200 and state["pair"]["document"] == "b" and state["said"] == "taken back"
    for number, key in enumerate("y0n"):
        pair = PAIRS[number + 1]
        status, state = browser.press(key, pair.query_id, pair.doc_id)
    assert state["pair"] is None and state["counts"]["left"] == 0
    assert asked.grades == {"q1": {"a": 2, "b": 3}, "q2": {"a": 0, "c": 0}}
    assert browser.press("1", None, None)[0] == 200 and asked.counts["judged"] == 4  # nothing is shown, so it means nothing
    assert browser.press("u", None, None)[1]["pair"]["document"] == "c"


def test_q_ends_it(asked: Session) -> None:
    browser, thread = started(asked)
    assert browser.press("q", "q1", "a") == (200, {"ended": True})
    thread.join(10)
    with pytest.raises(OSError, match="refused"):
        browser.ask("GET", "")


def test_a_page_that_is_behind_is_told_what_is_shown(browser: Browser, asked: Session) -> None:
    assert browser.press("3", "q1", "a")[0] == 200
    status, state = browser.press("0", "q1", "a")  # the same key again, or a second window
    assert status == 409 and state["pair"]["document"] == "b" and asked.grades == {"q1": {"a": 3}}
    assert browser.press("1", "q9", "nothing")[0] == 409


@pytest.mark.parametrize("path", ["/", "/wrong/", "/wrong/judge", "/%E9/", "//", "/wrong"])
def test_without_the_token_there_is_nothing(browser: Browser, asked: Session, path: str) -> None:
    status, _, said = browser.ask("GET", "", path=path)
    assert status == 403 and "token" in said["error"] and browser.path.strip("/") not in json.dumps(said)
    assert browser.ask("POST", "", {"key": "3", "query": "q1", "document": "a"}, path=path)[0] == 403
    assert asked.grades == {}


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example", "[::1", "", None])
def test_another_host_is_refused(browser: Browser, asked: Session, host: str | None) -> None:
    for method, what in (("GET", ""), ("GET", "state"), ("POST", "judge")):
        status, _, said = browser.ask(method, what, {"key": "3", "query": "q1", "document": "a"}, {"Host": host, "Origin": None})
        assert status == 403 and "Host" in said["error"]
    assert asked.grades == {}


def test_this_machine_by_another_name_or_port_is_served(browser: Browser) -> None:
    for host in ("localhost:8080", "[::1]:8080", "127.0.0.1"):  # as ssh forwards it
        assert browser.ask("GET", "state", headers={"Host": host})[0] == 200
        assert (
            browser.ask("POST", "judge", {"key": "u", "query": "q1", "document": "a"}, {"Host": host, "Origin": f"http://{host}"})[0] == 200
        )


def test_another_page_a_form_and_a_large_body_are_refused(browser: Browser, asked: Session) -> None:
    key = {"key": "3", "query": "q1", "document": "a"}
    for status, body, headers in (
        (403, key, {"Origin": "http://evil.example"}),
        (403, key, {"Origin": "null"}),
        (415, key, {"Content-Type": "text/plain"}),
        (415, key, {"Content-Type": "application/x-www-form-urlencoded"}),
        (413, {**key, "query": "q" * 5000}, {}),
        (413, key, {"Content-Length": "9" * 30}),
        (411, key, {"Content-Length": None}),
        (411, key, {"Content-Length": "-1"}),
        (400, b"{", {}),
        (400, b"[" * 4000, {}),
        (400, b"\xff", {}),
        (400, ["3"], {}),
        (400, {**key, "key": "x"}, {}),
        (400, {**key, "key": ["3"]}, {}),
        (400, {"query": "q1", "document": "a"}, {}),
        (409, {**key, "query": {"q1": 1}}, {}),
    ):
        assert browser.ask("POST", "judge", body, headers)[0] == status, (body, headers)
    assert browser.ask("POST", "state", key)[0] == 404 and browser.ask("GET", "judge")[0] == 404
    assert asked.grades == {} and shown(asked) == ("q1", "a")


def test_an_open_connection_does_not_keep_others_waiting(browser: Browser) -> None:
    with socket.create_connection(tuple(browser.host.split(":"))):  # as browsers open them beforehand
        assert browser.ask("GET", "state")[0] == 200


def test_a_disk_that_refuses_ends_it_with_its_error(tmp_path: Path) -> None:
    def refuse(_: object) -> None:
        raise StoreError("the disk is full")

    broken = Session(tmp_path, PAIRS, (), refuse)
    raised: list[BaseException] = []
    address: list[str] = []
    announced = threading.Event()

    def run() -> None:
        try:
            serve(broken, 0, lambda text: (address.append(text), announced.set())[0])
        except StoreError as error:
            raised.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    assert announced.wait(10)
    assert Browser(address[0]).press("3", "q1", "a")[0] == 500
    thread.join(10)
    assert [str(error) for error in raised] == ["the disk is full"]


def test_a_port_that_is_taken_is_refused(asked: Session) -> None:
    def nobody(_: str) -> None:
        raise AssertionError

    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(InputError, match="--port"):
        serve(asked, taken.getsockname()[1], nobody)
