"""Who is logged in on the pages: a random token in a cookie, and on this side in memory who that is."""

from __future__ import annotations

import hashlib
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable

from bicross.serving.served import Caller

COOKIE = "bicross_session"
LASTS = 12 * 3600  # seconds
MOST = 1000


class Sessions:
    """At most `MOST` sessions, each for `LASTS` seconds; the oldest makes room. A restart of the server ends all of them.

    `secure`: browsers reach the server over https. They then send its cookies over nothing else, and no other host can set this one.
    """

    def __init__(self, secure: bool = False, clock: Callable[[], float] = time.monotonic) -> None:
        self.secure, self._clock = secure, clock
        self._cookie = f"__Host-{COOKIE}" if secure else COOKIE
        self._open: OrderedDict[bytes, tuple[float, Caller]] = OrderedDict()  # by the hash: how long a look-up takes tells no token

    def open(self, caller: Caller) -> str:
        """A new session's token, for `cookie`."""
        token = secrets.token_urlsafe(32)
        self._open[_hash(token)] = (self._clock() + LASTS, caller)
        while len(self._open) > MOST:
            self._open.popitem(last=False)
        return token

    def find(self, token: str) -> Caller | None:
        """Whose session it is, or None if it never was or has ended."""
        found = self._open.get(_hash(token))
        if found is None:
            return None
        if found[0] <= self._clock():
            del self._open[_hash(token)]
            return None
        return found[1]

    def close(self, token: str) -> None:
        """End a session, if it is one."""
        self._open.pop(_hash(token), None)

    def cookie(self, token: str = "") -> str:
        """The Set-Cookie header that begins a session in the browser, or ends it where there is no token."""
        lasts = LASTS if token else 0
        return f"{self._cookie}={token}; Path=/; Max-Age={lasts}; HttpOnly; SameSite=Strict" + ("; Secure" if self.secure else "")

    def token_of(self, headers: Iterable[tuple[bytes, bytes]]) -> str | None:
        """The session's token among a request's headers."""
        for name, value in headers:
            if name == b"cookie":
                for part in value.decode("latin-1").split(";"):
                    label, _, token = part.strip().partition("=")
                    if label == self._cookie:
                        return token[:200]
        return None


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
