"""The contract of Text Embeddings Inference (TEI 1.9): /embed, /info, and its dialect of /rerank. /health is among the probes."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Annotated, Literal

from fastapi import APIRouter, Response
from pydantic import BaseModel, Field

from bicross import __version__
from bicross.models.scores import best_first, relevance
from bicross.protocols import Side
from bicross.serving.contracts.errors import told
from bicross.serving.contracts.shared import (
    ONE_OR_MANY,
    TEXTS,
    Asking,
    Body,
    DropInRoute,
    Filled,
    Parts,
    Responder,
    Text,
    Who,
    answer,
    one_or_many,
    shorter,
)
from bicross.serving.refusals import Refused

router = APIRouter(route_class=DropInRoute, responses=told("tei"), tags=["Text Embeddings Inference"])
Direction = Literal["Left", "Right", "left", "right"]
PROMPTS: dict[str, Side] = {
    "query": "query",
    "search_query": "query",
    "document": "document",
    "passage": "document",
    "search_document": "document",
}
"""What clients call the two sides of a search."""


class Truncating(Body):
    """How texts that are longer than the model are taken. They are cut at the end; those that may not be cut so are refused."""

    truncate: bool | None = None
    truncation_direction: Direction = "Right"


class EmbedBody(Truncating):
    """`normalize` false asks for the vectors as the collection has them: of length 1 where its similarity is the cosine."""

    inputs: Annotated[list[Filled], Field(min_length=1, max_length=TEXTS), ONE_OR_MANY, one_or_many(TEXTS)]
    normalize: bool = True
    prompt_name: str | None = Field(default=None, max_length=100)
    dimensions: int | None = Field(default=None, ge=1, le=100_000)


class RerankTextsBody(Truncating):
    """A query and texts to order by it."""

    query: Asking
    texts: list[Text] = Field(min_length=1, max_length=TEXTS)
    raw_scores: bool = False
    return_text: bool = False


class Rank(BaseModel):
    """A text's place in the request, and its score."""

    index: int
    score: float
    text: str | None = None


class Info(BaseModel):
    """TEI's facts about the model. `model_sha` is the fingerprint of the vectors' space, `model_dtype` the type of the vectors that are
    sent, and `max_input_length` is in tokens; before the first document there is no space, and no model was loaded."""

    model_id: str
    model_sha: str | None
    model_dtype: Literal["float32"] = "float32"
    model_type: dict[Literal["embedding"], dict[str, str]] = Field(default={"embedding": {}})
    max_input_length: int | None
    max_client_batch_size: int = TEXTS
    auto_truncate: bool = True
    version: str = __version__
    sha: str | None = None
    docker_label: str | None = None


@router.post("/embed", response_model=list[list[float]])
async def embed(body: EmbedBody, parts: Parts, who: Who) -> Response:
    """Vectors of texts, by the collection's encoder. `prompt_name` says which side a text is on: query or document, the default."""
    start = time.perf_counter()
    asked = await Responder.of(parts, parts.choose(who))
    rows, tokens = await vectors(asked, body)
    return answer(rows, timing(start, tokens, sum(map(len, body.inputs))))


@router.get("/info", response_model=Info)
async def info(parts: Parts, who: Who) -> Response:
    """What answers /embed."""
    asked = await Responder.of(parts, parts.choose(who))
    return answer(Info(model_id=asked.encoder, model_sha=asked.facts["space"], max_input_length=asked.facts["max_tokens"]))


async def vectors(asked: Responder, body: EmbedBody) -> tuple[list[list[float]], int]:
    """A row for each input, and how many tokens were read.

    Raises:
        Refused: the prompt or the number of dimensions is not the model's, or a text is too long and may not be cut.
    """
    side = PROMPTS.get(body.prompt_name or "document")
    if side is None:
        raise Refused(422, f"There is no prompt of the name in prompt_name; expected one of {', '.join(PROMPTS)}.", "invalid_request")
    embedded = await asked.parts.engine.embed(asked.collection, body.inputs, side)
    check_cut(body, embedded.cut, "inputs")
    rows: list[list[float]] = shorter(embedded.vectors, body.dimensions, asked.facts).tolist()
    return rows, sum(embedded.tokens)


async def ranks(asked: Responder, body: RerankTextsBody) -> tuple[list[Rank], int]:
    """The texts best first, ties in the order given, and how many tokens were read. `raw_scores` gives logits.

    Raises:
        Refused: a text is too long and may not be cut.
    """
    scored = await asked.score(body.query, body.texts)
    check_cut(body, scored.cut, "texts")
    order = best_first(scored.scores)
    read = [score if body.raw_scores else relevance(score) for score in scored.scores]
    return [Rank(index=place, score=read[place], text=body.texts[place] if body.return_text else None) for place in order], sum(
        scored.tokens
    )


async def rerank(asked: Responder, body: RerankTextsBody) -> Response:
    """TEI's bare list; `text` is left out where it was not asked for."""
    start = time.perf_counter()
    found, tokens = await ranks(asked, body)
    letters = len(body.query) * len(body.texts) + sum(map(len, body.texts))
    return answer([rank.model_dump(exclude_none=True) for rank in found], timing(start, tokens, letters))


def check_cut(body: Truncating, cut: Sequence[bool], field: str) -> None:
    """Refuse what may not be cut at the end. Raises Refused, naming the first text that was."""
    if not any(cut) or (body.truncate is not False and body.truncation_direction.lower() == "right"):
        return
    where = f"{field}.{list(cut).index(True)} is longer than the model reads"
    if body.truncate is False:
        raise Refused(422, f"{where}, and truncate is false. Send less text, or let it be cut.", "too_long")
    raise Refused(422, f"{where}, and this server cuts at the end alone. Send less text, or truncation_direction Right.", "too_long")


def timing(start: float, tokens: int, letters: int) -> dict[str, str]:
    """TEI's headers, times in milliseconds, as far as they are known in front of the queue."""
    elapsed = str(round((time.perf_counter() - start) * 1000))
    counted = {"x-compute-type": "cpu", "x-compute-characters": str(letters), "x-compute-tokens": str(tokens)}
    return {**counted, "x-compute-time": elapsed, "x-total-time": elapsed}
