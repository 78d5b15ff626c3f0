from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from bicross.errors import Damaged, InputError, Locked, StoreError
from bicross.serving import handlers, keys, sessions
from bicross.serving.access import Family
from bicross.serving.app import create_app
from bicross.serving.bodies import Bodies
from bicross.serving.guard import Guard
from bicross.serving.keys import Keys
from bicross.serving.refusals import Overloaded, Refused
from bicross.serving.served import Caller, Served
from bicross.serving.sessions import Sessions
from bicross.serving.web import shell
from bicross.settings import ServeSettings
from tests.serving.doors import MINE, THEIRS, Door, door, head, tell

HERE = "http://127.0.0.1"


@pytest.fixture(scope="module")
def served(made_collection: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    with door({MINE: made_collection, THEIRS: made_collection}, tmp_path_factory.mktemp("guard")) as running:
        yield running


@pytest.fixture(scope="module")
def unguarded(made_collection: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    with door({MINE: made_collection}, tmp_path_factory.mktemp("guard"), guarded=False) as running:
        yield running


class Idle:
    """An engine that is not asked."""

    ready = True


def parts(settings: ServeSettings = ServeSettings()) -> Served:  # noqa: B008 - it is frozen
    return Served(Idle(), {MINE: Path(MINE)}, settings)  # type: ignore[arg-type]  # as above


def little(file: Path | None = None, bodies: Bodies | None = None, settings: ServeSettings = ServeSettings()) -> FastAPI:  # noqa: B008
    """The guard and the handlers before routes of this test, at paths of the table."""
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    held = Bodies() if bodies is None else bodies
    app.state.sessions = Sessions()
    app.state.keys = file and Keys(file)
    app.add_middleware(Guard, parts=parts(settings), keys=app.state.keys, sessions=app.state.sessions, bodies=held)
    handlers.install(app, shell.told)
    return app


SAYS_JSON = {"Content-Type": "application/json"}


def asked(app: FastAPI, method: str, path: str, **more: Any) -> httpx.Response:
    async def ask() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=HERE) as client:
            return await client.request(method, path, **more)

    return asyncio.run(ask())


def test_a_request_id_is_given_back_or_made(served: Door) -> None:
    assert (
        tell(served.port, head("GET", "/livez", X_Request_Id="trace-1/é".encode("ascii", "ignore").decode())).headers["x-request-id"]
        == "trace-1/"
    )
    for strange in ("a b", "x" * 65, '"\x01"', ""):
        made = asked(little(), "GET", "/livez", headers={"X-Request-Id": strange}).headers["x-request-id"]
        assert len(made) == 16 and set(made) <= set("0123456789abcdef")


@pytest.mark.parametrize(("path", "status"), [("/livez", 200), ("/metrics", 401), ("/nothing", 401), ("/", 303)])
def test_every_answer_has_the_headers_that_browsers_obey(served: Door, path: str, status: int) -> None:
    reply = tell(served.port, head("GET", path))
    assert reply.status == status
    assert reply.headers["x-content-type-options"] == "nosniff"
    assert "frame-ancestors 'none'" in reply.headers["content-security-policy"]
    assert reply.headers["cache-control"] == "no-store"
    assert "server" not in reply.headers


@pytest.mark.parametrize("scheme", ["Bearer ", "bearer ", "BEARER  "])
def test_a_key_comes_in_either_header(served: Door, scheme: str) -> None:
    key = served.keys["admin"]
    assert tell(served.port, head("GET", "/metrics", Authorization=scheme + key)).status == 200
    assert tell(served.port, head("GET", "/metrics", X_API_Key=key)).status == 200
    assert tell(served.port, head("GET", "/metrics", Authorization="Basic " + key)).status == 401
    assert tell(served.port, head("GET", f"/metrics?key={key}&api_key={key}")).status == 401


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost:8080", "[::1]:9", "127.0.0.2", "LOCALHOST"])
def test_a_server_without_keys_answers_to_this_machines_names(unguarded: Door, host: str) -> None:
    assert tell(unguarded.port, head("GET", "/v1/models").replace(b"127.0.0.1", host.encode())).status == 200


@pytest.mark.parametrize(
    "host", ["rebound.example", "rebound.example:80", "127.0.0.1.example", "10.0.0.1", "[::1", "", "localhost@a.example"]
)
def test_a_server_without_keys_answers_to_no_other_name(unguarded: Door, host: str) -> None:
    assert tell(unguarded.port, head("GET", "/v1/models").replace(b"127.0.0.1", host.encode())).status in (400, 403)


CLOSED = ServeSettings(host="0.0.0.0", closed_network=True)


@pytest.mark.parametrize(
    "host", ["10.0.0.7:8080", "[fd00::1]:8080", "localhost", "bicross:8080", "search.ns.svc.cluster.local", "model.aws.local:8080", "OWN"]
)
def test_a_closed_network_may_use_addresses_and_names_that_no_stranger_can_have(host: str) -> None:
    own = socket.gethostname() if host == "OWN" else host
    assert asked(little(settings=CLOSED), "GET", "/livez", headers={"Host": own}).status_code == 404  # of no route: it was let in
    named = CLOSED.model_copy(update={"host": "Search.corp.example"})
    assert asked(little(settings=named), "GET", "/livez", headers={"Host": "search.corp.example"}).status_code == 404


@pytest.mark.parametrize("host", ["rebound.example", "rebound.example.:80", "10.0.0.7.example", "local.example", "[::1", "", "a@b.example"])
def test_a_page_cannot_reach_into_a_closed_network_under_a_name_of_its_own(host: str) -> None:
    reply = asked(little(settings=CLOSED), "GET", "/livez", headers={"Host": host})
    assert reply.status_code == 403 and "names without a dot" in reply.json()["error"]["message"]


def test_with_keys_any_name_will_do(tmp_path: Path) -> None:
    keys.create(tmp_path / "keys", "read", MINE)
    app = little(tmp_path / "keys", settings=CLOSED)
    assert asked(app, "GET", "/livez", headers={"Host": "search.example.com"}).status_code == 404


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://other.example"},
        {"Origin": "null"},
        {"Origin": "http://[::1"},
        {"Origin": "http://127.0.0.1:1"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site", "Origin": "http://127.0.0.1"},
    ],
)
def test_what_another_page_would_change_is_refused(unguarded: Door, headers: dict[str, str]) -> None:
    reply = tell(unguarded.port, head("POST", "/v1/documents/delete", Content_Length="2", **headers) + b"{}")
    assert reply.status == 403 and "another web page" in reply.json()["error"]["message"]


