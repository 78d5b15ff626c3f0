"""Judging on a web page: one page, served to this machine alone, by the standard library.

What keeps others out: the server listens on loopback; every path begins with a random token that is only in the address printed; the Host
header must name this machine (or a name that resolves to it could read the page: DNS rebinding); a request that changes something must be
JSON from this page's own origin; bodies are small.
"""

from __future__ import annotations

import hmac
import json
import secrets
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from bicross.errors import BicrossError, InputError
from bicross.judging.keys import GRADES, QUIT, SKIP, UNDO, act
from bicross.judging.page import PAGE, POLICY
from bicross.judging.session import Session, progress

LONGEST_BODY = 4096  # bytes: two ids and a key
PATIENCE = 10.0  # seconds that a connection may stay silent
NAMES = ("127.0.0.1", "localhost", "::1")


class _Refused(Exception):
    """A request that is not answered, with its status and why."""

    def __init__(self, status: HTTPStatus, why: str) -> None:
        super().__init__(why)
        self.status = status


@dataclass
class _Desk:
    """The session under a lock, for a browser asks from several connections; `failure` is what the disk refused."""

    session: Session
    token: str
    lock: threading.Lock = field(default_factory=threading.Lock)
    failure: BicrossError | None = None

    def state(self, said: str = "") -> dict[str, Any]:
        """What the page shows."""
        pair = self.session.current
        shown = pair and {
            "query": pair.query_id,
            "document": pair.doc_id,
            "question": pair.question,
            "title": pair.title,
            "passages": pair.passages,
        }
        counts = self.session.counts
        return {"pair": shown, "counts": counts, "progress": progress(self.session, counts), "said": said}

    def press(self, asked: Any) -> dict[str, Any]:
        """Do what a key says of the pair that the page shows; what is not shown any more is refused, with what is."""
        key = asked.get("key") if isinstance(asked, dict) else None
        if not isinstance(key, str) or key not in {*GRADES, SKIP, UNDO, QUIT}:
            raise _Refused(HTTPStatus.BAD_REQUEST, f"expected a key of {''.join(GRADES)}, space, {UNDO} and {QUIT}")
        pair = self.session.current
        current = (pair.query_id, pair.doc_id) if pair else (None, None)
        if (asked.get("query"), asked.get("document")) != current:
            raise _Refused(HTTPStatus.CONFLICT, "this pair is not the one that is shown now")
        return {"ended": True} if key == QUIT else self.state(act(self.session, key))


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, port: int, desk: _Desk) -> None:
        self.desk = desk
        super().__init__(("127.0.0.1", port), _Handler)

    def handle_error(self, *whom: Any) -> None:
        """A browser that goes away is no error; the others are shown."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(*whom)


def serve(session: Session, port: int, announce: Callable[[str], None]) -> None:
    """Serve the page until the user ends it there, or presses Ctrl-C here. `announce` gets the address; port 0 takes a free one.

    Raises:
        InputError: the port cannot be used. StoreError: the disk refused a judgement.
    """
    desk = _Desk(session, secrets.token_urlsafe(24))
    try:
        server = _Server(port, desk)
    except (OSError, OverflowError) as error:
        why = error.strerror if isinstance(error, OSError) else "ports go up to 65535"
        raise InputError(f"Port {port} cannot be used ({why}); name another with --port, or 0 for a free one.") from error
    announce(f"http://127.0.0.1:{server.server_port}/{desk.token}/")
    try:
        server.serve_forever(poll_interval=0.1)
    except KeyboardInterrupt:
        pass  # how the page is ended from the terminal: every judgement is on the disk
    finally:
        server.server_close()
    if desk.failure is not None:
        raise desk.failure


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    server_version, sys_version, timeout = "bicross", "", PATIENCE

    def do_GET(self) -> None:
        self._answer(self._get)

    def do_POST(self) -> None:
        self._answer(self._post)

    def _get(self) -> tuple[str, bytes]:
        what = self._what()
        if what == "":
            return "text/html; charset=utf-8", PAGE.encode()
        if what == "state":
            with self.server.desk.lock:
                return _json(self.server.desk.state())
        raise _Refused(HTTPStatus.NOT_FOUND, "there is no such page")

    def _post(self) -> tuple[str, bytes]:
        if self._what() != "judge":
            raise _Refused(HTTPStatus.NOT_FOUND, "there is no such page")
        origin = self.headers.get("Origin")
        if origin is not None and urlsplit(origin).netloc != self.headers.get("Host"):
            raise _Refused(HTTPStatus.FORBIDDEN, "the request comes from another page")
        if self.headers.get_content_type() != "application/json":
            raise _Refused(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "expected application/json")
        asked = self._body()
        with self.server.desk.lock:
            return _json(self.server.desk.press(asked))

    def _what(self) -> str:
        """What is asked for behind the token."""
        if _host(self.headers.get("Host", "")) not in NAMES:
            raise _Refused(HTTPStatus.FORBIDDEN, "the Host header names another machine")
        _, token, *rest = self.path.split("/", 2) if self.path.count("/") > 1 else ("", "", "")
        if not hmac.compare_digest(token.encode(), self.server.desk.token.encode()):
            raise _Refused(HTTPStatus.FORBIDDEN, "the address lacks its token; open the one that was printed")
        return rest[0]

    def _body(self) -> Any:
        length = self.headers.get("Content-Length", "")
        if not (length.isascii() and length.isdecimal()):
            raise _Refused(HTTPStatus.LENGTH_REQUIRED, "expected a Content-Length")
        if len(length) > 9 or int(length) > LONGEST_BODY:
            raise _Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"expected at most {LONGEST_BODY} bytes")
        try:
            return json.loads(self.rfile.read(int(length)))
        except (ValueError, RecursionError) as error:
            raise _Refused(HTTPStatus.BAD_REQUEST, "expected JSON") from error

    def _answer(self, make: Callable[[], tuple[str, bytes]]) -> None:
        status, ended = HTTPStatus.OK, False
        try:
            kind, content = make()
            ended = content == _ENDED
        except _Refused as refused:
            status, (kind, content) = refused.status, _json(_refusal(self.server.desk, refused))
        except BicrossError as error:
            self.server.desk.failure, ended = error, True
            status, (kind, content) = HTTPStatus.INTERNAL_SERVER_ERROR, _json({"error": "it could not be written"})
        try:
            self.send_response(status)
            for name, value in {"Content-Type": kind, "Content-Length": str(len(content)), **_HEADERS}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)
        finally:
            if ended:
                self.server.shutdown()

    def log_message(self, *_: Any) -> None:
        """Nothing: the address holds the token."""


_HEADERS = {
    "Content-Security-Policy": POLICY,
    "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Connection": "close",
}


def _json(value: Any) -> tuple[str, bytes]:
    return "application/json", json.dumps(value).encode()


_ENDED = _json({"ended": True})[1]


def _refusal(desk: _Desk, refused: _Refused) -> dict[str, Any]:
    """Why; to a page that is behind, also what is shown now."""
    if refused.status != HTTPStatus.CONFLICT:
        return {"error": str(refused)}
    with desk.lock:
        return {"error": str(refused), **desk.state("judged elsewhere")}


def _host(header: str) -> str | None:
    try:
        return urlsplit(f"//{header}").hostname
    except ValueError:
        return None
