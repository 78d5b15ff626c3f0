"""A lean load generator: HTTP/1.1 on plain sockets, for benchmarks whose load shares the processor with what is measured."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import numpy as np

REFUSED, PAUSE = (429, 503), 1.0  # statuses, and seconds
NONE, HALF = 0, -1
"""Instead of a status: the connection ended before an answer, or in the middle of one."""


def request(path: str, body: Any) -> bytes:
    """A POST as it goes over the wire."""
    content = json.dumps(body, ensure_ascii=False).encode()
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n"
    return head.encode() + content


@dataclass(slots=True)
class Reply:
    """What came. `seconds` from sending, `late` from when it should have been sent until it was; `whole`: the body is JSON."""

    status: int
    seconds: float
    late: float = 0.0
    retry_after: bool = False
    whole: bool = False
    kind: str = ""


@dataclass
class Load:
    """A server's address, and connections that wait to be used again."""

    url: str
    _free: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = field(default_factory=list)

    async def ask(self, sent: bytes, kind: str = "", due: float | None = None) -> Reply:
        """Send one request, and read its answer."""
        start = time.perf_counter()
        late = 0.0 if due is None else start - due
        got, line = 0, None
        try:
            while self._free and line is None:
                free = self._free.pop()
                line = None if free[0].at_eof() else free
            if line is None:
                address = urlsplit(self.url)
                line = await asyncio.open_connection(address.hostname, address.port)
            reader, writer = line
            writer.write(sent)
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            got = len(head)
            length = int(head.partition(b"content-length:")[2].partition(b"\r\n")[0])
            body = await reader.readexactly(length)
            seconds = time.perf_counter() - start
            if b"connection: close" in head:
                writer.close()
            else:
                self._free.append(line)
        except asyncio.IncompleteReadError as error:
            return Reply(HALF if got or error.partial else NONE, time.perf_counter() - start, late, kind=kind)
        except OSError:
            return Reply(HALF if got else NONE, time.perf_counter() - start, late, kind=kind)
        whole = body[:1] in b"{[" and body[-1:] in b"}]"
        return Reply(int(head.split(b" ", 2)[1]), seconds, late, b"retry-after:" in head, whole, kind)

    async def closed(self, requests: Sequence[bytes], clients: int) -> tuple[list[Reply], float]:
        """All requests by so many clients, each of which waits for its answer before it asks again; and the seconds that it took."""
        waiting, replies = iter(requests), list[Reply]()

        async def client() -> None:
            for one in waiting:
                replies.append(await self.ask(one))

        start = time.perf_counter()
        await asyncio.gather(*(client() for _ in range(clients)))
        return replies, time.perf_counter() - start

    async def steady(self, requests: Iterator[bytes], clients: int, seconds: float) -> tuple[list[Reply], float]:
        """As `closed`, for so many seconds; who is refused waits a while."""
        start = time.perf_counter()
        replies = list[Reply]()

        async def client() -> None:
            while time.perf_counter() < start + seconds:
                replies.append(await self.ask(next(requests)))
                if replies[-1].status in REFUSED:
                    await asyncio.sleep(PAUSE)

        await asyncio.gather(*(client() for _ in range(clients)))
        return replies, time.perf_counter() - start

    async def open(self, requests: Iterator[bytes], rate: float, seconds: float, seed: int = 0) -> list[Reply]:
        """So many requests a second on average, at moments that do not depend on answers (a Poisson process)."""
        draw, tasks, replies = random.Random(seed), set[asyncio.Task[None]](), list[Reply]()

        async def one(due: float) -> None:
            replies.append(await self.ask(next(requests), due=due))

        start = due = time.perf_counter()
        while (due := due + draw.expovariate(rate)) < start + seconds:
            if (wait := due - time.perf_counter()) > 0:
                await asyncio.sleep(wait)
            task = asyncio.create_task(one(due))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
        await asyncio.gather(*tasks)
        return replies

    async def close(self) -> None:
        """Let go of all connections."""
        for _, writer in self._free:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()
        self._free.clear()


def percentile(seconds: Sequence[float], share: float) -> float | None:
    """None of nothing."""
    return float(np.quantile(seconds, share)) if seconds else None
