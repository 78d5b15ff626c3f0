"""What is open to all: the files of the pages, and the way in and out where the server asks for keys."""

from __future__ import annotations

from urllib.parse import parse_qs

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from bicross.serving.access import ALLOWED
from bicross.serving.sessions import Sessions
from bicross.serving.web.assets import assets
from bicross.serving.web.shell import respond

router = APIRouter(include_in_schema=False)
FOREVER = "public, max-age=31536000, immutable"


@router.get("/static/{name}")
async def static(name: str) -> Response:
    """A file by its name, which holds a hash of its content."""
    found = assets().get(name)
    if found is None:
        return Response("There is no such file.", 404, media_type="text/plain; charset=utf-8")
    return Response(found.content, headers={"Cache-Control": FOREVER, "X-Content-Type-Options": "nosniff"}, media_type=found.type)


@router.get("/login")
async def login(request: Request) -> Response:
    """The form; a server without keys needs none."""
    if request.app.state.keys is None:
        return RedirectResponse("/", 303)
    return respond(request, "login.html", {"wrong": False})


@router.post("/login")
async def enter(request: Request) -> Response:
    """Begin a session with a key that may read."""
    if request.app.state.keys is None:
        return RedirectResponse("/", 303)
    key = parse_qs((await request.body()).decode("utf-8", "replace")).get("key", [""])[0].strip()
    found = request.app.state.keys.find(key)
    if found is None or "read" not in ALLOWED[found.scope]:
        return respond(request, "login.html", {"wrong": True}, 403)
    sessions: Sessions = request.app.state.sessions
    return RedirectResponse("/", 303, {"Set-Cookie": sessions.cookie(sessions.open(found))})


@router.post("/logout")
async def leave(request: Request) -> Response:
    """End the session."""
    sessions: Sessions = request.app.state.sessions
    token = sessions.token_of(request.headers.raw)
    if token is not None:
        sessions.close(token)
    return RedirectResponse("/login", 303, {"Set-Cookie": sessions.cookie()})
