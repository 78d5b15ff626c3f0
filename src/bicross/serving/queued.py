"""The engine that routes ask: work for the models through the queue, writes and reads beside it, all of it done by the worker."""

from __future__ import annotations

import asyncio
import json
import math
import time
from collections.abc import Coroutine, Mapping, Sequence
from contextlib import suppress
from typing import Any, TypeVar, cast

import numpy as np

from bicross.data.sentences import PIECES
from bicross.errors import InputError
from bicross.protocols import Side
from bicross.records import Document
from bicross.serving import metrics, tracing
from bicross.serving.batcher import Batcher
from bicross.serving.engine import Embedded, Scored
from bicross.serving.frames import unpacked
from bicross.serving.refusals import Overloaded, Unavailable
from bicross.serving.supervisor import Supervisor
from bicross.serving.units import Done, Group, Limits, Unit
from bicross.settings import SearchSettings, ServeSettings

T = TypeVar("T")
LONGEST = 512  # tokens that a text counts: what the models cut is not computed
CUT = 400  # characters that cost as much to cut into tokens as one token to compute
FIRST_WIDE = "\u2e80"  # the first character that is written as Chinese, Japanese and Korean are
READ, PASSAGE = 10, 120  # candidates that a search reranks and tokens of one, until answers tell
RECALL = 100  # tokens that a search counts before anything is reranked
SPAN = 40  # characters of a text for each time that its spans make the models read it again, up to `PIECES`
SMOOTHING = 0.1  # the share that a new answer has in what is known of answers
WRITES, WRITTEN = 32, 64 * 1024 * 1024  # writes that wait, and their characters
READS = 256  # reads that wait
FRESH = 1.0  # seconds that a description is told again
UNWRITTEN = "The server is ending. It may or may not have written this; send it again."
LATEST_WRITES = 8  # of which the mean tells how long one takes


def tokens_of(*texts: str) -> int:
    """About how many tokens a model reads of texts that it reads as one: a character of Chinese, Japanese or Korean is one, four others
    are one. What is cut costs something too, for it is cut into tokens before."""
    read = 0
    for text in texts:
        wide = 0 if text.isascii() else sum(character >= FIRST_WIDE for character in text[: 4 * LONGEST])
        read += 2 + wide + (len(text) - wide) // 4
    return min(LONGEST, read) + sum(map(len, texts)) // CUT


