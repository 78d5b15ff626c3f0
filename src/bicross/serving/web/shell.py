"""What every page has: the words of its language, its headers, and how an error is said in it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from fastapi import Request
from starlette.responses import HTMLResponse

from bicross.errors import BicrossError
from bicross.serving import handlers
from bicross.serving.access import ALLOWED
from bicross.serving.refusals import Refused
from bicross.serving.served import caller, served
from bicross.serving.web import assets
from bicross.serving.web.words import COOKIE, Words, chosen

YEAR = 365 * 24 * 3600  # seconds that a choice of language lasts


def words(request: Request) -> Words:
    """The words of the language that this browser is answered in."""
    return Words(chosen(request.query_params.get("lang"), request.cookies.get(COOKIE), request.headers.get("accept-language", "")))


def respond(request: Request, template: str, values: Mapping[str, Any], status: int = 200) -> HTMLResponse:
    """A page, or a part of one, with what all templates read."""
    t = words(request)
    who = caller(request)
    shared = {
        "t": t,
        "tab": "",
        "here": "",
        "names": (),
        "problem": "",
        "known": "read" in ALLOWED[who.scope],
        "may_judge": "write" in ALLOWED[who.scope],
        "session": request.app.state.keys is not None and request.app.state.sessions.token_of(request.headers.raw) is not None,
        "other_address": _address(request, t.other),
    }
    response = HTMLResponse(assets.render(template, {**shared, **values}), status, dict(assets.HEADERS))
    if request.query_params.get("lang") in ("en", "zh"):
        response.set_cookie(COOKIE, t.tongue, max_age=YEAR, samesite="lax", httponly=True, secure=request.app.state.sessions.secure)
    return response


def told(request: Request, why: Refused) -> HTMLResponse:
    """A refusal as a page; to a form that htmx sent, which stays as it was, as the line that says what became of it."""
    if request.method == "POST" and "hx-request" in request.headers:
        response = respond(request, "said.html", {"said": why.message}, why.status)
        response.headers["HX-Reswap"] = "none"
    else:
        response = respond(request, "problem.html", {"problem": why.message}, why.status)
    response.headers.update(handlers.headers_of(why))
    return response


def refused(request: Request, error: Refused | BicrossError) -> Refused:
    """What a reader is told of an error, with the status and the time to wait that a program would be told."""
    return handlers.refusal_of(error, "page", request.state.visit.request_id)


def names(request: Request) -> tuple[str, ...]:
    """The collections that the caller may know of."""
    return served(request).visible(caller(request))


def _address(request: Request, tongue: str) -> str:
    """This page in the other language; of a form that was sent, the front page."""
    path = request.scope["path"]  # `request.url` would read Host, which may be none
    if request.method != "GET" or path.startswith("/ui/"):
        return f"/?lang={tongue}"
    kept = [(name, value) for name, value in request.query_params.multi_items() if name != "lang"]
    return f"{path}?{urlencode([*kept, ('lang', tongue)])}"
