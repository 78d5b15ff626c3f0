from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from bicross.serving.app import create_app
from bicross.serving.served import Served
from bicross.settings import ServeSettings
from tests.serving.doors import MINE, Door, door, head, tell

BEING_READY = ("/readyz", "/healthz", "/health", "/ping")


class Engine:
    """An engine of which only `ready` is asked."""

    ready = False


@pytest.fixture(scope="module")
def served(made_collection: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    with door({MINE: made_collection}, tmp_path_factory.mktemp("health")) as running:
        yield running


def asked(app: FastAPI, path: str) -> httpx.Response:
    async def ask() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost") as client:
            return await client.get(path)

    return asyncio.run(ask())


def test_a_server_with_its_models_is_alive_and_ready(served: Door) -> None:
    assert tell(served.port, head("GET", "/livez")).json() == {"status": "alive"}
    assert tell(served.port, head("GET", "/readyz")).json() == tell(served.port, head("GET", "/healthz")).json() == {"status": "ready"}
    for path in ("/health", "/ping"):
        reply = tell(served.port, head("GET", path))
        assert (reply.status, reply.body) == (200, b"")


def test_loading_and_draining_are_told_apart_and_are_not_ready() -> None:
    engine = Engine()
    app = create_app(Served(engine, {MINE: Path(MINE)}, ServeSettings()))  # type: ignore[arg-type]  # it is asked no more than this
    for state in ("loading", "draining"):
        app.state.draining = engine.ready = state == "draining"
        for path in BEING_READY:
            reply = asked(app, path)
            assert (reply.status_code, reply.headers["retry-after"]) == (503, "1")
        assert asked(app, "/readyz").json() == {"status": state}
        assert asked(app, "/ping").content == b""
        assert asked(app, "/livez").status_code == 200
