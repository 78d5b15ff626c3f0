"""One question to an OpenAI-compatible chat endpoint (`POST /chat/completions`), over the standard library alone.

Only `model`, `messages` and `temperature` are sent: what every server of the kind understands.
"""

from __future__ import annotations

import json
import math
import threading
import urllib.error
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass, field
from http.client import HTTPException
from typing import Any
from urllib.parse import SplitResult, urlsplit, urlunsplit

from bicross.errors import InputError

KEY = "BICROSS_API_KEY"
"""The environment variable that holds the key."""
TIMEOUT = 120.0  # seconds without a byte of the answer; a model on a processor may take a minute
TRIES = 6
LONGEST_PAUSE = 60.0  # seconds, whatever the server asks for
LARGEST = 2**20  # bytes of an answer that are read

_PASSING = frozenset((408, 425, 429, 500, 502, 503, 504, 529))
_FATAL = frozenset((401, 403, 404, 405, 407))  # no other passage will fare better


class Unanswered(Exception):
    """This request has no answer; another may have one. The message says why."""


class Stopped(Exception):
    """The run ended while this request waited."""


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect would turn the POST into a GET, and carry the key to another server."""

    def redirect_request(self, *_: Any) -> None:
        return None


@dataclass(frozen=True)
class Chat:
    """An endpoint and a model.

    Args:
        url: the API's base, such as http://localhost:8000/v1, or the whole address that ends in /chat/completions.
        key: sent as a bearer token where it is not empty; no message ever shows it.
        patience: seconds before the second try; each further pause is twice as long, unless the server says how long (Retry-After).

    Raises:
        InputError: the address or the key cannot be used.
    """

    url: str
    model: str
    key: str = field(default="", repr=False)
    patience: float = 1.0
    stop: threading.Event = field(default_factory=threading.Event, repr=False)

    def __post_init__(self) -> None:
        parts = _parts(self.url)
        if parts is None or parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc or parts.fragment:
            raise InputError(
                f"--endpoint is not an address that can be asked; expected http(s)://host/v1, without name or key. The key goes into {KEY}."
            )
        if not self.model.strip():
            raise InputError("No model is named; name one that the endpoint serves with --model.")
        if not (self.key.isascii() and self.key.isprintable()) or " " in self.key:
            raise InputError(f"The key in {KEY} holds a space, a line end or another character that no key has. Set it again.")

    @property
    def shown(self) -> str:
        """The address without its query, which may hold a secret."""
        return urlunsplit(urlsplit(self._address())._replace(query=""))

    def ask(self, messages: Sequence[dict[str, str]]) -> str:
        """The content of the answer. Tried up to `TRIES` times where the server is busy, fails or cannot be reached.

        Raises:
            Unanswered: no try had an answer, the server refused these messages, or what it sent is no chat completion.
            InputError: the key, the address or the model is not accepted.
            Stopped: `stop` was set during a pause.
        """
        body = json.dumps({"model": self.model, "messages": list(messages), "temperature": 0}).encode()
        reason = ""
        for number in range(TRIES):
            if self.stop.is_set():
                raise Stopped
            try:
                return _content(self._post(body))
            except urllib.error.HTTPError as error:
                with error:
                    reason = self._reason(error)
                if error.code in _FATAL or 300 <= error.code < 400:
                    raise InputError(f"{reason}. Check --endpoint, --model and the key in {KEY}, and run again.") from error
                if error.code not in _PASSING:
                    raise Unanswered(reason) from error
                pause = _asked_pause(error.headers.get("Retry-After"))
            except (OSError, HTTPException) as error:  # unreachable, reset, timed out, or cut short
                reason, pause = f"{self.shown} cannot be reached ({getattr(error, 'reason', error) or type(error).__name__})", None
            wait = self.patience * 2.0**number if pause is None else pause
            if number + 1 < TRIES and self.stop.wait(min(wait, LONGEST_PAUSE)):
                raise Stopped
        raise Unanswered(f"{reason}, {TRIES} times")

    def _address(self) -> str:
        parts = urlsplit(self.url)
        path = parts.path.rstrip("/")
        return urlunsplit(parts._replace(path=path if path.endswith("/chat/completions") else f"{path}/chat/completions"))

    def _post(self, body: bytes) -> bytes:
        headers = {"Content-Type": "application/json", "User-Agent": "bicross"} | (
            {"Authorization": f"Bearer {self.key}"} if self.key else {}
        )
        request = urllib.request.Request(self._address(), body, headers, method="POST")  # noqa: S310 - the scheme is http or https, see above
        with urllib.request.build_opener(_NoRedirect).open(request, timeout=TIMEOUT) as answer:
            found: bytes = answer.read(LARGEST)
        return found

    def _reason(self, error: urllib.error.HTTPError) -> str:
        """What the server said, in short; some servers repeat the key."""
        try:
            said = " ".join(error.read(4096).decode(errors="replace").split())
        except (OSError, HTTPException):
            said = ""
        said = said.replace(self.key, "***") if self.key else said
        return f"{self.shown} answered {error.code} {error.reason}" + (f": {said[:200]}" if said else "")


def _parts(url: str) -> SplitResult | None:
    if not (url.isascii() and url.isprintable()) or " " in url:
        return None
    try:
        parts = urlsplit(url)
        _ = parts.port  # raises where it is no number
    except ValueError:
        return None
    return parts


def _asked_pause(value: str | None) -> float | None:
    """Seconds that the server asks to wait, where it says seconds."""
    try:
        seconds = float(value or "")
    except ValueError:
        return None
    return seconds if math.isfinite(seconds) and seconds >= 0 else None


def _content(answer: bytes) -> str:
    try:
        found: Any = json.loads(answer)["choices"][0]["message"]["content"]
    except (ValueError, RecursionError, LookupError, TypeError) as error:
        raise Unanswered("the answer is no chat completion: expected choices[0].message.content") from error
    if not isinstance(found, str):
        raise Unanswered("the answer has no text: choices[0].message.content is not a string")
    return found
