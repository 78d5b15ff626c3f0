"""Keeps the model process alive: starts it, hands it calls, and starts another one when it dies or hangs."""

from __future__ import annotations

import asyncio
import itertools
import logging
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bicross import errors
from bicross.serving import metrics
from bicross.serving.frames import BadFrame, Frame, encoded, receive
from bicross.serving.refusals import Late, Refused, Unavailable

log = logging.getLogger(__name__)
COMMAND = (sys.executable, "-P", "-m", "bicross.serving.worker")
WATCHED = "models"  # the lane that says when it gets further, so that where it long says nothing the process hangs
FIRST_PAUSE, LONGEST_PAUSE = 0.2, 5.0  # seconds before a process that died before it was ready is started again
KINDS = {name: kind for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, errors.BicrossError)}
ENDING = "The server is ending."
DIED = "The model process ended; another one is starting."


@dataclass(slots=True)
class _Waiting:
    """A call that was sent: when, in which lane, and where its answer goes."""

    lane: str
    sent: float
    answer: asyncio.Future[Any]


class Supervisor:
    """One model process at a time. All methods are for one event loop.

    `hang`: seconds without an answer or a sign of life after which a process with calls in the lane "models" is killed. `patience`:
    seconds that a call waits for a process that is loading.
    """

    def __init__(self, collections: Mapping[str, Path], hang: float = 60.0, patience: float = 5.0) -> None:
        self._start: Frame = {"collections": {name: str(Path(path).absolute()) for name, path in collections.items()}}
        self._hang, self._patience = hang, patience
        self._process: Process | None = None
        self._waiting: dict[int, _Waiting] = {}
        self._numbers = itertools.count(1)
        self._ready = asyncio.Event()
        self._heard = 0.0
        self._closing = asyncio.Event()
        self._keeper: asyncio.Task[None] | None = None
        self.restarts = 0
        """How often another process had to be started."""

    @property
    def ready(self) -> bool:
        """Whether a process has loaded all and takes calls."""
        return self._ready.is_set() and not self._closing.is_set()

    @property
    def pid(self) -> int | None:
        """Of the process that runs now."""
        return self._process.pid if self._process is not None else None

    async def start(self) -> None:
        """Begin; returns at once. Await `loaded` to know when work is taken."""
        if self._keeper is None:
            self._keeper = asyncio.create_task(self._keep())

    async def loaded(self, within: float) -> bool:
        """Wait until work is taken, at most so many seconds; tells whether it is."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._ready.wait(), within)
        return self.ready

    async def call(self, lane: str, op: str, collection: str, args: Mapping[str, Any]) -> Any:
        """What an operation of `work.Work` gives, as JSON. `seconds_left` among the arguments counts from now.

        Raises:
            Unavailable: there is no process, or it died before it had answered. Late: the time had passed. BicrossError: the operation's.
            Refused: 500, the operation failed in a way that nobody foresaw; the log says how.
        """
        if self._closing.is_set() or not (self._ready.is_set() or await self.loaded(self._patience)):
            raise Unavailable(ENDING if self._closing.is_set() else "The models are loading.")
        process, number = self._process, next(self._numbers)
        if process is None or process.stdin is None:
            raise Unavailable(DIED)
        try:
            content = encoded({"id": number, "lane": lane, "op": op, "collection": collection, "args": dict(args)})
        except BadFrame as error:
            raise errors.InputError(f"The request cannot be handed on: {error}") from error
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting[number] = _Waiting(lane, time.monotonic(), answer)  # until it is answered, also where nobody waits any more
        try:
            process.stdin.write(content)
            await process.stdin.drain()
        except ConnectionError as error:
            answer.cancel()
            raise Unavailable(DIED) from error
        except asyncio.CancelledError:
            answer.cancel()
            raise
        return await answer

    async def close(self, within: float = 5.0) -> None:
        """End the process: it finishes the write that it is at; after so many seconds it is killed."""
        self._closing.set()
        if self._keeper is None:
            return
        process = self._process
        if not self._ready.is_set():  # it has nothing to finish
            self._kill()
        elif process is not None and process.stdin is not None:
            process.stdin.close()
        done, _ = await asyncio.wait({self._keeper}, timeout=within)
        if not done:
            self._kill()
            await asyncio.wait({self._keeper})

    async def _keep(self) -> None:
        """One process after the other."""
        pause = FIRST_PAUSE
        while not self._closing.is_set():
            was_ready = False
            try:
                was_ready = await self._live()
            except OSError as error:
                log.error("the model process cannot be started: %s", error)  # noqa: TRY400 - the reason is all there is to say
            if self._closing.is_set():
                return
            self.restarts += 1
            metrics.restarted()
            if was_ready:
                pause = FIRST_PAUSE
                continue
            with suppress(TimeoutError):
                await asyncio.wait_for(self._closing.wait(), pause)
            pause = min(2 * pause, LONGEST_PAUSE)

    async def _live(self) -> bool:
        """The life of one process, from its start until it is gone; tells whether it was ever ready."""
        process = await asyncio.create_subprocess_exec(*COMMAND, stdin=PIPE, stdout=PIPE)
        self._process = process
        watcher = asyncio.create_task(self._watch(process))
        was_ready = False
        try:
            if self._closing.is_set():
                return False
            assert process.stdin is not None
            with suppress(ConnectionError):
                process.stdin.write(encoded(self._start))
                await process.stdin.drain()
            await self._listen(process)
        except BadFrame:
            log.exception("the model process said what is no frame")
        finally:
            was_ready = self._ready.is_set()
            self._ready.clear()
            watcher.cancel()
            if process.returncode is None and not self._closing.is_set():
                self._kill()
            code = await _gone(process)
            self._process = None
            if not self._closing.is_set():
                log.warning("the model process ended with code %s, %d calls unanswered", code, len(self._waiting))
            self._fail(ENDING if self._closing.is_set() else DIED)
        return was_ready

    async def _listen(self, process: Process) -> None:
        """Hand out answers until there are no more."""
        assert process.stdout is not None
        while (frame := await receive(process.stdout)) is not None:
            if frame.get("event") == "ready":
                self._ready.set()
                continue
            if frame.get("event") == "alive":
                self._heard = time.monotonic()
                continue
            waiting = self._waiting.pop(frame.get("id", 0), None)
            if waiting is None:
                continue
            if waiting.lane == WATCHED:
                self._heard = time.monotonic()
            if waiting.answer.done():  # whoever asked has gone
                continue
            if "error" in frame:
                waiting.answer.set_exception(_raised(frame["error"]))
            else:
                waiting.answer.set_result(frame.get("ok"))

    async def _watch(self, process: Process) -> None:
        """Kill a process that does not answer."""
        while True:
            await asyncio.sleep(min(1.0, self._hang / 4))
            sent = [one.sent for one in self._waiting.values() if one.lane == WATCHED]
            if sent and time.monotonic() - max(min(sent), self._heard) > self._hang:
                log.error("the model process %d has not got further for %g s; it is killed", process.pid, self._hang)
                self._kill()
                return

    def _kill(self) -> None:
        if self._process is not None:
            with suppress(ProcessLookupError):
                self._process.kill()

    def _fail(self, why: str) -> None:
        for waiting in self._waiting.values():
            if not waiting.answer.done():
                waiting.answer.set_exception(Unavailable(why))
        self._waiting.clear()


async def _gone(process: Process) -> int:
    """Wait until a process is no more, and let go of its pipes; returns its exit code."""
    if process.stdin is not None:
        process.stdin.close()
    code = await process.wait()
    if process.stdin is not None:
        with suppress(ConnectionError):
            await process.stdin.wait_closed()
    return code


def _raised(error: Mapping[str, str]) -> Exception:
    """The exception that an error of the other process stands for."""
    kind, message = error.get("kind", ""), error.get("message", "")
    if kind == "Overdue":
        return Late()
    if kind in KINDS:
        return KINDS[kind](message)
    return Refused(500, "Something went wrong that was not foreseen; the server's log says what.", "internal")
