"""The contract of OpenAI: /v1/embeddings and /v1/models.

The `model` of a request selects nothing, so that clients with a default work as they are: the collection's own encoder answers, and
the answer's `model` names it. `user` and what else OpenAI knows are ignored.
"""

from __future__ import annotations

import base64
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Response
from pydantic import BaseModel, Field

from bicross.protocols import Side
from bicross.serving.contracts.errors import told
from bicross.serving.contracts.shared import (
    ONE_OR_MANY,
    Body,
    DropInRoute,
    Filled,
    Parts,
    Responder,
    Usage,
    Who,
    answer,
    one_or_many,
    shorter,
)
from bicross.serving.contracts.tei import PROMPTS
from bicross.serving.refusals import Refused
from bicross.serving.served import Caller, Served

router = APIRouter(route_class=DropInRoute, responses=told("openai"), tags=["OpenAI"])
INPUTS = 2_048
"""The most texts that OpenAI takes in one request."""
InputType = Literal["query", "search_query", "document", "search_document", "passage", "classification", "clustering"]


class EmbeddingsBody(Body):
    """Texts to embed. `input_type` says which side of a search they are on, in Cohere's words; OpenAI has no such word, and means
    documents. The client asks for base64 where nothing is said: little-endian float32.
    """

    input: Annotated[list[Filled], Field(min_length=1, max_length=INPUTS), ONE_OR_MANY, one_or_many(INPUTS)]
    model: Any = Field(default=None, description="Ignored: the collection's own encoder answers.")
    encoding_format: Literal["float", "base64"] = "float"
    dimensions: int | None = Field(default=None, ge=1, le=100_000)
    input_type: InputType = "document"


class Embedding(BaseModel):
    """A vector, as numbers or in base64, and the place of its text."""

    object: Literal["embedding"] = "embedding"
    index: int
    embedding: list[float] | str


class Embeddings(BaseModel):
    """The vectors in the order asked."""

    object: Literal["list"] = "list"
    data: list[Embedding]
    model: str
    usage: Usage


class Model(BaseModel):
    """A model by name. `created` is not known of a folder: 0."""

    id: str
    object: Literal["model"] = "model"
    created: int = 0
    owned_by: str = "bicross"


class Models(BaseModel):
    """The encoder and the reranker of each collection that the caller may see."""

    object: Literal["list"] = "list"
    data: list[Model]


@router.post("/v1/embeddings", response_model=Embeddings)
async def embeddings(body: EmbeddingsBody, parts: Parts, who: Who) -> Response:
    """Vectors of texts, of length 1 where the collection's similarity is the cosine, by its own encoder."""
    return answer(await embedded(await Responder.of(parts, parts.choose(who)), body))


async def embedded(asked: Responder, body: EmbeddingsBody) -> dict[str, Any]:
    """An `Embeddings` as plain values, which are written faster than checked ones.

    Raises:
        Refused: the model has no vectors of so few dimensions.
    """
    side: Side = PROMPTS.get(body.input_type, "document")
    found = await asked.parts.engine.embed(asked.collection, body.input, side)
    rows = shorter(found.vectors, body.dimensions, asked.facts)  # (n, dimensions)
    if body.encoding_format == "base64":
        written: list[Any] = [base64.b64encode(row.astype("<f4").tobytes()).decode() for row in rows]
    else:
        written = rows.tolist()
    data = [{"object": "embedding", "index": place, "embedding": vector} for place, vector in enumerate(written)]
    tokens = sum(found.tokens)
    return {
        "object": "list",
        "data": data,
        "model": asked.encoder,
        "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
    }


async def _names(parts: Served, who: Caller) -> list[str]:
    """Public names of the models, without doubles, in the order of the collections."""
    asked = [await Responder.of(parts, name) for name in parts.visible(who)]
    return list(dict.fromkeys(name for one in asked for name in (one.encoder, one.reranker)))


@router.get("/v1/models", response_model=Models)
async def models(parts: Parts, who: Who) -> Response:
    """The models that answer."""
    return answer(Models(data=[Model(id=name) for name in await _names(parts, who)]))


@router.get("/v1/models/{model:path}", response_model=Model)
async def model(model: Annotated[str, Path(min_length=1, max_length=500)], parts: Parts, who: Who) -> Response:
    """One of them."""
    if model not in await _names(parts, who):
        raise Refused(404, "There is no such model. GET /v1/models lists those that answer.", "model_not_found")
    return answer(Model(id=model))
