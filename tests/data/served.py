"""A chat endpoint on this machine, which answers as a test says and remembers what it was asked."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Answer = tuple[int, dict[str, str], bytes]
Answering = Callable[[dict[str, Any], int], Answer]
"""From the request's body and its number, which counts from 0, to status, headers and body."""


class Served:
    """`asked` holds (path, headers, body) of each request; `most` is how many were under way at once."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.asked: list[tuple[str, dict[str, str], dict[str, Any]]] = []
        self.under_way = self.most = 0
        self.lock = threading.Lock()


@contextmanager
def serve(answering: Answering) -> Iterator[Served]:
    """A server in a thread of its own, on a free port."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            with served.lock:
                number = len(served.asked)
                served.asked.append((self.path, dict(self.headers), body))
                served.under_way += 1
                served.most = max(served.most, served.under_way)
            status, headers, content = answering(body, number)
            with served.lock:
                served.under_way -= 1
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    served = Served(f"http://127.0.0.1:{server.server_port}/v1")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield served
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def said(content: object) -> Answer:
    """A chat completion with this content."""
    return 200, {}, json.dumps({"choices": [{"message": {"role": "assistant", "content": content}}]}).encode()


def question(text: str | None) -> Answer:
    """The answer that is asked for."""
    return said(json.dumps({"question": text}, ensure_ascii=False))
