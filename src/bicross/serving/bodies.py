"""Reading a request's body within limits of length, time and memory; and throwing one away."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from starlette.types import Message, Receive

from bicross.serving.access import Access
from bicross.serving.refusals import Overloaded, Refused

LONGEST_HELD = 256 * 1024 * 1024  # bytes of bodies that are in memory at once
PATIENCE = 30.0  # seconds that a body may take to arrive
FAREWELL = 2.0  # seconds that a body which nobody reads may go on
DIGITS = 15  # of a Content-Length that is worth reading
OTHERS_READ = ("page", "sagemaker")  # families whose bodies are not JSON alone


class Gone(Exception):
    """The client went away before the answer."""


def announced(headers: Mapping[bytes, bytes]) -> bool:
    """Whether a body follows the headers."""
    return b"transfer-encoding" in headers or headers.get(b"content-length", b"0").strip() not in (b"", b"0")


def check(headers: Mapping[bytes, bytes], access: Access) -> None:
    """Refuse what the headers say already.

    Raises:
        Refused: 415, the body is compressed, so that its length tells nothing, or no JSON where the route reads nothing else; 413, it is
            longer than the route takes; 400, its length is none.
    """
    coding = headers.get(b"content-encoding", b"identity").strip().lower()
    if coding not in (b"", b"identity"):
        raise Refused(415, "Compressed bodies are not read; send it without Content-Encoding.", "unsupported_media_type")
    length = headers.get(b"content-length", b"0").strip() or b"0"
    if not length.isdigit():
        raise Refused(400, "Content-Length is not a number.", "invalid_request")
    if len(length) > DIGITS or int(length) > access.longest:
        raise _too_long(access.longest)
    kind = headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
    if access.longest and access.family not in OTHERS_READ and kind != b"application/json":
        raise Refused(415, "The body must be JSON, and say so: send Content-Type: application/json.", "unsupported_media_type")


class Bodies:
    """All bodies that are in memory, so that many long ones at once cannot fill it."""

    def __init__(self, patience: float = PATIENCE, longest_held: int = LONGEST_HELD) -> None:
        self._patience, self._longest_held = patience, longest_held
        self.held = 0

    async def read(self, receive: Receive, longest: int) -> bytes:
        """The body, of at most `longest` bytes. Its length is held until `release`.

        Raises:
            Refused: 413, it is longer; 408, it came too slowly. Overloaded: memory is full of bodies. Gone: the client went away.
        """
        parts: list[bytes] = []
        size = 0
        try:
            async with asyncio.timeout(self._patience):
                while True:
                    message = await receive()
                    part = _part(message)
                    size += len(part)
                    self.held += len(part)
                    parts.append(part)
                    if size > longest:
                        raise _too_long(longest)
                    if self.held > self._longest_held:
                        raise Overloaded(1.0)
                    if not message.get("more_body", False):
                        return b"".join(parts)
        except TimeoutError as error:
            self.held -= size
            raise Refused(408, f"The body did not arrive within {self._patience:g} s.", "slow_body") from error
        except BaseException:
            self.held -= size
            raise

    def release(self, body: bytes) -> None:
        """The body is not needed any more."""
        self.held -= len(body)


async def throw_away(receive: Receive) -> None:
    """Read what a refused client still sends, for a short while: if the connection ended at once, its system might never show the
    refusal to it."""
    try:
        async with asyncio.timeout(FAREWELL):
            while (message := await receive())["type"] == "http.request" and message.get("more_body", False):
                pass
    except TimeoutError:
        pass


def _part(message: Message) -> bytes:
    if message["type"] == "http.disconnect":
        raise Gone
    part: bytes = message.get("body", b"")
    return part


def _too_long(longest: int) -> Refused:
    said = f"The body is longer than {longest} bytes; send less at once." if longest else "This route takes no body."
    return Refused(413, said, "too_large")
