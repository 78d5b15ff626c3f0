"""What the drop-in contracts share: texts and scores at the border, names of models, and errors in the words of each family."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from fastapi import Depends, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, JsonValue, WithJsonSchema
from pydantic_core import to_json

from bicross.data.lines import SURROGATE
from bicross.serving.access import Family
from bicross.serving.engine import Scored
from bicross.serving.handlers import mistakes
from bicross.serving.refusals import EMPTY, Refused
from bicross.serving.served import Caller, Served, caller, served, speak, spoken
from bicross.vectors import Vectors, unit

QUERY, TEXT, TEXTS = 8_192, 1_000_000, 1_000
"""The longest query and the longest text, in code points, and the most texts that one request may hold. A query may be longer than the
native API's question: clients of rerankers send whole passages as one, and nothing keeps it."""
INVALID: Mapping[Family, int] = {"openai": 400, "cohere": 400, "tei": 422, "sagemaker": 422}
"""The status that a family gives to a body that is not what it should be."""


def whole(text: str) -> str:
    """The text. Raises ValueError where a lone surrogate, which is no text, stands in it."""
    if not text.isascii() and SURROGATE.search(text):
        raise ValueError("it holds a lone surrogate (half of a character); expected text")
    return text


def _whole(value: object) -> object:
    return whole(value) if isinstance(value, str) else value


def _asking(text: str) -> str:
    if not text.strip():
        raise ValueError("it is empty; expected some words")
    return text


def _encodable(value: JsonValue) -> JsonValue:
    """What can be sent back as it came."""
    for inner in value if isinstance(value, list) else (*value, *value.values()) if isinstance(value, dict) else ():
        _encodable(inner)
    _whole(value)
    return value


def _listed(value: object) -> object:
    """One text is a list of one. Token ids are refused by name, since clients send them without being told to."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, list) and value and all(isinstance(item, int | list) for item in value):
        raise ValueError(
            "it holds token ids, which mean something to one tokenizer alone; expected text. "
            "LangChain's OpenAIEmbeddings sends text with check_embedding_ctx_length=False"
        )
    return value


async def _served(request: Request) -> Served:  # as a coroutine, for FastAPI takes a plain function to a thread and back
    return served(request)


async def _caller(request: Request) -> Caller:
    return caller(request)


Text = Annotated[str, Field(max_length=TEXT), BeforeValidator(_whole)]
Filled = Annotated[str, Field(min_length=1, max_length=TEXT), BeforeValidator(_whole)]
"""A text that is not empty."""
Asking = Annotated[str, Field(min_length=1, max_length=QUERY), BeforeValidator(_whole), AfterValidator(_asking)]
"""A query: some words."""
Fields = Annotated[dict[str, JsonValue], AfterValidator(_encodable)]
Parts = Annotated[Served, Depends(_served)]
Who = Annotated[Caller, Depends(_caller)]
ONE_OR_MANY = BeforeValidator(_listed)


def one_or_many(most: int) -> WithJsonSchema:
    """What the description of the interface says of a text or a list of texts."""
    text = {"type": "string", "minLength": 1, "maxLength": TEXT}
    return WithJsonSchema({"anyOf": [text, {"type": "array", "items": text, "minItems": 1, "maxItems": most}]})


class Body(BaseModel):
    """What a foreign client sends; fields that it has and we do not are ignored."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class Usage(BaseModel):
    """Tokens that the model read, special ones too."""

    prompt_tokens: int
    total_tokens: int


@dataclass(frozen=True, slots=True)
class Responder:
    """Who answers: a collection, the facts that `Engine.describe` gives of it, and the names of its models as they may be shown."""

    parts: Served
    collection: str
    facts: Mapping[str, Any]

    @classmethod
    async def of(cls, parts: Served, collection: str) -> Responder:
        """Ask what answers now: `tune` may have put another model in place."""
        return cls(parts, collection, await parts.engine.describe(collection))

    @property
    def encoder(self) -> str:
        return public_name(self.facts["encoder"])

    @property
    def reranker(self) -> str:
        return public_name(self.facts["reranker"])

    async def score(self, query: str, texts: Sequence[str]) -> Scored:
        """The cross-encoder's scores of each text beside the query."""
        return await self.parts.engine.score(self.collection, [(query, text) for text in texts])


def public_name(name: str) -> str:
    """A model's name without the folders of this machine: owner/model and models/NAME as they are, of another path its last part."""
    path = Path(name)
    return path.name if path.is_absolute() or len(path.parts) > 2 else name


def shorter(vectors: Vectors, dimensions: int | None, facts: Mapping[str, Any]) -> Vectors:
    """The first so many dimensions, scaled to length 1, (n, dimensions): where the model was trained for it (`matryoshka` of the facts).

    Raises:
        Refused: it was not; the rest of its vectors would mean little.
    """
    if dimensions is None or dimensions == vectors.shape[1]:
        return vectors
    trained = sorted(facts.get("matryoshka") or ())
    if dimensions not in trained:
        fit = " or ".join(map(str, [*trained, vectors.shape[1]]))
        why = "was trained for these" if trained else "was not trained to be cut shorter"
        raise Refused(400, f"dimensions is {dimensions}; expected {fit}: the model {why}.", "invalid_request")
    return unit(np.ascontiguousarray(vectors[:, :dimensions]))  # (n, dimensions)


def answer(value: object, headers: Mapping[str, str] | None = None) -> Response:
    """JSON, numbers that are not finite as null."""
    return Response(to_json(value, inf_nan_mode="null"), media_type="application/json", headers=dict(headers or {}))


def invalid(family: Family, errors: Sequence[Mapping[str, Any]], given: object) -> Refused:
    """What is wrong with a body, by field and never with what was sent, and the family's status for it. `given` as in `mistakes`."""
    message = mistakes(errors, given)
    lengthy = any(error["type"] == "too_long" and error["loc"][-1:] in (("inputs",), ("texts",)) for error in errors)
    if family == "tei" and lengthy:
        return Refused(413, f"Too many texts in one request. {message}.", "batch_size")
    empty = any(error["type"] in ("too_short", "string_too_short") for error in errors)
    return Refused(400 if family == "tei" and empty else INVALID.get(family, 422), f"{message}.", EMPTY if empty else "invalid_request")


class DropInRoute(APIRoute):
    """A route that tells what is wrong with a body in the words and with the status of its family."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The route's function, its errors of validation made refusals."""
        inner = super().get_route_handler()

        async def checked(request: Request) -> Response:
            try:
                return await inner(request)
            except RequestValidationError as error:
                if request.url.path == "/rerank" and isinstance(error.body, dict) and "texts" in error.body:
                    speak(request, "tei")
                raise invalid(spoken(request), error.errors(), error.body) from None

        return checked
