"""The bounded queue before the worker: requests are cut into units, and units that may be computed together meet in one batch.

Knows nothing of models. Times are those of the event loop, which are those of `time.monotonic()`. All of it runs in one loop's thread.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Hashable, Sequence
from typing import Any

from bicross.errors import InputError
from bicross.serving.refusals import Late, Overloaded, Unavailable
from bicross.serving.units import Done, Group, Limits, Rate, Request, Unit

AHEAD = 0.02  # seconds before the worker is free that it is given the next batch, so that it never idles
EXPLORE = 5  # of so many full batches one is twice as full
WEIGHT = 2.0  # seconds of age that a second of work costs: with it, those that were begun get half of the worker while others wait


Run = Callable[[Group, Sequence[Unit]], Awaitable[Sequence[Any]]]
"""Computes one batch: a result for each unit, in order."""
_Batch = list[tuple[Request, int]]


class Batcher:
    """Requests in, batches out. At most two batches are with the worker: one that it computes, and the next.

    The next batch is led by the request whose virtual start is earliest: from when its age counts, which is its arrival, and WEIGHT times
    the work that it would be given now. So short requests pass long ones, and age passes both: what waits is passed only by what comes
    within WEIGHT times a batch's seconds. What a request is given while others wait to be begun moves its age, so that all that are begun
    and not finished get half of the worker together; what it is given otherwise leaves it as old as one that comes now.

    Three requests that meet in no batch, of batches of 0.2 s, and AHEAD as it is:

        0.00  long, 1 s of work, comes: virtual start 0 + 2 x 0.2 = 0.40. Nothing else waits, so 0.2 s of it begin.
        0.10  short, 0.02 s, comes: 0.10 + 2 x 0.02 = 0.14. At 0.15 other, 0.2 s, comes: 0.15 + 2 x 0.2 = 0.55.
        0.18  the worker will be free: short (0.14) is next, until 0.22.
        0.20  long (0.40) is next, until 0.42; other waits to be begun, so its age moves by 2 x 0.2: it is at 0.80.
        0.40  other (0.55) is next, until 0.62; then long has the worker to itself.
    """

    def __init__(self, run: Run, limits: Limits) -> None:
        self._run, self._limits = run, limits
        self._queue: list[Request] = []
        self._running: dict[asyncio.Task[None], float] = {}  # -> the seconds that it should take
        self._rates: dict[Hashable, Rate] = {}
        self._free_at = 0.0  # when the worker should have computed all that it has
        self._last_end = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._tokens = self._size = self._full = 0
        self._closed, self._idle = False, asyncio.Event()
        self._idle.set()

    @property
    def tokens(self) -> int:
        """Tokens that wait."""
        return self._tokens

    @property
    def requests(self) -> int:
        """Requests that have not been begun, or not whole."""
        return len(self._queue)

    @property
    def units(self) -> int:
        """Units that wait."""
        return sum(len(request.waiting) for request in self._queue)

    def rate(self, kind: Hashable) -> Rate:
        """Of a kind of work."""
        found = self._rates.get(kind)
        if found is None:
            found = self._rates[kind] = Rate()
        return found

    async def ask(self, group: Group, units: Sequence[Unit], deadline: float | None = None) -> Done:
        """Wait for the results of all units. Cancelled, those that were not begun leave the queue.

        Raises:
            Overloaded: too much waits. Unavailable: the queue is closed. Late: the deadline passed before all was begun.
            Whatever `run` raises.
        """
        if not units:
            return Done([], 0.0)
        loop = asyncio.get_running_loop()
        now, latest = loop.time(), math.inf if deadline is None else deadline
        self._admit(group, units, now, latest)
        request = Request(group, units, now, latest, loop.create_future())
        timer = loop.call_at(latest, self._expire) if deadline is not None else None
        self._queue.append(request)
        self._tokens, self._size = self._tokens + request.tokens, self._size + request.size
        self._idle.clear()
        self._pump()
        try:
            await request.future
        finally:
            if timer:
                timer.cancel()
            self._leave(request)
            self._size -= request.size
        return Done(request.results, (request.began or now) - now)

    def wait(self, kind: Hashable, tokens: int) -> float:
        """Seconds until work of so many tokens would be begun if it came now."""
        now = asyncio.get_running_loop().time()
        start, price = now + WEIGHT * self._chunk(kind, tokens), self._price()
        work = max(0.0, self._free_at - now) if self._running else 0.0
        for other in self._queue:
            early = start - self._start(other)
            if early >= 0:
                chunk = self._chunk(other.group.kind, other.tokens)
                work += min(self._seconds(other.group.kind, other.tokens), chunk + early / price)
        return work

    async def close(self, seconds: float) -> None:
        """Refuse what comes, finish what is here; what is not done in `seconds` is told that the server ends."""
        self._closed = True
        try:
            async with asyncio.timeout(seconds):
                await self._idle.wait()
        except TimeoutError:
            for request in list(self._queue):
                self._leave(request)
                request.settle(Unavailable("The server is ending."))
            for task in self._running:
                task.cancel()

    # --- inside ---

    def _admit(self, group: Group, units: Sequence[Unit], now: float, latest: float) -> None:
        if self._closed:
            raise Unavailable("The server is ending.")
        if latest <= now:
            raise Late
        tokens, size = sum(unit.tokens for unit in units), sum(unit.size for unit in units)
        wait, limits = self.wait(group.kind, tokens), self._limits
        full = self._tokens and (self._tokens + tokens > limits.tokens or self._size + size > limits.size)
        if full or wait > min(limits.max_wait, latest - now):
            raise Overloaded(float(max(1, math.ceil(wait))))

    def _seconds(self, kind: Hashable, tokens: float) -> float:
        return self.rate(kind).seconds(tokens)

    def _chunk(self, kind: Hashable, tokens: int) -> float:
        """Seconds of what a request is given in one batch."""
        rate = self.rate(kind)
        return min(rate.seconds(tokens), rate.batch)

    def _start(self, request: Request) -> float:
        return request.since + WEIGHT * self._chunk(request.group.kind, request.tokens)

    def _price(self) -> float:
        """Seconds of age that a second of work costs."""
        return WEIGHT * max(1, sum(request.began is not None for request in self._queue))

    def _pump(self) -> None:
        """Give the worker what it should have now."""
        if self._timer:
            self._timer.cancel()
            self._timer = None
        loop = asyncio.get_running_loop()
        while self._queue and len(self._running) < 2:
            due = self._free_at - AHEAD
            if self._running and loop.time() < due:  # until then others may come, to be computed along or before
                self._timer = loop.call_at(due, self._pump)
                return
            self._expire()
            if self._queue:
                self._begin(self._next(), loop)

    def _begin(self, batch: _Batch, loop: asyncio.AbstractEventLoop) -> None:
        seconds = self.rate(batch[0][0].group.kind).alone(_tokens(batch))
        self._free_at = max(loop.time(), self._free_at if self._running else 0.0) + seconds
        task = loop.create_task(self._compute(batch))
        self._running[task] = seconds

    def _next(self) -> _Batch:
        """Take the next batch out of the queue."""
        now = asyncio.get_running_loop().time()
        ordered = sorted(self._queue, key=self._start)
        group, price = ordered[0].group, self._price()
        room, batch = self._room(group), _Batch()
        for request in (request for request in ordered if request.group == group):
            before = request.tokens
            while request.waiting and (not batch or request.units[request.waiting[-1]].tokens <= room):
                place = request.waiting.pop()
                room -= request.units[place].tokens
                request.tokens -= request.units[place].tokens
                batch.append((request, place))
            if request.tokens == before:
                break
            self._tokens -= before - request.tokens
            request.began = now if request.began is None else request.began
            if not request.waiting:
                self._queue.remove(request)
            elif any(other.began is None for other in ordered):
                request.since += price * self._seconds(group.kind, before - request.tokens)
            else:
                request.since = max(request.since, now)
        return sorted(batch, key=lambda one: one[0].units[one[1]].tokens)

    def _room(self, group: Group) -> float:
        """Tokens of the next batch. Where more waits, each EXPLORE-th is twice as full: what larger ones take is only known by trying."""
        budget = self.rate(group.kind).budget
        if sum(request.tokens for request in self._queue if request.group == group) <= budget:
            return budget
        self._full += 1
        return budget if self._full % EXPLORE else 2 * budget

    async def _compute(self, batch: _Batch) -> None:
        loop = asyncio.get_running_loop()
        began, group = loop.time(), batch[0][0].group
        try:
            if await self._try(group, batch):
                self.rate(group.kind).learn(_tokens(batch), loop.time() - max(began, self._last_end))
        finally:
            self._last_end = loop.time()
            del self._running[asyncio.current_task()]  # type: ignore[arg-type]  # it is the task that `_begin` made
            self._free_at = self._last_end + sum(self._running.values())
            self._pump()
            if not self._running and not self._queue:
                self._idle.set()

    async def _try(self, group: Group, batch: _Batch) -> bool:
        """Compute a batch and tell who asked; whether all went well. What is wrong with one request, or late, is told to that one alone."""
        try:
            results = await self._run(group, [request.units[place] for request, place in batch])
        except Exception as error:  # noqa: BLE001 - whatever it is, those who asked are told, and the queue goes on
            requests = list(dict.fromkeys(request for request, _ in batch))
            if len(requests) == 1 or not isinstance(error, (InputError, Late)):
                for request in requests:
                    self._leave(request)
                    request.settle(error)
            else:
                for request in requests:
                    await self._try(group, [one for one in batch if one[0] is request])
            return False
        except asyncio.CancelledError:
            for request, _ in batch:
                self._leave(request)
                request.settle(Unavailable("The server is ending."))
            raise
        for (request, place), result in zip(batch, results, strict=True):
            request.results[place] = result
            request.missing -= 1
            if not request.missing:
                request.settle()
        return True

    def _expire(self) -> None:
        now = asyncio.get_running_loop().time()
        for request in [request for request in self._queue if request.deadline <= now]:
            self._leave(request)
            request.settle(Late())

    def _leave(self, request: Request) -> None:
        """Take what was not begun of a request out of the queue."""
        if request in self._queue:
            self._queue.remove(request)
            self._tokens -= request.tokens
            request.tokens = 0
            if not self._running and not self._queue:
                self._idle.set()


def _tokens(batch: _Batch) -> int:
    return sum(request.units[place].tokens for request, place in batch)
