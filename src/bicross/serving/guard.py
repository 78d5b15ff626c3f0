"""The door of the server: who may enter is decided here, for every route, before a byte of the body is read.

In this order: the Host and Origin of browsers; the route, in `access.TABLE`; the key, and what it may do; what the headers say of the body;
the body itself, within limits; then the application, which ends early if the client goes away.
"""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bicross.serving import handlers, logs, metrics, origins
from bicross.serving.access import ALLOWED, Access, Family, find
from bicross.serving.bodies import Bodies, Gone, announced, check, throw_away
from bicross.serving.keys import Keys
from bicross.serving.refusals import CROWDED, Refused, Unavailable
from bicross.serving.served import Caller, Served
from bicross.serving.sessions import Sessions
from bicross.serving.web import shell

Headers = Mapping[bytes, bytes]
REQUEST_ID = re.compile(rb"[!-~]{1,64}")
EVERYONE = Caller("", "admin")  # where no keys are configured
STRANGER = Caller("", "open", "")  # "" is no collection's name, so that a stranger sees none
NOWHERE = Access("", "unknown", "open", "native")
LOGIN = "/login"
LONGEST_HEAD = 64 * 1024  # bytes: a question of a page stands in its address, nine bytes for each Chinese character
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",  # with no-referrer, browsers would hide where the pages' own forms come from
    "Cross-Origin-Resource-Policy": "same-origin",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",  # pages set their own
    "Cache-Control": "no-store",
}


class Guard:
    """Everything that comes in passes through here, and everything that goes out."""

    def __init__(self, app: ASGIApp, parts: Served, keys: Keys | None, sessions: Sessions, bodies: Bodies) -> None:
        """`keys` None: all callers are admins of all collections."""
        self._app, self._parts, self._keys, self._sessions, self._bodies = app, parts, keys, sessions, bodies

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1008})
        elif scope["type"] != "http":
            await self._app(scope, receive, send)
        else:
            await self._visit(scope, receive, send)

    async def _visit(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers: Headers = dict(scope["headers"])
        visit = logs.Visit(_request_id(headers), scope["method"], scope["client"][0] if scope.get("client") else "")
        state = scope.setdefault("state", {})
        state.update(visit=visit, access=NOWHERE, caller=STRANGER)
        out = _outgoing(send, visit)
        try:
            try:
                body = await self._admit(scope, headers, receive)
            except Refused as refused:
                await _refuse(refused, scope, headers, receive, out)
                return
            try:
                await self._run(scope, body, receive, out)
            finally:
                self._bodies.release(body)
        except Gone:
            pass
        except Exception as error:  # the last place where one can become an answer
            visit.error = error
            if visit.started:
                raise
            family = state.get("family") or state["access"].family
            visit.refused = handlers.refusal_of(error, family, visit.request_id)
            await _told(visit.refused, family, scope)(scope, receive, out)
        finally:
            logs.write(visit)
            metrics.answered(visit.route, visit.status, visit.seconds, None if visit.refused is None else visit.refused.kind)

    async def _admit(self, scope: Scope, headers: Headers, receive: Receive) -> bytes:
        """Decide whether a request is served at all; gives its body."""
        state, visit = scope["state"], scope["state"]["visit"]
        method = scope["method"]
        access, methods = find(method, scope["path"])
        state["access"] = place = access or (find(methods[0], scope["path"])[0] if methods else None) or NOWHERE
        visit.route = place.path
        if state.get(CROWDED):
            raise Unavailable("Too many connections are open; try again soon.")
        if _length(scope) > LONGEST_HEAD:
            raise Refused(431, f"The address and headers are longer than {LONGEST_HEAD} bytes.", "too_large")
        if self._keys is None:
            origins.check_host(headers, self._parts.settings.host)
        origins.check_origin(method, headers)
        caller = self._who(place, headers)
        if caller is None and (access is None or access.scope != "open"):
            raise Refused(401, "A valid API key is needed: Authorization: Bearer KEY.", "unauthorized")
        if access is None:
            state["allow"] = ", ".join(sorted(set(methods)))
            raise Refused(405, f"This path takes {state['allow']}.", "method_not_allowed") if methods else _unknown()
        state["caller"] = caller = caller or STRANGER
        visit.key, visit.collection = caller.key, caller.collection or ""
        if access.scope not in ALLOWED[caller.scope]:
            raise Refused(403, f"This key may {caller.scope}; the route needs {access.scope}.", "forbidden")
        if access.scope != "open" and not self._parts.visible(caller):
            raise Refused(403, "The collection of this key is not served here.", "forbidden")
        check(headers, access)
        return await self._bodies.read(receive, access.longest)

    def _who(self, access: Access, headers: Headers) -> Caller | None:
        """The holder of the key, or on the pages of the session."""
        if self._keys is None:
            return EVERYONE
        presented = _presented(headers)
        if presented is not None:
            return self._keys.find(presented)
        token = self._sessions.token_of(headers.items()) if access.family == "page" else None
        found = self._sessions.find(token) if token is not None else None
        return found and self._keys.by_id(found.key)  # a revoked key's sessions end with it

    async def _run(self, scope: Scope, body: bytes, receive: Receive, send: Send) -> None:
        """Run the application with the body. If the client goes away before the answer is complete, the work is cancelled."""
        visit: logs.Visit = scope["state"]["visit"]
        messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]
        gone = asyncio.Event()

        async def replay() -> Message:
            if messages:
                return messages.pop()
            await gone.wait()
            return {"type": "http.disconnect"}

        async def watch() -> None:
            while (await receive())["type"] != "http.disconnect":
                pass
            gone.set()

        inner = {**scope, "method": "GET"} if scope["method"] == "HEAD" else scope  # the server leaves the body of a HEAD out
        work, watching = asyncio.ensure_future(self._app(inner, replay, send)), asyncio.ensure_future(watch())
        try:
            await asyncio.wait((work, watching), return_when=asyncio.FIRST_COMPLETED)
            if visit.complete:
                await asyncio.wait((work,))  # what runs behind an answer
        finally:
            work.cancel()
            watching.cancel()
            await asyncio.gather(work, watching, return_exceptions=True)
        if work.cancelled():
            raise Gone
        await work


