"""Requests that begin and do not come: uvicorn waits for a head for ever, and each such connection is one less for others. And how many
connections there may be.
"""

from __future__ import annotations

import asyncio

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

from bicross.serving.refusals import CROWDED

CONNECTIONS = 4096  # while there are more, requests are told 503; uvicorn's own limit would say it in plain text, without Retry-After
HEAD = 20.0  # seconds in which a request's head must have come: the first from the connection's begin, the next from its own begin


class PatientProtocol(H11Protocol):
    """HTTP/1.1 by h11, closed when a head has not come in `HEAD` seconds, however busily the client sends. How long it stays open between
    an answer and the next request is uvicorn's to say (`timeout_keep_alive`).
    """

    _closing: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """Begin to wait for the first head."""
        super().connection_made(transport)
        self._wait()

    def handle_events(self) -> None:
        """Wait for the rest of a head of which something came. Once a request has begun, it has its own limits (`bodies`)."""
        self.app_state = {**self.app_state, CROWDED: len(self.connections) > CONNECTIONS}
        super().handle_events()
        if _busy(self.cycle):
            self._stop()
        elif self.conn.their_state is not h11.IDLE or self.conn.trailing_data[0]:
            self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is waited for any more."""
        self._stop()
        super().connection_lost(exc)

    def _wait(self) -> None:
        if self._closing is None and not self.transport.is_closing():
            self._closing = self.loop.call_later(HEAD, self.transport.close)

    def _stop(self) -> None:
        if self._closing is not None:
            self._closing.cancel()
            self._closing = None


def _busy(cycle: RequestResponseCycle | None) -> bool:
    return cycle is not None and not cycle.response_complete
