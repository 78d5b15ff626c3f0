"""Collections as tools for agents, by the Model Context Protocol: the same tools over stdio and over HTTP.

`search` and `fetch` have the shapes that ChatGPT's connectors and deep research need: one text item that holds the JSON, and the same as
structured content. Nothing here changes anything.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote, unquote

from fastapi import FastAPI
from mcp.server import MCPServer
from mcp.server.mcpserver import Context
from mcp.server.mcpserver.exceptions import ToolError, UnexpectedToolError
from mcp.server.transport_security import TransportSecuritySettings
from mcp_types import CallToolResult, InputRequiredResult, ToolAnnotations
from pydantic import Field, ValidationError
from starlette.requests import Request
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from bicross import __version__
from bicross.collection.store import Collection
from bicross.errors import BicrossError, InputError
from bicross.models.scores import best_first, relevance
from bicross.serving.engine import Searchable
from bicross.serving.handlers import mistakes, refusal_of
from bicross.serving.inprocess import InProcess
from bicross.serving.refusals import Unavailable
from bicross.serving.served import Served, caller
from bicross.serving.tool_shapes import (
    MOST_HITS,
    MOST_TEXTS,
    Fetched,
    Found,
    FoundAll,
    Listed,
    ListedAll,
    Named,
    Question,
    Reranked,
    RerankedAll,
    Text,
)
from bicross.serving.work import LONGEST_URL
from bicross.settings import SearchSettings

PATH = "/mcp"
SCHEME = "bicross://"
LONGEST_TITLE = 120  # code points
INSTRUCTIONS = (
    "Search documents by meaning and by words, in Chinese and English, then fetch those that may answer. "
    "用中文或英文提问都可以：先用 search 查找，再用 fetch 读取全文。"
)


class Owner:
    """Who asks over stdio: whoever started the process, of the one collection that it is for."""

    def __init__(self, collection: str) -> None:
        self._collection = collection

    def visible(self, context: Context) -> tuple[str, ...]:  # noqa: ARG002 - there is but one caller
        """The collections that may be asked about, the default first."""
        return (self._collection,)

    def choose(self, context: Context, named: str | None) -> str:  # noqa: ARG002 - as above
        """The collection that is asked about. Raises InputError or Refused where there is no such one."""
        if named not in (None, self._collection):
            raise InputError(f"There is no collection {named!r}; there is {self._collection!r}.")
        return self._collection

    def words(self, context: Context, error: Exception) -> str | None:  # noqa: ARG002 - as above
        """What is said of an error; None: nothing is known of it, and it is a crash."""
        return str(error) if isinstance(error, BicrossError) else None


class Visitor(Owner):
    """Who asks over HTTP: whoever the guard let in. Of an error no more is told than in other routes."""

    def __init__(self, parts: Served) -> None:
        self._parts = parts

    def visible(self, context: Context) -> tuple[str, ...]:
        return self._parts.visible(caller(_request(context)))

    def choose(self, context: Context, named: str | None) -> str:
        return self._parts.choose(caller(_request(context)), named)

    def words(self, context: Context, error: Exception) -> str | None:
        visit = _request(context).state.visit
        refused = refusal_of(error, "native", visit.request_id)
        if refused is not error and refused.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            visit.error = error
        return refused.message


class Tools:
    """What the tools do, for whoever asks."""

    def __init__(self, engine: Searchable, asker: Owner) -> None:
        self._engine, self._asker = engine, asker

    async def search(
        self,
        query: Question,
        context: Context,
        k: Annotated[int, Field(ge=1, le=MOST_HITS, description="How many documents at most.")] = 10,
        filter: Annotated[  # noqa: A002 - the word that the HTTP API has for it
            dict[str, Any] | None,
            Field(description='Only documents whose metadata fits: {"lang": "zh"}, {"year": {"gte": 2020}}, {"tag": {"in": ["a", "b"]}}.'),
        ] = None,
        collection: Named = None,
    ) -> FoundAll:
        """Find the documents that best answer a question, best first. Chinese and English questions work alike (中文问题也可以)."""
        with self._told(context):
            name = self._asker.choose(context, collection)
            (answer,) = await self._engine.search(name, [query], SearchSettings(k=k), filter)
            found = await self._engine.documents(name, [hit["id"] for hit in answer["hits"]], brief=True)
        own = self._asker.choose(context, None) == name
        return FoundAll(results=[Found(id=_id_of(name, one, own), title=_title_of(one), url=_url_of(name, one)) for one in found])

    async def fetch(self, id: Annotated[str, Field(max_length=4_000, description="An id that search gave.")], context: Context) -> Fetched:
        """Read one document whole, by the id that search gave."""
        with self._told(context):
            name, document_id = self._located(context, id)
            found = await self._engine.documents(name, [document_id])
        if not found:
            raise ToolError(f"There is no document {id[:200]!r}; expected an id that search gave.")
        (one,) = found
        return Fetched(id=id, title=_title_of(one), text=one["text"], url=_url_of(name, one), metadata=one["meta"])

    async def rerank(
        self,
        query: Question,
        documents: Annotated[list[Text], Field(min_length=1, max_length=MOST_TEXTS, description="Texts to sort, in any language mix.")],
        context: Context,
    ) -> RerankedAll:
        """Sort texts of your own by how well each answers a question, best first. Works for Chinese and English (中英文皆可)."""
        with self._told(context):
            name = self._asker.choose(context, None)
            scores = (await self._engine.score(name, [(query, text) for text in documents])).scores
        return RerankedAll(results=[Reranked(index=place, relevance_score=relevance(scores[place])) for place in best_first(scores)])

    async def list_collections(self, context: Context) -> ListedAll:
        """The collections that search may be asked about, and how many documents each holds."""
        with self._told(context):
            names = self._asker.visible(context)
            counts = {name: (await self._engine.describe(name))["documents"] for name in names}
        return ListedAll(collections=[Listed(name=name, documents=counts[name], default=name == names[0]) for name in names])

    @contextmanager
    def _told(self, context: Context) -> Iterator[None]:
        """What goes wrong inside is told to the agent in words that it can act on."""
        try:
            yield
        except Exception as error:
            words = self._asker.words(context, error)
            if words is None:
                raise
            raise ToolError(words) from error

    def _located(self, context: Context, given: str) -> tuple[str, str]:
        """The collection and id that `search` meant by an id: one of another collection than the default is a bicross:// address."""
        name, slash, rest = given.removeprefix(SCHEME).partition("/")
        if given.startswith(SCHEME) and slash:
            return self._asker.choose(context, unquote(name)), unquote(rest)
        return self._asker.choose(context, None), given


