"""`bicross serve` as a process of its own, with and without keys; and a server in a thread, for an engine that notes or refuses."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
import uvicorn

from bicross.serving import keys
from bicross.serving.app import create_app
from bicross.serving.queued import QueuedEngine
from bicross.serving.served import Served
from bicross.serving.supervisor import Supervisor
from bicross.settings import ServeSettings
from tests.serving.test_server import serving


@contextmanager
def running(collection: Path, engine: type[QueuedEngine] = QueuedEngine) -> Iterator[str]:
    """The base URL of a server of the collection, with such an engine."""
    started, url, settings = threading.Event(), list[str](), ServeSettings()
    server: list[uvicorn.Server] = []

    async def serve() -> None:
        supervisor = Supervisor({"manual": collection})
        await supervisor.start()
        assert await supervisor.loaded(60)
        app = create_app(Served(engine(supervisor, settings), {"manual": collection}, settings))
        server.append(uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="warning", lifespan="on")))
        task = asyncio.create_task(server[0].serve())
        while not server[0].started:
            await asyncio.sleep(0.01)
        port = server[0].servers[0].sockets[0].getsockname()[1]
        url.append(f"http://127.0.0.1:{port}")
        started.set()
        await task
        await supervisor.close()

    thread = threading.Thread(target=lambda: asyncio.run(serve()), daemon=True)
    thread.start()
    assert started.wait(90)
    yield url[0]
    server[0].should_exit = True
    thread.join(20)
    assert not thread.is_alive()


@pytest.fixture(scope="package")
def live(made_collection: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The base URL of a server without keys."""
    with serving(tmp_path_factory.mktemp("live"), made_collection) as server:
        server.ready()
        yield server.url


@pytest.fixture(scope="package")
def guarded(made_collection: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """The base URL of a server with keys, and a key that may read."""
    folder = tmp_path_factory.mktemp("guarded")
    secret, _ = keys.create(folder / "keys.json", "read", "manual")
    with serving(folder, made_collection, "--keys", str(folder / "keys.json")) as server:
        server.ready()
        yield server.url, secret


@pytest.fixture
def http(live: str) -> Iterator[httpx.Client]:
    """A plain HTTP client of `live`."""
    with httpx.Client(base_url=live, timeout=30) as client:
        yield client
