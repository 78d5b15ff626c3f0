"""A collection's work in the process that asks for it, for one caller: what an agent's host starts."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from bicross.serving.engine import Scored
from bicross.serving.work import LANES, Work
from bicross.settings import SearchSettings


class InProcess:
    """`Work` in this process: a thread a lane, as it needs them."""

    def __init__(self, collections: Mapping[str, Path]) -> None:
        self._work = Work(collections)
        self._lanes = {lane: ThreadPoolExecutor(1, lane) for lane in ("models", "reads")}

    def warm(self) -> None:
        """Begin to load models and indexes; the first question waits for what is not yet there."""
        self._lanes["models"].submit(self._work.warm)

    async def search(
        self,
        collection: str,
        questions: Sequence[str],
        settings: SearchSettings,
        where: Mapping[str, Any] | None = None,
        deadline: float | None = None,  # noqa: ARG002 - one agent asks, and waits
    ) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = await self._do("search", collection, texts=questions, settings=settings.model_dump(), where=where)
        return found

    async def score(
        self,
        collection: str,
        pairs: Sequence[tuple[str, str]],
        deadline: float | None = None,  # noqa: ARG002 - as above
    ) -> Scored:
        found = await self._do("score", collection, pairs=pairs)
        return Scored(tuple(found["scores"]), tuple(found["tokens"]), tuple(found["cut"]))

    async def documents(self, collection: str, ids: Sequence[str], brief: bool = False) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = await self._do("documents", collection, ids=ids, brief=brief)
        return found

    async def describe(self, collection: str) -> dict[str, Any]:
        found: dict[str, Any] = await self._do("describe", collection)
        return found

    async def _do(self, op: str, collection: str, **args: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._lanes[LANES[op]], self._work.do, op, collection, args)
