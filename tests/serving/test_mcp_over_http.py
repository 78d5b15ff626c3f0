"""The tools of agents over HTTP: the SDK's client and a real server, with keys of two tenants."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import quote

import httpx2
import pytest
from mcp import MCPError
from mcp.client import Client
from mcp.client.streamable_http import streamable_http_client

from tests.serving.doors import MINE, THEIRS, Door, door, head, tell
from tests.serving.test_mcp import call, refusal

pytestmark = pytest.mark.anyio
CALL = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "fetch", "arguments": {"id": "reset"}}}


@pytest.fixture(scope="module")
def server(made_collection: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    with door({MINE: made_collection, THEIRS: made_collection}, tmp_path_factory.mktemp("mcp")) as running:
        yield running


@asynccontextmanager
async def agent(server: Door, key: str | None, mode: str = "auto") -> AsyncIterator[Client]:
    headers = {} if key is None else {"Authorization": f"Bearer {server.keys.get(key, key)}"}
    async with (
        httpx2.AsyncClient(headers=headers, timeout=30) as http,
        Client(streamable_http_client(f"{server.base}/mcp", http_client=http), mode=mode) as client,
    ):
        yield client


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_an_agent_searches_and_fetches_in_both_languages(server: Door, mode: str) -> None:
    async with agent(server, "read", mode) as client:
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
        assert all(tool.annotations and tool.annotations.read_only_hint and tool.output_schema for tool in tools.values())
        for question, best in (("How do I reset the device?", "reset"), ("如何重置设备？", "重置")):
            found = await call(client, "search", query=question)
            assert found["results"][0] == {"id": best, "title": best.title(), "url": f"bicross://manual/{quote(best)}"}
            read = await call(client, "fetch", id=best)
            assert set(read) == {"id", "title", "text", "url", "metadata"} and read["metadata"]["year"] == 2021
        assert (await call(client, "rerank", query="reset", documents=["sound", "reset"]))["results"][0]["index"] == 1


async def test_what_cannot_be_done_is_told_in_words(server: Door) -> None:
    async with agent(server, "read") as client:
        assert "empty" in await refusal(client, "search", query="")
        assert "There is no document '不存在'" in await refusal(client, "fetch", id="不存在")
        assert "filter" in (await refusal(client, "search", query="x", filter={"year": {"$nothing": 1}})).lower()


async def test_an_agent_sees_the_collections_of_its_key_and_no_others(server: Door) -> None:
    async with agent(server, "admin") as client:
        both = await call(client, "list_collections")
        assert [(one["name"], one["default"]) for one in both["collections"]] == [(MINE, True), (THEIRS, False)]
        (found,) = (await call(client, "search", query="battery", k=1, collection=THEIRS))["results"]
        assert found["id"] == "bicross://theirs/battery" and (await call(client, "fetch", id=found["id"]))["id"] == found["id"]
    async with agent(server, "read") as client:
        assert [one["name"] for one in (await call(client, "list_collections"))["collections"]] == [MINE]
        for tool, arguments in (("search", {"query": "x", "collection": THEIRS}), ("fetch", {"id": "bicross://theirs/battery"})):
            assert "There is no collection 'theirs'" in await refusal(client, tool, **arguments)
    async with agent(server, "theirs") as client:
        assert (await call(client, "search", query="battery", k=1))["results"][0]["id"] == "battery"


@pytest.mark.parametrize("key", [None, "bcx_none", "elsewhere"])
async def test_an_agent_without_a_key_that_fits_does_not_get_in(server: Door, key: str | None) -> None:
    with pytest.raises((MCPError, BaseExceptionGroup)):
        async with agent(server, key) as client:
            await client.list_tools()


@pytest.mark.parametrize(("key", "status"), [(None, 401), ("bcx_none", 401), ("elsewhere", 403), ("read", 200)])
async def test_a_key_is_looked_at_before_the_protocol(server: Door, key: str | None, status: int) -> None:
    headers = {"Accept": "application/json, text/event-stream"}
    if key is not None:
        headers["Authorization"] = f"Bearer {server.keys.get(key, key)}"
    async with httpx2.AsyncClient() as http:
        said = await http.post(f"{server.base}/mcp", json=CALL, headers=headers)
    assert said.status_code == status and said.headers["content-type"] == "application/json"
    if status == 200:
        assert json.loads(said.json()["result"]["content"][0]["text"])["id"] == "reset"
    else:
        assert set(said.json()) == {"error", "request_id"}


@pytest.mark.parametrize("method", ["GET", "DELETE", "PUT"])
def test_there_is_no_stream_to_get_and_no_session_to_delete(server: Door, method: str) -> None:
    said = tell(server.port, head(method, "/mcp", Authorization=f"Bearer {server.keys['read']}"))
    assert said.status == 405 and said.headers["allow"] == "POST"
