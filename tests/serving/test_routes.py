"""Every route of the real application against the table, and against everybody who may not use it."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from bicross.serving.access import TABLE, Access, find
from tests.serving.doors import MINE, THEIRS, Door, Reply, door, head, tell

GUARDED = [access for access in TABLE if access.scope != "open"]
READABLE = [access for access in GUARDED if access.scope != "read"]


@pytest.fixture(scope="module")
def served(made_collection: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    folder = tmp_path_factory.mktemp("routes")
    with door({name: Path(shutil.copytree(made_collection, folder / name)) for name in (MINE, THEIRS)}, folder) as running:
        yield running


def walk(routes: Iterable[Any]) -> Iterator[tuple[str, str | None]]:
    """Method and path of each route; method None: the route leaves the method to the table."""
    for route in routes:
        inner = getattr(route, "original_router", None)
        if inner is not None:
            yield from walk(inner.routes)
        elif route.methods is None:
            yield route.path, None
        else:
            yield from ((route.path, method) for method in route.methods if method != "HEAD")


def named(access: Access) -> str:
    return f"{access.method} {access.path}"


def path_of(access: Access, name: str = MINE) -> str:
    """A path of the route; `name` where one of a collection stands."""
    return re.sub(r"\{[^}]*\}", name, access.path)


def half(served: Door, access: Access, key: str | None, name: str = MINE) -> Reply:
    """What the server answers to headers that promise a body, and half of that."""
    given = {} if key is None else {"Authorization": f"Bearer {key}"}
    with_body = access.method == "POST"
    length = {"Content-Length": "64", "Content-Type": "application/json"} if with_body else {}
    return tell(served.port, head(access.method, path_of(access, name), **given, **length), b'{"query": "' if with_body else b"")


def test_what_the_application_answers_is_what_the_table_has(served: Door) -> None:
    found = set(walk(served.app.routes))
    left_open = {path for path, method in found if method is None}
    assert {(path, method) for path, method in found if method is not None} == {
        (access.path, access.method) for access in TABLE if access.path not in left_open
    }
    assert left_open <= {access.path for access in TABLE}


def test_no_two_routes_take_the_same_request() -> None:
    for access in TABLE:
        assert find(access.method, path_of(access, "x"))[0] == access
        assert find(access.method, access.path)[1].count(access.method) == 1


def test_what_changes_something_needs_write_and_what_tells_of_all_tenants_admin() -> None:
    assert {named(access) for access in TABLE if access.scope == "admin"} == {"GET /metrics"}
    assert {named(access) for access in TABLE if access.scope == "write"} == {
        "POST /v1/documents",
        "POST /v1/documents/delete",
        "DELETE /v1/documents/{id:path}",
        "POST /v1/feedback",
        "POST /ui/judge",
    }


def test_open_routes_tell_nothing_of_collections() -> None:
    assert {access.path for access in TABLE if access.scope == "open" and access.family != "page"} == {
        "/livez",
        "/readyz",
        "/healthz",
        "/health",
        "/ping",
        "/openapi.json",
        "/execution-parameters",
    }


@pytest.mark.parametrize("access", GUARDED, ids=named)
def test_a_stranger_is_refused_before_the_body_is_there(served: Door, access: Access) -> None:
    for key in (None, "bcx_wrong", ""):
        reply = half(served, access, key)
        if access.family == "page" and access.method == "GET":
            assert (reply.status, reply.headers["location"]) == (303, "/login")
        else:
            assert reply.status == 401
            assert reply.headers["www-authenticate"] == 'Bearer realm="bicross"'
        assert "valid API key" in reply.body.decode()


@pytest.mark.parametrize("access", READABLE, ids=named)
def test_a_key_of_too_narrow_a_scope_is_refused_before_the_body_is_there(served: Door, access: Access) -> None:
    for scope in ("read", "write") if access.scope == "admin" else ("read",):
        assert half(served, access, served.keys[scope]).status == 403


@pytest.mark.parametrize("access", GUARDED, ids=named)
def test_a_key_of_a_collection_that_is_not_served_is_refused_before_the_body_is_there(served: Door, access: Access) -> None:
    assert half(served, access, served.keys["elsewhere"]).status == 403


NAMING: tuple[tuple[str, str, dict[str, Any] | None], ...] = (
    ("POST", "/v1/search", {"question": "reset", "collection": "NAME"}),
    ("POST", "/v1/documents", {"documents": [{"id": "a", "text": "a"}], "collection": "NAME"}),
    ("POST", "/v1/documents/delete", {"ids": ["reset"], "collection": "NAME"}),
    ("GET", "/v1/documents/reset?collection=NAME", None),
    ("DELETE", "/v1/documents/reset?collection=NAME", None),
    ("GET", "/v1/collections/NAME", None),
    ("POST", "/v1/feedback", {"feedback": [{"question": "q", "doc_id": "reset", "grade": 1}], "collection": "NAME"}),
)


def asked(served: Door, key: str, method: str, path: str, body: dict[str, Any] | None = None) -> Reply:
    """What a key's holder is answered."""
    content = b"" if body is None else json.dumps(body).encode()
    headers = {"X_API_Key": served.keys[key], "X_Request_Id": "same"}
    if body is not None:
        headers |= {"Content_Type": "application/json", "Content_Length": str(len(content))}
    return tell(served.port, head(method, path, **headers) + content)


