"""A whole server in a thread, its model process beside it, with keys for two tenants; and raw sockets that speak to it as nobody should."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvicorn

from bicross.serving import keys
from bicross.serving.app import create_app
from bicross.serving.bodies import Bodies
from bicross.serving.patience import PatientProtocol
from bicross.serving.queued import QueuedEngine
from bicross.serving.served import Served
from bicross.serving.supervisor import Supervisor
from bicross.settings import ServeSettings

MINE, THEIRS = "manual", "theirs"
PATIENCE = 20.0  # seconds for what comes at once unless something is broken


@dataclass(frozen=True, slots=True)
class Door:
    """A running server: its port, its application, and a key of each kind. "theirs" may write, but to the other collection."""

    port: int
    app: Any
    keys: Mapping[str, str]
    file: Path

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer; `status` 0: the connection ended without one."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


@contextmanager
def door(
    collections: Mapping[str, Path], folder: Path, guarded: bool = True, patience: float = 30.0, engine: type[QueuedEngine] = QueuedEngine
) -> Iterator[Door]:
    """A server of `collections`, of which "manual" and "theirs" have keys. `patience`: seconds that it waits for a body."""
    file = folder / "keys.json"
    made = {scope: keys.create(file, scope, MINE)[0] for scope in ("read", "write")}
    made |= {"admin": keys.create(file, "admin", None)[0], "theirs": keys.create(file, "write", THEIRS)[0]}
    made |= {"elsewhere": keys.create(file, "write", "not served")[0]}
    settings = ServeSettings(port=0, keys=file if guarded else None)
    started, stop = threading.Event(), threading.Event()
    found: dict[str, Any] = {}

    async def run() -> None:
        supervisor = Supervisor(collections)
        await supervisor.start()
        assert await supervisor.loaded(60)
        made_engine = engine(supervisor, settings)
        app = create_app(Served(made_engine, collections, settings))
        app.user_middleware[0].kwargs["bodies"] = Bodies(patience)
        server = uvicorn.Server(
            uvicorn.Config(app, port=0, log_config=None, access_log=False, http=PatientProtocol, ws="none", server_header=False)
        )
        serving = asyncio.create_task(server.serve())
        while not server.started and not serving.done():
            await asyncio.sleep(0.01)
        found.update(port=server.servers[0].sockets[0].getsockname()[1], app=app)
        started.set()
        while not stop.is_set():
            await asyncio.sleep(0.02)
        server.should_exit = True
        await serving
        await made_engine.close(5.0)
        await supervisor.close()

    thread = threading.Thread(target=lambda: asyncio.run(run()))
    thread.start()
    try:
        assert started.wait(90)
        yield Door(found["port"], found["app"], made, file)
    finally:
        stop.set()
        thread.join(30)
        assert not thread.is_alive()


def head(method: str, path: str, **headers: str) -> bytes:
    """A request's head; underscores in names of headers are hyphens."""
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", *(f"{name.replace('_', '-')}: {value}" for name, value in headers.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def tell(port: int, *parts: bytes, wait: float = PATIENCE) -> Reply:
    """Send bytes as they are, then read one answer, or until the server closes; the connection stays open on this side meanwhile."""
    with socket.create_connection(("127.0.0.1", port), timeout=wait) as line:
        try:
            for part in parts:
                line.sendall(part)
        except OSError:
            pass  # the server has closed; what it said may still be read
        return hear(line)


def hear(line: socket.socket) -> Reply:
    """One answer."""
    data = b""
    try:
        while b"\r\n\r\n" not in data and (more := line.recv(65536)):
            data += more
        top, _, rest = data.partition(b"\r\n\r\n")
        if not top:
            return Reply(0, {}, b"")
        status, *lines = top.decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (one.partition(":") for one in lines)}
        length = int(headers.get("content-length", "0"))
        while len(rest) < length and (more := line.recv(65536)):
            rest += more
        return Reply(int(status.split()[1]), headers, rest)
    except ConnectionError:
        return Reply(0, {}, b"")
