"""The page about a collection: what it holds, what answers, runs of `tune`, reports."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from starlette.responses import Response

from bicross.errors import BicrossError
from bicross.serving.refusals import Refused, Unavailable
from bicross.serving.served import caller, served
from bicross.serving.web import assets
from bicross.serving.web.shell import names, refused, respond, told, words
from bicross.serving.web.state import report_bytes, state_of

router = APIRouter(include_in_schema=False)


@router.get("/collection")
async def collection(request: Request) -> Response:
    """The whole page."""
    return await _answer(request, "collection.html")


@router.get("/ui/state")
async def state(request: Request) -> Response:
    """What of it changes by itself."""
    return await _answer(request, "state.html")


async def _answer(request: Request, template: str) -> Response:
    parts = served(request)
    try:
        name = parts.choose(caller(request), request.query_params.get("c") or None)
    except Refused as error:
        return told(request, error)
    found: dict[str, Any] = {"names": names(request), "here": name, "tab": "collection", "state": None, "facts": None}
    try:
        found["state"] = await run_in_threadpool(state_of, parts.collections[name])
        found["facts"] = await parts.engine.describe(name)
    except Unavailable:
        found["problem"] = words(request)("not_ready")
    except (Refused, BicrossError) as error:
        found["problem"] = refused(request, error).message
    return respond(request, template, found)


@router.get("/collection/reports/{name}")
async def report(request: Request, name: str) -> Response:
    """A report as it was written, in a sandbox: it may show its own style and nothing else."""
    parts = served(request)
    try:
        chosen = parts.choose(caller(request), request.query_params.get("c") or None)
    except Refused as error:
        return told(request, error)
    content = await run_in_threadpool(report_bytes, parts.collections[chosen], name)
    if content is None:
        return respond(request, "problem.html", {"problem": f"There is no report {name[:80]!r}."}, 404)
    headers = {**assets.HEADERS, "Content-Security-Policy": assets.SANDBOX}
    return Response(content, headers=headers, media_type="text/html; charset=utf-8")
