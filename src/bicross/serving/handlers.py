"""What goes wrong in a route, in the words of its family: an error becomes a `Refused`, and that JSON. Nothing internal is told."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from bicross.errors import Damaged, InputError, Locked, StoreError
from bicross.serving.access import Family
from bicross.serving.refusals import Refused, Unavailable, body
from bicross.serving.served import spoken

NAMED = 3  # mistakes of a body that are named; the rest is counted
PLACE = 100  # characters of where a mistake is, which the caller has made up
KINDS = {
    400: "invalid_request",
    401: "unauthorized",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    408: "slow_body",
    413: "too_large",
    415: "unsupported_media_type",
    422: "invalid_request",
    429: "overloaded",
    503: "unavailable",
}


def refusal_of(error: Exception, family: Family, request_id: str) -> Refused:
    """What a caller is told of an error.

    `InputError` is 422, and 400 for clients of OpenAI and Cohere. `Locked` is 503: the same request may succeed soon. Another
    `StoreError` is 507, for most often the disk is full, but `Damaged` is 500; what the file is goes into the log and to nobody else.
    What nobody foresaw is 500 with the id under which the log has it.
    """
    if isinstance(error, Refused):
        return error
    if isinstance(error, RequestValidationError):
        return Refused(422, mistakes(error.errors(), error.body), "invalid_request")
    if isinstance(error, InputError):
        return Refused(400 if family in ("openai", "cohere") else 422, str(error), "invalid_request")
    if isinstance(error, Locked):
        return Unavailable("Another process is writing to the collection; try again soon.")
    if isinstance(error, StoreError) and not isinstance(error, Damaged):
        message = "The server could not write to its disk. Some of what was sent may have been stored; send it again later. "
        message += f"The operator finds why in the log under {request_id}."
        return Refused(507, message, "storage")
    if isinstance(error, HTTPException) and error.status_code < 500:
        kind = KINDS.get(error.status_code, "invalid_request")
        return Refused(error.status_code, str(error.detail), kind)
    return Refused(500, f"Something went wrong in the server. Its operator finds it in the log under {request_id}.", "internal")


def headers_of(refused: Refused) -> dict[str, str]:
    """What any answer of a refusal says in its headers: Retry-After in whole seconds where a time is known, and how to come in."""
    headers = {} if refused.retry_after is None else {"Retry-After": str(max(1, math.ceil(refused.retry_after)))}
    if refused.status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = 'Bearer realm="bicross"'
    return headers


def answer(refused: Refused, family: Family, request_id: str) -> Response:
    """The refusal as JSON."""
    text = json.dumps(body(family, refused, request_id), ensure_ascii=False)
    return Response(text.encode("utf-8", "replace"), refused.status, headers_of(refused), "application/json")


def install(app: FastAPI, page: Callable[[Request, Refused], Response]) -> None:
    """Make `app` answer with `answer`, and on the pages with `page`. What nobody foresaw passes, for the guard sees it last."""

    async def handle(request: Request, error: Exception) -> Response:
        family, request_id = spoken(request), request.state.visit.request_id
        refused = refusal_of(error, family, request_id)
        request.state.visit.refused = refused
        if refused.status >= HTTPStatus.INTERNAL_SERVER_ERROR and not isinstance(error, Refused):
            request.state.visit.error = error
        return page(request, refused) if family == "page" else answer(refused, family, request_id)

    for kind in (Refused, RequestValidationError, InputError, StoreError, HTTPException):
        app.add_exception_handler(kind, handle)


def mistakes(errors: Sequence[Any], given: object) -> str:
    """Where a body is wrong and how, without its values: they may be long, secret, or such as JSON cannot hold. `given` is the body as
    JSON, or its text where it is none.
    """
    said = [f"{_place(error, given)}: {_wrong(error, given)}" for error in errors[:NAMED]]
    more = f"; and {len(errors) - NAMED} more" if len(errors) > NAMED else ""
    return "; ".join(said) + more


def _wrong(error: Mapping[str, Any], given: object) -> str:
    """How it is wrong."""
    if error["type"] == "json_invalid" and isinstance(given, str):
        at = error["loc"][-1]
        line, column = given.count("\n", 0, at) + 1, at - given.rfind("\n", 0, at)
        return f"it is not JSON: {error['ctx']['error']} at line {line}, column {column}"
    message: str = error["msg"]
    return message.removeprefix("Value error, ")


def _place(error: Mapping[str, Any], given: object) -> str:
    """`documents[3].text` of ("body", "documents", 3, "text"). What pydantic puts between, for instance which kind of a union it took,
    is told by that it is not in the body.
    """
    where, *parts = error["loc"]
    if where != "body":
        return f"{where} {'.'.join(map(str, parts))}"[:PLACE].strip()
    place, at = "", given
    for number, part in enumerate(parts, start=1):
        if isinstance(at, list) and isinstance(part, int) and part < len(at):
            place, at = f"{place}[{part}]", at[part]
        elif isinstance(at, dict) and (part in at or (error["type"] == "missing" and number == len(parts))):
            place, at = f"{place}.{part}", at.get(part)
    return place[:PLACE].removeprefix(".") or "body"