@pytest.mark.parametrize("headers", [{"Origin": HERE}, {"Sec-Fetch-Site": "same-origin", "Origin": "null"}, {"Sec-Fetch-Site": "none"}, {}])
def test_what_its_own_pages_and_programs_ask_is_let_in(unguarded: Door, headers: dict[str, str]) -> None:
    assert (
        tell(unguarded.port, head("POST", "/embed", Content_Length="2", Content_Type="application/json", **headers) + b"{}").status == 422
    )


def test_a_head_is_answered_as_a_get_without_its_body(served: Door) -> None:
    asks = head("HEAD", "/livez") + head("GET", "/readyz", X_Request_Id="next")
    reply = tell(served.port, asks)
    assert reply.status == 200 and reply.headers["content-length"] == "18"
    assert reply.body.startswith(b"HTTP/1.1 200")


def test_the_body_arrives_as_it_was_sent(tmp_path: Path) -> None:
    app, held = little(bodies=(bodies := Bodies())), []

    @app.post("/v1/search")
    async def echo(request: Request) -> dict[str, str]:
        held.append(bodies.held)
        return {"said": (await request.body()).decode()}

    assert asked(app, "POST", "/v1/search", content="问题 " * 1000, headers=SAYS_JSON).json() == {"said": "问题 " * 1000}
    assert held == [7000] and bodies.held == 0


