"""The model process: `python -m bicross.serving.worker`. Frames come on stdin, answers go to stdout, the log to stderr.

It begins with a frame {"collections": {name: folder}} and says {"event": "ready"} when models and indexes are loaded. A call is
{"id", "lane", "op", "collection", "args"}, its answer {"id", "ok"} or {"id", "error": {"kind", "message"}}. While a call of the lane
"models" takes long, {"event": "alive"} says each time that it gets further, once a second at most. It ends when stdin does, so that it
never outlives its parent, and finishes the write that it is at.
"""

from __future__ import annotations

import logging
import os
import queue
import signal
import sys
import time
from pathlib import Path
from threading import Event, Lock, Thread
from typing import Any, BinaryIO

from bicross.errors import BicrossError
from bicross.models import progress
from bicross.serving.frames import BadFrame, Frame, encoded, read_frame
from bicross.serving.logs import Lines
from bicross.serving.work import Overdue, Work

log = logging.getLogger("bicross.worker")
NICE = 5  # the front process answers quickly on a busy machine
SIGN = 1.0  # seconds between two signs of life
REST, LONGEST_REST = 1.0, 30.0  # seconds without a write after which is folded, and for which that is put off while writes come


class Worker:
    """Reads calls, has them done lane by lane, and answers."""

    def __init__(self, calls: BinaryIO, answers: BinaryIO) -> None:
        self._calls, self._answers = calls, answers
        self._speaking = Lock()
        self._ending = Event()
        self._writing: dict[str, Lock] = {}  # by collection, held while a write is done
        self._writes: dict[str, queue.SimpleQueue[tuple[Frame, float]]] = {}
        self._signed = 0.0
        self._lanes: dict[str, queue.SimpleQueue[tuple[Frame, float]]] = {lane: queue.SimpleQueue() for lane in ("models", "reads")}

    def run(self) -> int:
        """Work until the calls end; returns the exit code: 1 where what came was no frame."""
        try:
            start = read_frame(self._calls)
            if start is None:
                return 0
            work = Work({name: Path(path) for name, path in start["collections"].items()})
            work.warm()
            for lane in ("models", "reads"):
                Thread(target=self._serve, args=(lane, work), name=lane, daemon=True).start()
            for name in start["collections"]:
                self._writing[name], self._writes[name] = Lock(), queue.SimpleQueue()
                Thread(target=self._write, args=(name, work), name=f"writes {name}", daemon=True).start()
            self._say({"event": "ready", "pid": os.getpid()})
            code = self._read()
        except BadFrame:
            log.exception("what came on stdin is no frame; the process ends")
            return 1
        self._ending.set()
        for writing in self._writing.values():  # whatever else goes on, folding too, changes nothing that was promised
            writing.acquire()
        return code

    def _read(self) -> int:
        try:
            while (call := read_frame(self._calls)) is not None:
                named, collection = str(call.get("lane")), str(call.get("collection"))
                lane = self._writes.get(collection) if named == "writes" else self._lanes.get(named)
                if lane is None:
                    self._refuse(call.get("id"), "Internal", f"There is no lane {named!r} of a collection {collection!r}.")
                else:
                    lane.put((call, time.monotonic()))
        except BadFrame:
            log.exception("what came on stdin is no frame; the process ends")
            return 1
        return 0

    def _serve(self, name: str, work: Work) -> None:
        """One lane, first come, first served."""
        if name == "models":
            progress.watch(self._sign)
        while not self._ending.is_set():
            call, came = self._lanes[name].get()
            self._do(work, call, time.monotonic() - came)

    def _write(self, name: str, work: Work) -> None:
        """A collection's lane of writes, so that none waits for another's. When none has come for a moment, what they left is folded, so
        that who writes one after the other waits for no folding; so is what the process before this one left."""
        lane = self._writes[name]
        unsettled: float | None = time.monotonic()
        while not self._ending.is_set():
            try:
                if unsettled is not None and time.monotonic() - unsettled > LONGEST_REST:
                    raise queue.Empty
                call, came = lane.get(timeout=None if unsettled is None else REST)
            except queue.Empty:
                self._settle(name, work)
                unsettled = None
                continue
            with self._writing[name]:
                if not self._ending.is_set():  # what was not begun was not promised either
                    self._do(work, call, time.monotonic() - came)
            unsettled = unsettled or time.monotonic()

    @staticmethod
    def _settle(name: str, work: Work) -> None:
        try:
            work.settle(name)
        except Exception:  # whatever it is, the next write must be done
            log.exception("folding failed")

    def _do(self, work: Work, call: Frame, waited: float) -> None:
        try:
            args: dict[str, Any] = call.get("args") or {}
            if args.get("seconds_left") is not None:
                args["seconds_left"] -= waited
            answer: Frame = {"id": call.get("id"), "ok": work.do(call["op"], call["collection"], args)}
        except (BicrossError, Overdue) as error:
            self._refuse(call.get("id"), type(error).__name__, work.told(call["collection"], error))
        except Exception as error:  # whatever it is, the next call must be answered
            log.exception("%s failed", call.get("op"))
            self._refuse(call.get("id"), "Internal", f"{type(error).__name__} in {call.get('op')}")
        else:
            self._say(answer)

    def _sign(self) -> None:
        """Tell whoever waits that the models are at work."""
        if time.monotonic() > self._signed + SIGN:
            self._signed = time.monotonic()
            self._say({"event": "alive"})

    def _refuse(self, number: Any, kind: str, message: str) -> None:
        self._say({"id": number, "error": {"kind": kind, "message": message}})

    def _say(self, frame: Frame) -> None:
        try:
            content = encoded(frame)
        except BadFrame as error:
            content = encoded({"id": frame.get("id"), "error": {"kind": "InputError", "message": f"The answer cannot be sent: {error}"}})
        with self._speaking:
            try:
                self._answers.write(content)
                self._answers.flush()
            except (BrokenPipeError, ValueError):
                self._ending.set()  # nobody listens any more; stdin ends too


def main() -> None:
    """Run on the standard streams. Nothing but frames goes out: what libraries print goes to stderr."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Lines())
    handler.setLevel(logging.INFO)  # libraries set levels of their own
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    for number in (signal.SIGINT, signal.SIGTERM):  # they come to the whole group; the parent decides when this process ends
        signal.signal(number, signal.SIG_IGN)
    os.nice(NICE)
    calls, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    code = Worker(calls, answers).run()
    logging.shutdown()
    sys.stderr.flush()
    os._exit(code)  # the other lanes may be at work, in native code that no thread can interrupt


if __name__ == "__main__":
    main()