TITLES = {"search": "Search documents", "fetch": "Read a document", "rerank": "Sort texts", "list_collections": "List collections"}


Lifespan = Callable[[MCPServer], AbstractAsyncContextManager[dict[str, Any]]]


def agent_server(engine: Searchable, asker: Owner, lifespan: Lifespan | None = None) -> MCPServer:
    """An MCP server whose tools ask `engine`."""
    root = logging.getLogger()
    silent = logging.NullHandler()  # the SDK sets up the root logger where it has no handler, and logging is not its to set up
    root.addHandler(silent)
    try:
        server = _Server("bicross", title="Bicross", instructions=INSTRUCTIONS, version=__version__, subscriptions=False, lifespan=lifespan)
    finally:
        root.removeHandler(silent)
    tools = Tools(engine, asker)
    for name, title in TITLES.items():
        hints = ToolAnnotations(title=title, read_only_hint=True, destructive_hint=False, idempotent_hint=True, open_world_hint=False)
        server.add_tool(getattr(tools, name), name=name, title=title, annotations=hints)
    return server


class _Server(MCPServer):
    """Tells an agent what is wrong with its arguments as the other contracts tell it; the SDK would quote pydantic, and the values."""

    async def call_tool(self, name: str, arguments: dict[str, Any], context: Context | None = None) -> CallToolResult | InputRequiredResult:
        try:
            return await super().call_tool(name, arguments, context)
        except ToolError as error:
            cause = error.__cause__
            if isinstance(error, UnexpectedToolError) or not isinstance(cause, ValidationError):
                raise
            found = [{**one, "loc": ("body", *one["loc"])} for one in cause.errors(include_url=False, include_input=False)]
            raise ToolError(f"The arguments of {name} are not what they should be: {mistakes(found, arguments)}.") from None


class Door:
    """The route of MCP's streamable HTTP: every request stands alone, and its answer is JSON, so that nothing is kept between two."""

    def __init__(self, parts: Served) -> None:
        self._server = agent_server(parts.engine, Visitor(parts))
        self._inside: ASGIApp | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._inside is None:
            raise Unavailable("The server has not started, or is ending.")
        await self._inside(scope, receive, send)

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Requests are answered inside."""
        inside = self._server.streamable_http_app(
            streamable_http_path=PATH,
            json_response=True,
            stateless_http=True,
            transport_security=TransportSecuritySettings(enable_dns_rebinding_protection=False),  # the guard has looked at Host and Origin
        )
        async with self._server.session_manager.run():
            self._inside = inside
            try:
                yield
            finally:
                self._inside = None


def mount(app: FastAPI, parts: Served) -> None:
    """Answer MCP at /mcp of an application, from the beginning to the end of its lifespan."""
    door = Door(parts)
    outer = app.router.lifespan_context

    @asynccontextmanager
    async def lifespan(started: FastAPI) -> AsyncIterator[Any]:
        async with outer(started) as state, door.open():
            yield state

    app.router.lifespan_context = lifespan
    app.router.routes.append(Route(PATH, endpoint=door, include_in_schema=False))


def run_stdio(collection: Path) -> None:
    """Answer MCP on stdin and stdout, from one collection, until stdin ends. What else is written to stdout goes to stderr meanwhile.

    Raises:
        InputError: there is no collection.
    """
    Collection.open(collection)
    name = collection.resolve().name
    engine = InProcess({name: collection})

    @asynccontextmanager
    async def lifespan(_: MCPServer) -> AsyncIterator[dict[str, Any]]:
        engine.warm()
        try:
            yield {}
        finally:
            sys.stdout.flush()  # what was printed, as long as it goes to stderr

    agent_server(engine, Owner(name), lifespan).run("stdio")


def _request(context: Context) -> Request:
    request = context.request_context.request
    assert isinstance(request, Request)
    return request


def _id_of(collection: str, document: dict[str, Any], own: bool) -> str:
    """The id as `fetch` takes it. One that looks like an address is written as one, so that it cannot be taken for another's."""
    plain: str = document["id"]
    return plain if own and not plain.startswith(SCHEME) else _address(collection, plain)


def _title_of(document: dict[str, Any]) -> str:
    """The title, or how the text begins: by it an agent decides whether to read on."""
    title: str = document["title"] or document["text"]
    line = " ".join(title[: 2 * LONGEST_TITLE].split())
    return line if len(line) <= LONGEST_TITLE else f"{line[: LONGEST_TITLE - 1]}…"


def _url_of(collection: str, document: dict[str, Any]) -> str:
    """Where a reader finds the document: its own `url`, or an address that names collection and id."""
    url = document["meta"].get("url")
    return url if isinstance(url, str) and 0 < len(url) <= LONGEST_URL else _address(collection, document["id"])


def _address(collection: str, document_id: str) -> str:
    return f"{SCHEME}{quote(collection, safe='')}/{quote(document_id, safe='/')}"
