"""Connections that ask nothing: uvicorn waits for a request's head for ever, and each such connection is one less for others."""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

HEAD = 20.0  # seconds in which a request's head must have come, from the connection's begin or from the answer before


class PatientProtocol(H11Protocol):
    """HTTP/1.1 by h11, closed when no request begins in `HEAD` seconds, however busily the client sends."""

    _closing: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """Begin to wait for the first head."""
        super().connection_made(transport)
        self._wait()

    def handle_events(self) -> None:
        """Once a request has begun, it has its own limits (`bodies`)."""
        super().handle_events()
        if self._closing is not None and _busy(self.cycle):
            self._closing.cancel()
            self._closing = None

    def on_response_complete(self) -> None:
        """Begin to wait for the next head."""
        super().on_response_complete()
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is waited for any more."""
        if self._closing is not None:
            self._closing.cancel()
            self._closing = None
        super().connection_lost(exc)

    def _wait(self) -> None:
        if self._closing is None and not self.transport.is_closing() and not _busy(self.cycle):
            self._closing = self.loop.call_later(HEAD, self.transport.close)


def _busy(cycle: RequestResponseCycle | None) -> bool:
    return cycle is not None and not cycle.response_complete