def test_more_bodies_than_memory_is_for_are_told_to_come_back() -> None:
    app = little(bodies=(bodies := Bodies(longest_held=100)))
    reply = asked(app, "POST", "/v1/search", content=b"x" * 101, headers=SAYS_JSON)
    assert (reply.status_code, reply.headers["retry-after"]) == (429, "1")
    assert bodies.held == 0


def test_what_nobody_foresaw_is_told_by_its_id_alone() -> None:
    app = little()

    @app.get("/v1/models")
    async def broken() -> None:
        raise KeyError("a secret of the server")

    reply = asked(app, "GET", "/v1/models", headers={"X-Request-Id": "r-1"})
    assert reply.status_code == 500 and "r-1" in reply.json()["error"]["message"]
    assert "secret" not in reply.text and "KeyError" not in reply.text
    assert reply.headers["x-content-type-options"] == "nosniff"


def test_work_for_a_client_that_went_away_is_cancelled() -> None:
    async def run() -> tuple[bool, int, list[Any]]:
        app, began, cancelled = little(bodies=(bodies := Bodies())), asyncio.Event(), []

        @app.post("/v1/search")
        async def long() -> None:
            began.set()
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                cancelled.append(True)
                raise

        messages = [{"type": "http.request", "body": b"{}", "more_body": False}]
        sent: list[Any] = []

        async def receive() -> Any:
            if messages:
                return messages.pop()
            await began.wait()
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            sent.append(message)

        headers = [(b"host", b"localhost"), (b"content-type", b"application/json")]
        scope = {"type": "http", "method": "POST", "path": "/v1/search", "query_string": b"", "headers": headers}
        await asyncio.wait_for(app({**scope, "client": ("127.0.0.1", 1), "app": app}, receive, send), 20)
        return bool(cancelled), bodies.held, sent

    assert asyncio.run(run()) == (True, 0, [])


def test_websockets_are_closed() -> None:
    async def run() -> list[Any]:
        sent: list[Any] = []

        async def receive() -> Any:
            return {"type": "websocket.connect"}

        async def send(message: Any) -> None:
            sent.append(message)

        await little()({"type": "websocket", "path": "/v1/search", "headers": [], "query_string": b""}, receive, send)
        return sent

    assert asyncio.run(run()) == [{"type": "websocket.close", "code": 1008}]


def test_a_session_opens_pages_and_nothing_else_and_ends_with_its_key(tmp_path: Path) -> None:
    secret, key = keys.create(tmp_path / "keys", "read", MINE)
    app = little(tmp_path / "keys")

    @app.get("/")
    @app.get("/v1/models")
    async def who(request: Request) -> dict[str, str]:
        return {"key": request.state.caller.key}

    token = app.state.sessions.open(app.state.keys.find(secret))
    jar = {"Cookie": f"theme=dark; {sessions.COOKIE}={token}"}
    assert asked(app, "GET", "/", headers=jar).json() == {"key": key.id}
    assert asked(app, "GET", "/v1/models", headers=jar).status_code == 401
    assert asked(app, "GET", "/", headers={"Cookie": f"{sessions.COOKIE}=x{token}"}).headers["location"] == "/login"
    assert asked(app, "GET", "/", headers={"HX-Request": "true"}).headers["hx-redirect"] == "/login"
    keys.revoke(tmp_path / "keys", key.id)
    assert asked(app, "GET", "/", headers=jar).status_code == 303


def test_sessions_end_in_time_and_are_so_many_at_most() -> None:
    now = [0.0]
    open_ = Sessions(clock=lambda: now[0])
    who = Caller("id", "read", MINE)
    token = open_.open(who)
    now[0] = sessions.LASTS - 1.0
    assert open_.find(token) == who
    now[0] += 1.0
    assert open_.find(token) is None
    tokens = [open_.open(who) for _ in range(sessions.MOST + 1)]
    assert open_.find(tokens[0]) is None and open_.find(tokens[1]) == who
    open_.close(tokens[1])
    assert open_.find(tokens[1]) is None