@pytest.mark.parametrize(("method", "path", "body"), NAMING, ids=lambda value: value if isinstance(value, str) else "")
def test_another_tenants_collection_is_answered_as_one_that_is_not_there(
    served: Door, method: str, path: str, body: dict[str, Any] | None
) -> None:
    def told(key: str, name: str) -> tuple[int, str]:
        named = None if body is None else {field: name if value == "NAME" else value for field, value in body.items()}
        reply = asked(served, key, method, path.replace("NAME", name), named)
        return reply.status, reply.body.decode().replace(name, "NAME")

    assert told("write", THEIRS) == told("write", "nothing") == told("theirs", MINE)
    assert told("write", THEIRS)[0] == 404


def test_every_route_that_takes_a_collections_name_is_among_them(served: Door) -> None:
    described = served.app.openapi()
    taking = set()
    for path, methods in described["paths"].items():
        for method, route in methods.items():
            bodies = [kind["schema"].get("$ref", "") for kind in route.get("requestBody", {}).get("content", {}).values()]
            fields = {name for ref in bodies if ref for name in described["components"]["schemas"][ref.split("/")[-1]]["properties"]}
            if {"collection", "name"} & (fields | {one["name"] for one in route.get("parameters", ())}):
                taking.add((method.upper(), path.replace("{id}", "{id:path}")))
    found = [find(method, path.partition("?")[0])[0] for method, path, _ in NAMING]
    assert taking == {(access.method, access.path) for access in found if access is not None}


@pytest.mark.parametrize("path", ["/?q=reset&c=NAME", "/ui/answer?q=reset&c=NAME", "/collection?c=NAME", "/ui/state?c=NAME"])
def test_on_the_pages_another_tenants_collection_is_as_one_that_is_not_there(served: Door, path: str) -> None:
    def told(name: str) -> tuple[int, str]:
        reply = asked(served, "write", "GET", path.replace("NAME", name))
        return reply.status, reply.body.decode().replace(name, "NAME")

    assert told(THEIRS) == told("nothing") and told(THEIRS)[0] == 404
    assert asked(served, "write", "GET", path.replace("NAME", MINE)).status == 200


@pytest.mark.parametrize("tool", ["search", "fetch"])
def test_to_agents_another_tenants_collection_is_as_one_that_is_not_there(served: Door, tool: str) -> None:
    def told(name: str) -> str:
        given = {"query": "reset", "collection": name} if tool == "search" else {"id": f"bicross://{name}/reset"}
        body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": tool, "arguments": given}}
        content = json.dumps(body).encode()
        headers = {"X_API_Key": served.keys["write"], "Content_Type": "application/json", "Accept": "application/json, text/event-stream"}
        reply = tell(served.port, head("POST", "/mcp", Content_Length=str(len(content)), **headers) + content)
        assert reply.status == 200
        return reply.body.decode().replace(name, "NAME")

    assert told(THEIRS) == told("nothing") and json.loads(told(THEIRS))["result"]["isError"] is True


def test_what_one_tenant_writes_no_other_sees(served: Door) -> None:
    assert asked(served, "theirs", "POST", "/v1/documents", {"documents": [{"id": "plan", "text": "zanzibar expedition"}]}).status == 200
    question = {"question": "zanzibar expedition", "k": 20}
    mine, theirs = (asked(served, key, "POST", "/v1/search", question) for key in ("write", "theirs"))
    assert mine.status == theirs.status == 200
    assert '"plan"' in theirs.body.decode() and '"plan"' not in mine.body.decode()
    assert asked(served, "theirs", "GET", "/v1/documents/plan").status == 200
    assert asked(served, "write", "GET", "/v1/documents/plan").status == 404
    asked(served, "write", "DELETE", "/v1/documents/plan")
    assert asked(served, "theirs", "GET", "/v1/documents/plan").status == 200
    assert THEIRS not in asked(served, "write", "GET", "/v1/collections").body.decode()
    assert asked(served, "admin", "GET", f"/v1/documents/plan?collection={THEIRS}").status == 200


def test_a_path_that_is_not_there_is_told_only_to_who_has_a_key(served: Door) -> None:
    for path in ("/nothing", "/livez/", "//v1/search", "/v1/Search", "/%2e%2e/metrics", "/docs"):
        assert tell(served.port, head("GET", path)).status == 401
        assert tell(served.port, head("GET", path, Authorization=f"Bearer {served.keys['read']}")).status == 404


def test_a_method_that_a_path_has_not_is_told_with_those_it_has(served: Door) -> None:
    reply = tell(served.port, head("PUT", "/v1/documents/a", X_API_Key=served.keys["read"]))
    assert (reply.status, reply.headers["allow"]) == (405, "DELETE, GET")
    wrong = tell(served.port, head("GET", "/v1/embeddings", X_API_Key=served.keys["read"]))
    assert json.loads(wrong.body)["error"]["code"] == "method_not_allowed"
