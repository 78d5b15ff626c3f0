"""A small collection in two languages, and the real engine over a real model process.

Fixtures are of a module: its tests share one collection and one process. `fresh_collection` is a test's own. Tests that use `engine` are
coroutines marked `pytest.mark.anyio`; they run in the event loop that the engine lives in.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from bicross import pipeline
from bicross.protocols import Side
from bicross.records import Document
from bicross.serving.engine import Embedded, Scored
from bicross.serving.frames import unpacked
from bicross.serving.queued import QueuedEngine
from bicross.serving.supervisor import Supervisor
from bicross.settings import IndexSettings, SearchSettings, ServeSettings

HASHED = "bicross/hashed"
DOCUMENTS: tuple[dict[str, Any], ...] = (
    {"id": "reset", "title": "Reset", "text": "Hold the power button for ten seconds to reset the device.", "lang": "en", "year": 2021},
    {"id": "battery", "title": "Battery", "text": "The battery lasts about nine hours and charges in two.", "lang": "en", "year": 2022},
    {"id": "warranty", "title": "Warranty", "text": "The warranty covers two years of normal use.", "lang": "en", "year": 2023},
    {"id": "screen", "title": "Screen", "text": "Clean the screen with a soft dry cloth, never with water.", "lang": "en", "year": 2021},
    {"id": "sound", "title": "Sound", "text": "If there is no sound, check that the volume is not at zero.", "lang": "en", "year": 2024},
    {"id": "重置", "title": "重置", "text": "按住电源键十秒即可重置设备。", "lang": "zh", "year": 2021},
    {"id": "电池", "title": "电池", "text": "电池续航约九小时，两小时充满。", "lang": "zh", "year": 2022},
    {"id": "保修", "title": "保修", "text": "保修期为两年，仅限正常使用。", "lang": "zh", "year": 2023},
    {"id": "屏幕", "title": "屏幕", "text": "请用柔软的干布清洁屏幕，切勿用水。", "lang": "zh", "year": 2021},
    {"id": "声音", "title": "声音", "text": "如果没有声音，请检查音量是否为零。", "lang": "zh", "year": 2024},
)


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def made_collection(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Made once, to be copied; not to be changed."""
    folder = tmp_path_factory.mktemp("served")
    source = folder / "documents.jsonl"
    source.write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in DOCUMENTS), "utf-8")
    pipeline.index([source], folder / "manual", IndexSettings(encoder=HASHED, reranker=HASHED))
    return folder / "manual"


@pytest.fixture(scope="module")
def collection(made_collection: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a collection of DOCUMENTS, made with `bicross/hashed` models."""
    return Path(shutil.copytree(made_collection, tmp_path_factory.mktemp("module") / "manual"))


@pytest.fixture
def fresh_collection(made_collection: Path, tmp_path: Path) -> Path:
    """As `collection`, for one test."""
    return Path(shutil.copytree(made_collection, tmp_path / "manual"))


@pytest.fixture(scope="module")
async def supervisor(collection: Path) -> AsyncIterator[Supervisor]:
    """A model process with `collection` under the name "manual", ready."""
    running = Supervisor({"manual": collection})
    await running.start()
    assert await running.loaded(60)
    yield running
    await running.close()


class DirectEngine:
    """An Engine without a queue: each request is a call of the model process. What the queue gives is compared with it."""

    def __init__(self, supervisor: Supervisor) -> None:
        self._supervisor = supervisor

    async def search(
        self,
        collection: str,
        questions: Sequence[str],
        settings: SearchSettings,
        where: Mapping[str, Any] | None = None,
        deadline: float | None = None,
    ) -> list[dict[str, Any]]:
        asked = {"texts": list(questions), "settings": settings.model_dump(), "where": where}
        return await self._supervisor.call("models", "search", collection, asked)

    async def embed(self, collection: str, texts: Sequence[str], side: Side, deadline: float | None = None) -> Embedded:
        found = await self._supervisor.call("models", "embed", collection, {"texts": list(texts), "side": side})
        return Embedded(unpacked(found["vectors"], found["dim"]), tuple(found["tokens"]), tuple(found["cut"]))

    async def score(self, collection: str, pairs: Sequence[tuple[str, str]], deadline: float | None = None) -> Scored:
        found = await self._supervisor.call("models", "score", collection, {"pairs": [list(pair) for pair in pairs]})
        return Scored(tuple(found["scores"]), tuple(found["tokens"]), tuple(found["cut"]))

    async def put(self, collection: str, documents: Sequence[Document]) -> dict[str, Any]:
        rows = [{"id": one.id, "title": one.title, "text": one.text, "meta": dict(one.meta)} for one in documents]
        return await self._supervisor.call("writes", "put", collection, {"documents": rows})

    async def delete(self, collection: str, ids: Sequence[str]) -> dict[str, Any]:
        return await self._supervisor.call("writes", "delete", collection, {"ids": list(ids)})

    async def documents(self, collection: str, ids: Sequence[str], brief: bool = False) -> list[dict[str, Any]]:
        return await self._supervisor.call("reads", "documents", collection, {"ids": list(ids), "brief": brief})

    async def describe(self, collection: str) -> dict[str, Any]:
        return await self._supervisor.call("reads", "describe", collection, {})

    async def spans(
        self, collection: str, question: str, texts: Sequence[str], deadline: float | None = None
    ) -> list[list[dict[str, Any]]]:
        return await self._supervisor.call("models", "spans", collection, {"question": question, "texts": list(texts)})

    @property
    def ready(self) -> bool:
        return self._supervisor.ready


@pytest.fixture(scope="module")
def engine(supervisor: Supervisor) -> QueuedEngine:
    """The engine over a real model process; the collection's name is "manual"."""
    return QueuedEngine(supervisor, ServeSettings())


@pytest.fixture(scope="module")
def direct(supervisor: Supervisor) -> DirectEngine:
    """The same process without the queue."""
    return DirectEngine(supervisor)
