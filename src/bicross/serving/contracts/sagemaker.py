"""The contract of Amazon SageMaker: /invocations and /execution-parameters. /ping is among the probes.

/invocations tells by the content type how records are parted, and by the fields of a record what is asked:

inputs                     TEI: vectors                            [[...]]
query, texts               TEI: order texts                        [{index, score}]
query, documents           Cohere, Jina: order documents           {results, ...}
text_pairs                 LangChain's SagemakerEndpointCrossEncoder: {"scores": [...]} in the order asked, in [0, 1]
input                      OpenAI: vectors                         {data, ...}
question or query, and k   search the collection                   {text, hits, ...}

application/json is one record; application/jsonlines one a line, in and out; text/csv one a row, in and out: a text gives its vector, a
query and a text their score. A record that is refused refuses the request, and the message says which.
"""

from __future__ import annotations

import asyncio
import csv
import io
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field, ValidationError
from pydantic_core import to_json

from bicross.errors import InputError
from bicross.models.scores import relevance
from bicross.serving.access import MIB, find
from bicross.serving.contracts import cohere, openai, tei
from bicross.serving.contracts.errors import told
from bicross.serving.contracts.shared import Asking, Body, Parts, Responder, Text, Who, answer, invalid
from bicross.serving.refusals import EMPTY, Refused
from bicross.settings import SearchSettings

router = APIRouter(responses=told("sagemaker"), tags=["Amazon SageMaker"])
LINES = 1_000
"""The most records of a request."""
AT_ONCE = 8
"""Records of a request that are in the queue at a time."""
ATTRIBUTES = "x-amzn-sagemaker-custom-attributes"
LINES_TYPES = ("application/jsonlines", "application/x-jsonlines", "application/jsonl", "application/x-ndjson")
Pair = Annotated[list[Text], Field(min_length=2, max_length=2)]


class PairsBody(Body):
    """LangChain's pairs of a query and a text."""

    text_pairs: list[Pair] = Field(min_length=1, max_length=1_000)
    raw_scores: bool = False


class SearchBody(Body):
    """A question to the collection."""

    question: Asking
    k: int = Field(default=10, ge=1, le=1_000)


class Parameters(BaseModel):
    """What batch transform asks before it begins."""

    MaxConcurrentTransforms: int
    BatchStrategy: str
    MaxPayloadInMB: int


async def _vectors(asked: Responder, body: tei.EmbedBody) -> Any:
    return (await tei.vectors(asked, body))[0]


async def _ranks(asked: Responder, body: tei.RerankTextsBody) -> Any:
    return [rank.model_dump(exclude_none=True) for rank in (await tei.ranks(asked, body))[0]]


async def _pairs(asked: Responder, body: PairsBody) -> Any:
    scored = await asked.parts.engine.score(asked.collection, [(query, text) for query, text in body.text_pairs])
    return {"scores": [score if body.raw_scores else relevance(score) for score in scored.scores]}


async def _search(asked: Responder, body: SearchBody) -> Any:
    return (await asked.parts.engine.search(asked.collection, [body.question], SearchSettings(k=body.k)))[0]


Act = Callable[[Responder, Any], Awaitable[Any]]
ACTS: tuple[tuple[frozenset[str], type[Body], Act], ...] = (
    (frozenset({"inputs"}), tei.EmbedBody, _vectors),
    (frozenset({"query", "texts"}), tei.RerankTextsBody, _ranks),
    (frozenset({"query", "documents"}), cohere.RerankBody, cohere.reranked),
    (frozenset({"text_pairs"}), PairsBody, _pairs),
    (frozenset({"input"}), openai.EmbeddingsBody, openai.embedded),
    (frozenset({"question"}), SearchBody, _search),
)
"""The fields that a record must have, what it is then, and what is done; the first that fits."""


@router.get("/execution-parameters", response_model=Parameters)
async def execution_parameters() -> Response:
    """How batch transform should ask: many records a request, a few requests at once."""
    access, _ = find("POST", "/invocations")
    payload = access.longest // MIB if access else 0
    return answer(Parameters(MaxConcurrentTransforms=AT_ONCE, BatchStrategy="MULTI_RECORD", MaxPayloadInMB=payload))


_KINDS = ("application/json", "application/jsonlines", "text/csv")
_SHARED = (tei.EmbedBody, tei.RerankTextsBody, cohere.RerankBody, openai.EmbeddingsBody)
_RECORD = {
    "anyOf": [
        *({"$ref": f"#/components/schemas/{one.__name__}"} for one in _SHARED),  # other routes describe them
        PairsBody.model_json_schema(),
        SearchBody.model_json_schema(),
    ]
}
_TOLD: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {kind: {"schema": _RECORD if kind == _KINDS[0] else {"type": "string"}} for kind in _KINDS},
    }
}