class _Room:
    """Calls that may wait at the same time, and their characters. Raises Overloaded where there is none."""

    def __init__(self, count: int, size: int = 0) -> None:
        self._count, self._size = count, size
        self._waiting: dict[asyncio.Task[Any], tuple[int, asyncio.Future[Any]]] = {}
        self._seconds = [0.1]
        self._empty = asyncio.Event()
        self._empty.set()

    async def take(self, call: Coroutine[Any, Any, T], size: int = 0) -> T:
        """What the call gives, if there is room for it now. A call that was begun goes on if nobody waits for it any more."""
        held = sum(size for size, _ in self._waiting.values())
        if self._waiting and (len(self._waiting) >= self._count or held + size > self._size > 0):
            call.close()
            mean = sum(self._seconds) / len(self._seconds)
            raise Overloaded(float(max(1, math.ceil(mean * len(self._waiting)))))
        loop, start = asyncio.get_running_loop(), time.monotonic()
        task, answer = loop.create_task(call), loop.create_future()
        self._waiting[task] = size, answer
        self._empty.clear()

        def done(ended: asyncio.Task[T]) -> None:
            del self._waiting[ended]
            self._seconds = [*self._seconds[1 - LATEST_WRITES :], time.monotonic() - start]
            if not self._waiting:
                self._empty.set()
            error = asyncio.CancelledError() if ended.cancelled() else ended.exception()
            if answer.done():  # nobody waits any more
                return
            if error is None:
                answer.set_result(ended.result())
            else:
                answer.set_exception(error)

        task.add_done_callback(done)
        found: T = await answer
        return found

    async def close(self, seconds: float, told: str) -> None:
        """Wait until nothing waits; who waits longer than so many seconds is told that the server ends."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._empty.wait(), seconds)
        for _, answer in self._waiting.values():
            if not answer.done():
                answer.set_exception(Unavailable(told))


class _Costs:
    """What searches of a collection cost, learned from their answers."""

    def __init__(self) -> None:
        self._read, self._passage = float(READ), float(PASSAGE)
        self._most = math.inf  # candidates that there are

    def tokens(self, question: str, settings: SearchSettings) -> int:
        """About how many tokens the models read for a question."""
        own = tokens_of(question)
        depth = 0 if settings.stage != "both" else self._read if settings.depth == "auto" else min(settings.depth, self._most)
        return int(RECALL + own + depth * (own + self._passage))

    def learn(self, answer: Mapping[str, Any], settings: SearchSettings, filtered: bool) -> None:
        """From one answer: how long passages are, how many were reranked where the collection decided, and whether there were as many as
        were asked for."""
        texts = [hit["passage"]["text"] for hit in answer["hits"] if hit["passage"]]
        if texts:
            self._passage += SMOOTHING * (sum(map(tokens_of, texts)) / len(texts) - self._passage)
        if settings.stage != "both" or answer["degraded"]:
            return
        if settings.depth == "auto":
            self._read += SMOOTHING * (answer["reranked"] - self._read)
        elif answer["reranked"] < settings.depth and not filtered:
            self._most = answer["reranked"]
        elif answer["reranked"] > self._most:
            self._most = math.inf


class QueuedEngine:
    """An `Engine`. Bounded in all it holds; see `batcher` for the order in which work is done."""

    def __init__(self, supervisor: Supervisor, settings: ServeSettings) -> None:
        self._supervisor = supervisor
        self._batcher = Batcher(self._compute, Limits(settings.max_wait))
        self._writes, self._reads = _Room(WRITES, WRITTEN), _Room(READS)
        self._costs: dict[str, _Costs] = {}
        self._described: dict[str, tuple[float, dict[str, Any]]] = {}
        self._closed = False

    @property
    def ready(self) -> bool:
        """Whether models and indexes are loaded and work is taken."""
        return self._supervisor.ready and not self._closed

    async def search(
        self,
        collection: str,
        questions: Sequence[str],
        settings: SearchSettings,
        where: Mapping[str, Any] | None = None,
        deadline: float | None = None,
    ) -> list[dict[str, Any]]:
        """See `Engine.search`; `seconds` has `queue` too."""
        costs = self._costs.setdefault(collection, _Costs())
        units = [Unit((question, deadline), costs.tokens(question, settings), len(question)) for question in questions]
        args = {"settings": settings.model_dump(mode="json"), "where": where}
        stage = settings.stage if settings.stage != "both" or settings.depth else "fused"
        way = stage if where is None else f"{stage}, filtered"  # looking at all meta takes its time too
        answers, queued = await self._ask("search", collection, args, units, deadline, way)
        for answer in answers:
            costs.learn(answer, settings, where is not None)
            answer["seconds"] = {"queue": queued, **answer["seconds"]}
            metrics.stages(answer["seconds"])
            tracing.retrieved(collection, settings.k, answer["seconds"])
        return answers

    async def embed(self, collection: str, texts: Sequence[str], side: Side, deadline: float | None = None) -> Embedded:
        """See `Engine.embed`."""
        units = [Unit((text, deadline), tokens_of(text), len(text)) for text in texts]
        with tracing.embedding(collection):
            rows, _ = await self._ask("embed", collection, {"side": side}, units, deadline, side)
        if not rows:
            raise InputError("There is no text to embed; expected one or more.")
        return Embedded(np.stack([row[0] for row in rows]), tuple(row[1] for row in rows), tuple(row[2] for row in rows))

    async def score(self, collection: str, pairs: Sequence[tuple[str, str]], deadline: float | None = None) -> Scored:
        """See `Engine.score`."""
        units = [Unit((pair, deadline), tokens_of(*pair), sum(map(len, pair))) for pair in pairs]
        rows, _ = await self._ask("score", collection, {}, units, deadline)
        return Scored(tuple(row[0] for row in rows), tuple(row[1] for row in rows), tuple(row[2] for row in rows))

    async def spans(
        self, collection: str, question: str, texts: Sequence[str], deadline: float | None = None
    ) -> list[list[dict[str, Any]]]:
        """See `Engine.spans`."""
        units = [Unit((text, deadline), tokens_of(question, text) * (1 + min(PIECES, len(text) // SPAN)), len(text)) for text in texts]
        return (await self._ask("spans", collection, {"question": question}, units, deadline))[0]

    async def put(self, collection: str, documents: Sequence[Document]) -> dict[str, Any]:
        """See `Engine.put`. It goes on if the caller is cancelled."""
        rows = [{"id": one.id, "title": one.title, "text": one.text, "meta": dict(one.meta)} for one in documents]
        size = sum(len(one["title"]) + len(one["text"]) + len(json.dumps(one["meta"], ensure_ascii=False)) for one in rows)
        found: dict[str, Any] = await self._write("put", collection, {"documents": rows}, size)
        return found

    async def delete(self, collection: str, ids: Sequence[str]) -> dict[str, Any]:
        """See `Engine.delete`. It goes on if the caller is cancelled."""
        found: dict[str, Any] = await self._write("delete", collection, {"ids": list(ids)}, sum(map(len, ids)))
        return found

    async def documents(self, collection: str, ids: Sequence[str], brief: bool = False) -> list[dict[str, Any]]:
        """See `Engine.documents`."""
        self._look()
        call = self._supervisor.call("reads", "documents", collection, {"ids": list(ids), "brief": brief})
        found: list[dict[str, Any]] = await self._reads.take(call)
        return found

    async def describe(self, collection: str) -> dict[str, Any]:
        """See `Engine.describe`; at most a second old."""
        said, found = self._described.get(collection, (-math.inf, {}))
        if time.monotonic() > said + FRESH:
            self._look()
            found = await self._reads.take(self._supervisor.call("reads", "describe", collection, {}))
            self._described[collection] = time.monotonic(), found
        return dict(found)

    async def close(self, seconds: float) -> None:
        """Take no more work and finish what is here, in at most so many seconds; what is not done then is told that the server ends. Reads
        are answered to the last."""
        self._closed = True
        await asyncio.gather(self._batcher.close(seconds), self._writes.close(seconds, UNWRITTEN))

    # --- inside ---

    def _look(self) -> None:
        """What comes while nobody can do it is told at once."""
        if not self._supervisor.ready:
            raise Unavailable("The server is ending." if self._closed else "The models are loading.")

    async def _ask(
        self, op: str, collection: str, args: Mapping[str, Any], units: Sequence[Unit], deadline: float | None, way: str = ""
    ) -> Done:
        """Have units of one operation computed. `way` tells apart what takes another time for a token."""
        self._look()
        urgent = None if deadline is None else math.ceil(math.log2(max(1e-3, deadline - time.monotonic())))  # those in a hurry go together
        group = Group((op, collection, way), (json.dumps(args, sort_keys=True), urgent))
        try:
            return await self._batcher.ask(group, units, deadline)
        finally:
            metrics.queue(self._batcher.units, self._batcher.tokens)

    async def _compute(self, group: Group, units: Sequence[Unit]) -> list[Any]:
        """One batch: a result for each unit."""
        metrics.batch(len(units), sum(unit.tokens for unit in units))
        metrics.queue(self._batcher.units, self._batcher.tokens)
        op, collection, _ = cast("tuple[str, str, str]", group.kind)
        args, _ = cast("tuple[str, int | None]", group.key)
        latest = min((unit.payload[1] for unit in units if unit.payload[1] is not None), default=None)
        asked = {**json.loads(args), "seconds_left": None if latest is None else latest - time.monotonic()}
        asked["pairs" if op == "score" else "texts"] = [unit.payload[0] for unit in units]
        found = await self._supervisor.call("models", op, collection, asked)
        if op in ("search", "spans"):
            return list(found)
        values = unpacked(found["vectors"], found["dim"]) if op == "embed" else found["scores"]
        return list(zip(values, found["tokens"], found["cut"], strict=True))

    async def _write(self, op: str, collection: str, args: Mapping[str, Any], size: int) -> Any:
        if self._closed:
            raise Unavailable("The server is ending.")
        self._look()
        found = await self._writes.take(self._supervisor.call("writes", op, collection, args), size)
        self._described.pop(collection, None)
        return found