def _outgoing(send: Send, visit: logs.Visit) -> Send:
    """`send` with the headers that every answer has, and what goes out noted."""

    async def out(message: Message) -> None:
        if message["type"] == "http.response.start":
            visit.started, visit.status = True, message["status"]
            given = list(message.get("headers", ()))
            names = {name.lower() for name, _ in given}
            missing = [(name.lower().encode(), value.encode()) for name, value in HEADERS.items() if name.lower().encode() not in names]
            message = {**message, "headers": [*given, *missing, (b"x-request-id", visit.request_id.encode())]}
        else:
            visit.sent += len(message.get("body", b""))
            visit.complete = not message.get("more_body", False)
        await send(message)

    return out


async def _refuse(refused: Refused, scope: Scope, headers: Headers, receive: Receive, send: Send) -> None:
    """Answer without having read the body. What the client still sends of it is thrown away for a short while, then the connection ends."""
    state, visit = scope["state"], scope["state"]["visit"]
    visit.refused = refused
    response = _told(refused, state["access"].family, scope)
    if refused.status == 405:
        response.headers["Allow"] = state["allow"]
    if refused.status == 401 and state["access"].family == "page":
        if b"hx-request" in headers:
            response.headers["HX-Redirect"] = LOGIN
        elif scope["method"] in origins.READING:
            response.status_code, response.headers["Location"] = 303, LOGIN
    unread = announced(headers)
    if unread or state.get(CROWDED):
        response.headers["Connection"] = "close"
    await send({"type": "http.response.start", "status": response.status_code, "headers": response.raw_headers})
    await send({"type": "http.response.body", "body": response.body, "more_body": unread})
    if unread:
        await throw_away(receive)
        await send({"type": "http.response.body", "body": b"", "more_body": False})


def _told(refused: Refused, family: Family, scope: Scope) -> Response:
    if family == "page":
        return shell.told(Request(scope), refused)
    return handlers.answer(refused, family, scope["state"]["visit"].request_id)


def _length(scope: Scope) -> int:
    return len(scope.get("raw_path", b"")) + len(scope["query_string"]) + sum(len(name) + len(value) for name, value in scope["headers"])


def _request_id(headers: Headers) -> str:
    given = headers.get(b"x-request-id", b"")
    return given.decode() if REQUEST_ID.fullmatch(given) else secrets.token_hex(8)


def _presented(headers: Headers) -> str | None:
    """The API key of a request, if it has one."""
    scheme, _, value = headers.get(b"authorization", b"").decode("latin-1").partition(" ")
    if scheme.lower() == "bearer":
        return value.strip()
    key = headers.get(b"x-api-key")
    return None if key is None else key.decode("latin-1").strip()


def _unknown() -> Refused:
    return Refused(404, "There is nothing at this path.", "not_found")