@router.post("/invocations", openapi_extra=_TOLD, responses={200: {"content": {kind: {} for kind in _KINDS}}})
async def invocations(request: Request, parts: Parts, who: Who) -> Response:
    """Whatever a record asks: vectors, an order, scores, or a search. `X-Amzn-SageMaker-Custom-Attributes` come back as they were."""
    raw = await request.body()
    kind = request.headers.get("content-type", "application/json").partition(";")[0].strip().lower()
    asked = await Responder.of(parts, parts.choose(who))
    back = {ATTRIBUTES: request.headers[ATTRIBUTES]} if ATTRIBUTES in request.headers else {}
    if kind == "text/csv":
        lines = await _rows(asked, _table(raw))
        return Response(lines, media_type="text/csv", headers=back)
    if kind in LINES_TYPES:
        lines_of = [(f"line {number}: ", line) for number, line in enumerate(raw.split(b"\n"), start=1) if line.strip()]
        records = [(where, _parsed(line, where)) for where, line in lines_of]
        told = await _all(asked, records)
        return Response(b"".join(to_json(one, inf_nan_mode="null") + b"\n" for one in told), media_type=kind, headers=back)
    if kind not in ("application/json", ""):
        raise Refused(415, "Expected Content-Type application/json, application/jsonlines or text/csv.", "unsupported_media_type")
    return answer((await _all(asked, [("", _parsed(raw, ""))]))[0], back)


async def _all(asked: Responder, records: Sequence[tuple[str, Any]]) -> list[Any]:
    """The answers in the order asked, a few records at a time; a refusal ends all, and says of which record it is."""
    _check_number(len(records))
    acts = [_act(record, where) for where, record in records]
    room = asyncio.Semaphore(AT_ONCE)

    async def one(where: str, act: Act, body: Body) -> Any:
        async with room:
            try:
                return await act(asked, body)
            except Refused as refused:
                refused.message = f"{where}{refused.message}"
                raise
            except InputError as error:
                raise Refused(422, f"{where}{error}", "invalid_request") from error

    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one(where, act, body)) for (where, _), (act, body) in zip(records, acts, strict=True)]
    except BaseExceptionGroup as several:
        raise several.exceptions[0] from None
    return [task.result() for task in tasks]


def _act(record: Any, where: str) -> tuple[Act, Body]:
    """What a record asks. Raises Refused where it asks nothing, or not as it should be asked."""
    if not isinstance(record, Mapping):
        raise Refused(422, f"{where}it is not an object; expected one with fields such as inputs, or query and texts.", "invalid_request")
    if "query" in record and not record.keys() & {"texts", "documents", "question"}:
        record = {**record, "question": record["query"]}
    for fields, model, act in ACTS:
        if fields <= record.keys():
            try:
                return act, model.model_validate(record)
            except ValidationError as error:
                mistakes = error.errors(include_url=False, include_context=False, include_input=False)
                refused = invalid("sagemaker", [{**mistake, "loc": ("body", *mistake["loc"])} for mistake in mistakes], record)
                raise Refused(refused.status, f"{where}{refused.message}", refused.kind) from None
    expected = ", ".join(" and ".join(sorted(fields)) for fields, _, _ in ACTS)
    raise Refused(422, f"{where}it has none of the fields that say what is asked; expected {expected}.", "invalid_request")


def _parsed(raw: bytes, where: str) -> Any:
    try:
        return json.loads(raw)
    except (ValueError, RecursionError):
        said = f"{where or 'The body: '}it is not JSON. Send one object, or application/jsonlines with one a line."
        raise Refused(400, said, "invalid_json") from None


def _table(raw: bytes) -> list[list[str]]:
    """Rows of one text each, or of a query and a text each. Raises Refused where they are not."""
    try:
        rows = [row for row in csv.reader(io.StringIO(raw.decode("utf-8-sig"), newline=""), strict=True) if row]
    except (UnicodeDecodeError, csv.Error) as error:
        raise Refused(400, f"It is not CSV in UTF-8 ({type(error).__name__}).", "invalid_csv") from None
    _check_number(len(rows))
    width = len(rows[0])
    wrong = next((place for place, row in enumerate(rows) if len(row) != width or width > 2 or not row[0].strip()), None)
    if wrong is not None:
        raise Refused(422, f"row {wrong + 1} is not like the others; expected one text in each, or a query and a text.", "invalid_request")
    return rows


async def _rows(asked: Responder, rows: Sequence[Sequence[str]]) -> str:
    """A line of numbers for each row: a vector, or a score."""
    if len(rows[0]) == 1:
        found = await _all(asked, [("", {"inputs": [row[0] for row in rows]})])
        return "".join(",".join(map(repr, vector)) + "\n" for vector in found[0])
    found = await _all(asked, [("", {"text_pairs": rows})])
    return "".join(f"{score!r}\n" for score in found[0]["scores"])


def _check_number(records: int) -> None:
    if not records:
        raise Refused(400, "There is no record in the body.", EMPTY)
    if records > LINES:
        raise Refused(413, f"There are {records} records in the body; expected at most {LINES}.", "batch_size")
