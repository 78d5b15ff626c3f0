"""`bicross serve` as a process of its own, with and without keys; and a server in a thread, for an engine that notes or refuses."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
import pytest

from bicross.serving import keys
from bicross.serving.queued import QueuedEngine
from tests.serving.doors import MINE, door
from tests.serving.test_server import serving


@contextmanager
def running(collection: Path, engine: type[QueuedEngine] = QueuedEngine) -> Iterator[str]:
    """The base URL of a server of the collection without keys, with such an engine."""
    with TemporaryDirectory() as folder, door({MINE: collection}, Path(folder), guarded=False, engine=engine) as found:
        yield found.base


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
