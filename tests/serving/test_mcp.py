"""The tools of agents, asked by the SDK's own client: in memory, over stdio, and over HTTP."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from mcp import StdioServerParameters
from mcp.client import Client
from mcp.client.stdio import stdio_client

from bicross.records import Document
from bicross.serving.mcp import Owner, agent_server
from bicross.serving.queued import QueuedEngine
from tests.cli.world import process, refused

pytestmark = pytest.mark.anyio


@pytest.fixture
async def agent(engine: QueuedEngine) -> AsyncIterator[Client]:
    async with Client(agent_server(engine, Owner("manual"))) as client:
        yield client


async def call(client: Client, tool: str, **arguments: Any) -> Any:
    """What a tool gives: its one text is the JSON that is its structured content."""
    said = await client.call_tool(tool, arguments)
    assert not said.is_error, said
    (item,) = said.content
    assert item.type == "text" and json.loads(item.text) == said.structured_content
    return said.structured_content


async def refusal(client: Client, tool: str, **arguments: Any) -> str:
    said = await client.call_tool(tool, arguments)
    assert said.is_error and said.structured_content is None
    (item,) = said.content
    return str(item.text)


async def test_the_tools_are_read_only_and_say_what_they_give(agent: Client) -> None:
    tools = {tool.name: tool for tool in (await agent.list_tools()).tools}
    assert set(tools) == {"search", "fetch", "rerank", "list_collections"}
    for tool in tools.values():
        assert tool.annotations and tool.annotations.read_only_hint and not tool.annotations.destructive_hint
        assert tool.description and tool.output_schema
    assert tools["search"].input_schema["required"] == ["query"] and tools["fetch"].input_schema["required"] == ["id"]
    assert "中文" in tools["search"].description


@pytest.mark.parametrize(
    ("question", "best"), [("How do I reset the device with the power button?", "reset"), ("如何按住电源键重置设备？", "重置")]
)
async def test_search_and_fetch_have_the_exact_shapes_of_connectors(agent: Client, question: str, best: str) -> None:
    found = await call(agent, "search", query=question)
    assert set(found) == {"results"} and all(set(one) == {"id", "title", "url"} for one in found["results"])
    assert found["results"][0]["id"] == best
    read = await call(agent, "fetch", id=best)
    assert set(read) == {"id", "title", "text", "url", "metadata"}
    assert read["id"] == best and read["metadata"]["year"] == 2021
    assert {key: read[key] for key in ("id", "title", "url")} == found["results"][0]


async def test_a_document_is_at_its_own_url_or_at_an_address_of_its_collection(agent: Client, engine: QueuedEngine) -> None:
    at = {"url": "https://example.org/a"}
    await engine.put("manual", [Document("a/b c", "Zebras graze on the savanna.", meta=at), Document("d/e f", "Zebras have stripes.")])
    urls = {one["id"]: (one["title"], one["url"]) for one in (await call(agent, "search", query="zebras", k=2))["results"]}
    assert urls == {
        "a/b c": ("Zebras graze on the savanna.", "https://example.org/a"),
        "d/e f": ("Zebras have stripes.", "bicross://manual/d/e%20f"),
    }
    assert (await call(agent, "fetch", id="bicross://manual/d/e%20f"))["text"] == "Zebras have stripes."
    await engine.delete("manual", ["a/b c", "d/e f"])


async def test_an_id_that_looks_like_an_address_is_found_again(agent: Client, engine: QueuedEngine) -> None:
    await engine.put("manual", [Document("bicross://other/x", "Okapis live in forests.")])
    (found,) = (await call(agent, "search", query="okapis", k=1))["results"]
    assert (await call(agent, "fetch", id=found["id"]))["text"] == "Okapis live in forests."
    await engine.delete("manual", ["bicross://other/x"])


async def test_search_takes_a_number_and_a_filter(agent: Client) -> None:
    assert len((await call(agent, "search", query="device", k=3))["results"]) == 3
    found = (await call(agent, "search", query="device 设备", filter={"lang": "zh", "year": 2021}))["results"]
    assert {one["id"] for one in found} == {"重置", "屏幕"}


@pytest.mark.parametrize(
    ("tool", "arguments", "word"),
    [
        ("search", {"query": ""}, "empty"),
        ("search", {"query": " \n"}, "empty"),
        ("search", {}, "query"),
        ("search", {"query": "x" * 4_097}, "4096"),
        ("search", {"query": "x", "k": 0}, "greater than or equal to 1"),
        ("search", {"query": "x", "k": 51}, "less than or equal to 50"),
        ("search", {"query": "x", "filter": {"year": {"$nothing": 1}}}, "nothing"),
        ("search", {"query": "x", "collection": "other"}, "There is no collection 'other'"),
        ("fetch", {"id": "不存在"}, "There is no document '不存在'"),
        ("fetch", {"id": ""}, "There is no document ''"),
        ("fetch", {"id": "bicross://other/reset"}, "There is no collection 'other'"),
        ("rerank", {"query": "x", "documents": []}, "at least 1 item"),
        ("rerank", {"query": "x", "documents": ["y"] * 201}, "at most 200 items"),
        ("delete", {"id": "reset"}, "delete"),
    ],
)
async def test_what_cannot_be_done_is_told_in_words(agent: Client, tool: str, arguments: dict[str, Any], word: str) -> None:
    assert word in await refusal(agent, tool, **arguments)


async def test_wrong_arguments_are_named_by_place_without_their_values(agent: Client) -> None:
    said = await refusal(agent, "search", query="x", k="many", filter=["secret"])
    assert said.startswith("The arguments of search are not what they should be: k: Input should be a valid integer")
    assert "; filter: Input should be a valid dictionary" in said
    for word in ("pydantic", "searchArguments", "input_value", "many", "secret"):
        assert word not in said
    assert "documents[1]: Input should be a valid string" in await refusal(agent, "rerank", query="x", documents=["a", 1])


async def test_rerank_sorts_texts_of_both_languages_best_first(agent: Client) -> None:
    texts = ["The battery lasts nine hours.", "按住电源键十秒即可重置设备。", "Hold the power button to reset the device."]
    found = (await call(agent, "rerank", query="reset the device", documents=texts))["results"]
    assert found[0]["index"] == 2 and sorted(one["index"] for one in found) == [0, 1, 2]
    scores = [one["relevance_score"] for one in found]
    assert scores == sorted(scores, reverse=True) and all(0 <= score <= 1 for score in scores)


async def test_the_collections_are_listed(agent: Client) -> None:
    assert await call(agent, "list_collections") == {"collections": [{"name": "manual", "documents": 10, "default": True}]}


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_a_host_starts_it_and_speaks_over_stdio(collection: Path, mode: str) -> None:
    async with Client(stdio_client(host(collection)), mode=mode) as client:
        assert (await call(client, "search", query="如何重置设备？", k=1))["results"][0]["id"] == "重置"
        assert (await call(client, "fetch", id="reset"))["text"].startswith("Hold the power button")
        assert "empty" in await refusal(client, "search", query="")
        assert await call(client, "list_collections") == {"collections": [{"name": "manual", "documents": 10, "default": True}]}


async def test_over_stdio_what_libraries_print_is_not_taken_for_an_answer(collection: Path, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        "import bicross.serving.work as work\n"
        "plain = work.Work.search\n"
        "work.Work.search = lambda self, *a, **k: (print('noise'), __import__('os').system('echo more noise'), plain(self, *a, **k))[-1]\n"
    )
    with (tmp_path / "log").open("w+") as log:
        async with Client(stdio_client(host(collection, PYTHONPATH=os.pathsep.join([str(tmp_path), *sys.path])), errlog=log)) as client:
            assert (await call(client, "search", query="reset the device", k=1))["results"]
        log.seek(0)
        assert {"noise\n", "more noise\n"} <= set(log)


def test_a_folder_without_a_collection_is_refused_before_anything_is_said(tmp_path: Path) -> None:
    refused(process("mcp", tmp_path / "none"), "does not exist")


def host(collection: Path, **environment: str) -> StdioServerParameters:
    env = {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path), **environment}
    return StdioServerParameters(command=sys.executable, args=["-m", "bicross.cli.main", "mcp", str(collection)], env=env)


async def test_search_reads_no_texts_to_name_its_hits(agent: Client, engine: QueuedEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    await engine.put("manual", [Document(f"tapir {number}", "Tapirs swim well. " * 5_000) for number in range(3)])
    read, plain = [], engine.documents

    async def documents(*args: Any, **named: Any) -> list[dict[str, Any]]:
        read.append(await plain(*args, **named))
        return read[-1]

    monkeypatch.setattr(engine, "documents", documents)
    found = (await call(agent, "search", query="tapirs", k=3))["results"]
    assert {one["id"] for one in found} == {"tapir 0", "tapir 1", "tapir 2"}
    assert len(json.dumps(read)) < 2_000
    assert (await call(agent, "fetch", id="tapir 0"))["title"] == found[0]["title"]
    await engine.delete("manual", [one["id"] for one in found])
