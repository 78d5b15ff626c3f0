"""Why a request is not answered, and how each family of clients is told so. Every error is JSON, 404 and 405 too."""

from __future__ import annotations

from typing import Any

from bicross.serving.access import Family


class Refused(Exception):
    """A request that is not answered. `retry_after` is in seconds; `kind` is a word that programs may read, such as "overloaded"."""

    def __init__(self, status: int, message: str, kind: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.status, self.message, self.kind, self.retry_after = status, message, kind, retry_after


class Overloaded(Refused):
    """More work waits than can be done in time."""

    def __init__(self, retry_after: float) -> None:
        super().__init__(429, f"Too much work is waiting; try again in {retry_after:.0f} s.", "overloaded", retry_after)


class Unavailable(Refused):
    """The models are loading, the server is ending, or the worker died; the same request may succeed soon."""

    def __init__(self, message: str, retry_after: float = 1.0) -> None:
        super().__init__(503, message, "unavailable", retry_after)


class Late(Refused):
    """The deadline passed before the work was done; nothing of it is computed any more."""

    def __init__(self) -> None:
        super().__init__(504, "The deadline passed before an answer was ready.", "deadline_exceeded")


TEI_TYPES = {429: "Overloaded", 503: "Unhealthy", 422: "Validation", 400: "Validation", 413: "Validation", 424: "Backend"}
CROWDED = "crowded"
"""In the state of a request: whether there are so many connections that it is not served."""
EMPTY = "empty"
"""The kind of a refusal for want of a text, which TEI tells apart."""


def body(family: Family, refused: Refused, request_id: str) -> dict[str, Any]:
    """The error's JSON in the words of a family: OpenAI's `error`, TEI's `error` and `error_type`, Cohere's `message`."""
    if family == "openai":
        kind = "server_error" if refused.status >= 500 else "rate_limit_error" if refused.status == 429 else "invalid_request_error"
        return {"error": {"message": refused.message, "type": kind, "param": None, "code": refused.kind}}
    if family in ("tei", "sagemaker"):
        kind = "Empty" if refused.kind == EMPTY else TEI_TYPES.get(refused.status, "Backend" if refused.status >= 500 else "Validation")
        return {"error": refused.message, "error_type": kind}
    if family == "cohere":
        return {"message": refused.message, "id": request_id, "detail": refused.message}
    return {"error": {"kind": refused.kind, "message": refused.message}, "request_id": request_id}