def test_the_cookie_is_for_this_site_and_for_no_script() -> None:
    assert {"bicross_session=t", "HttpOnly", "SameSite=Strict", "Path=/"} <= set(Sessions().cookie("t").split("; "))
    assert "Secure" not in Sessions().cookie("t")


def test_behind_https_cookies_are_sent_over_https_alone_and_no_other_host_can_set_the_sessions(tmp_path: Path) -> None:
    secret, _ = keys.create(tmp_path / "keys", "read", MINE)
    app = create_app(parts(ServeSettings(keys=tmp_path / "keys", behind_https=True)))
    entered = asked(app, "POST", "/login?lang=zh", content=f"key={secret}")
    pair, *flags = entered.headers["set-cookie"].split("; ")
    assert pair.startswith("__Host-bicross_session=") and {"Secure", "HttpOnly", "SameSite=Strict", "Path=/"} <= set(flags)
    assert "Domain" not in entered.headers["set-cookie"]
    assert "; secure" in asked(app, "GET", "/login?lang=zh").headers["set-cookie"].lower()
    token = pair.partition("=")[2]
    assert app.state.sessions.find(token) is not None
    for unsafe, status in ((f"bicross_session={token}", 303), (pair, 200)):
        assert asked(app, "GET", "/", headers={"Cookie": unsafe}).status_code == status
    left = asked(app, "POST", "/logout", headers={"Cookie": pair}).headers["set-cookie"]
    assert left.startswith("__Host-bicross_session=; ") and "Max-Age=0" in left and "Secure" in left
    assert app.state.sessions.find(token) is None


FAMILIES: tuple[Family, ...] = ("native", "cohere", "openai", "tei", "sagemaker", "page")
WRONG = RequestValidationError(
    [{"type": "float", "loc": ("body", "documents", index, "text"), "msg": "Input is wrong", "input": float("nan")} for index in range(5)],
    body={"documents": [{"text": float("nan")}] * 5},
)


@pytest.mark.parametrize(
    ("error", "status", "kind"),
    [
        (Refused(409, "no", "conflict"), 409, "conflict"),
        (WRONG, 422, "invalid_request"),
        (InputError("The question is empty."), 422, "invalid_request"),
        (Locked("/srv/manual is being written by process 7"), 503, "unavailable"),
        (StoreError("Cannot write /srv/manual: No space left"), 507, "storage"),
        (Damaged("/srv/manual/gen-1 is not the file"), 500, "internal"),
        (HTTPException(404, "Not Found"), 404, "not_found"),
        (HTTPException(502, "/srv"), 500, "internal"),
        (RuntimeError("/srv"), 500, "internal"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else None,
)
@pytest.mark.parametrize("family", FAMILIES)
def test_an_error_is_told_in_the_words_of_the_family(error: Exception, status: int, kind: str, family: Family) -> None:
    refused = handlers.refusal_of(error, family, "r-1")
    wanted = 400 if isinstance(error, InputError) and family in ("openai", "cohere") else status
    assert (refused.status, refused.kind) == (wanted, kind)
    reply = handlers.answer(refused, family, "r-1")
    assert reply.status_code == wanted and ("retry-after" in reply.headers) == (wanted == 503)
    assert b"/srv" not in reply.body and b"NaN" not in reply.body
    told = json.loads(reply.body)
    assert {"native": "request_id", "cohere": "id", "tei": "error_type", "sagemaker": "error_type"}.get(family, "error") in told


def test_the_mistakes_of_a_body_are_named_by_place_and_counted() -> None:
    said = handlers.refusal_of(WRONG, "native", "").message
    assert said.startswith("documents[0].text: Input is wrong; documents[1].text: ") and said.endswith("; and 2 more")


@pytest.mark.parametrize(("seconds", "said"), [(0.01, "1"), (1.0, "1"), (1.2, "2")])
def test_when_to_come_back_is_said_in_whole_seconds(seconds: float, said: str) -> None:
    assert handlers.answer(Overloaded(seconds), "native", "").headers["retry-after"] == said
