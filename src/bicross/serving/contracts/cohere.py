"""Reranking for the callers of Cohere (v1 and v2), Jina, vLLM and Infinity: one answer that holds what each of them reads.

The `model` of a request selects nothing: the collection's own reranker answers, and the answer's `model` names it. `priority` is ignored.
/rerank with `texts` is TEI's dialect (`contracts.tei`).
"""

from __future__ import annotations

import math
import time
import uuid
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Discriminator, Field, Tag

from bicross.models.scores import best_first, relevance
from bicross.records import reading
from bicross.serving.contracts import tei
from bicross.serving.contracts.errors import told
from bicross.serving.contracts.shared import (
    TEXTS,
    Asking,
    Body,
    DropInRoute,
    Fields,
    Parts,
    Responder,
    Text,
    Usage,
    Who,
    answer,
)
from bicross.serving.engine import Scored
from bicross.serving.refusals import Refused
from bicross.serving.served import speak

router = APIRouter(route_class=DropInRoute, responses=told("cohere"), tags=["Rerank"])
EXPLAINED = 20
"""Results that get spans; each costs as much as reranking a few dozen documents."""
UNIT = 100
"""Documents to one of Cohere's search units."""


class SpansWanted(Body):
    """Cohere's `relevant_spans`. `mode` is ignored: there is one way here, leaving parts of the text out."""

    mode: Any = None
    threshold: float = Field(default=0.1, ge=0, le=1)
    max_spans: int | None = Field(default=None, ge=1, le=100)


class RerankBody(Body):
    """A query and documents to order by it.

    A document is a text or an object, of which `text` is read, behind its `title` where it has one, or the fields of `rank_fields`, a line
    each. `top_n` 0 or none means all. Every document is read once, from its beginning, up to the length of the model: the four limits of
    length are kept where they allow what was read, and a warning says where not. `raw_scores` true or `use_activation` false give logits.
    `return_documents`: true by default but at /v2/rerank.
    """

    model: Any = Field(default=None, description="Ignored: the collection's own reranker answers.")
    query: Asking
    documents: list[Text | Fields] = Field(min_length=1, max_length=TEXTS)
    top_n: int | None = Field(default=None, ge=0, le=1_000_000)
    rank_fields: list[Annotated[str, Field(max_length=200)]] | None = Field(default=None, max_length=20)
    return_documents: bool | None = None
    max_tokens_per_doc: int | None = Field(default=None, ge=1, le=1_000_000)
    max_doc_length: int | None = Field(default=None, ge=1, le=1_000_000)
    max_chunks_per_doc: int | None = Field(default=None, ge=1, le=1_000_000)
    truncate_prompt_tokens: int | None = Field(default=None, ge=-1, le=1_000_000)
    raw_scores: bool = False
    use_activation: bool | None = None
    relevant_spans: SpansWanted | None = None


def _dialect(body: Any) -> str:
    return "texts" if isinstance(body, Mapping) and "texts" in body else "documents"


EitherBody = Annotated[
    Annotated[RerankBody, Tag("documents")] | Annotated[tei.RerankTextsBody, Tag("texts")],
    Discriminator(_dialect),
]


class Span(BaseModel):
    """A part of a document's text that mattered: code points, end exclusive. `score` is the share of the odds of being relevant that goes
    if the part goes, in (0, 1]."""

    start: int
    end: int
    score: float


class Result(BaseModel):
    """A document's place in the request, and how relevant it is."""

    index: int
    relevance_score: float
    document: dict[str, Any] | None = None
    relevant_spans: list[Span] | None = None


class Version(BaseModel):
    """Which of Cohere's interfaces was asked."""

    version: str


class Units(BaseModel):
    """Nothing is billed; this is counted as Cohere counts."""

    search_units: int


class Tokens(BaseModel):
    """Tokens that the model read."""

    input_tokens: int


class Meta(BaseModel):
    """Cohere's remarks. `warnings` says what was cut, and which limit was not kept."""

    api_version: Version
    billed_units: Units
    tokens: Tokens
    warnings: list[str] | None = None


class Reranked(BaseModel):
    """The documents best first, ties in the order given."""

    id: str
    object: Literal["list"] = "list"
    created: int
    model: str
    results: list[Result]
    usage: Usage
    meta: Meta


@router.post("/rerank", response_model=Reranked | list[tei.Rank], responses=told("cohere", "tei"))
async def rerank(request: Request, body: EitherBody, parts: Parts, who: Who) -> Response:
    """Order `documents` (Cohere, Jina, vLLM, Infinity: an object) or `texts` (Text Embeddings Inference: a list) by a query."""
    if isinstance(body, tei.RerankTextsBody):
        speak(request, "tei")
        return await tei.rerank(await Responder.of(parts, parts.choose(who)), body)
    return answer(await reranked(await Responder.of(parts, parts.choose(who)), body))


@router.post("/v1/rerank", response_model=Reranked)
async def rerank_v1(body: RerankBody, parts: Parts, who: Who) -> Response:
    """Order documents by a query."""
    return answer(await reranked(await Responder.of(parts, parts.choose(who)), body, "1"))


@router.post("/v2/rerank", response_model=Reranked)
async def rerank_v2(body: RerankBody, parts: Parts, who: Who) -> Response:
    """Order documents by a query; they are sent back only if that is asked for."""
    returned = body.model_copy(update={"return_documents": bool(body.return_documents)})
    return answer(await reranked(await Responder.of(parts, parts.choose(who)), returned))


async def reranked(asked: Responder, body: RerankBody, version: str = "2") -> dict[str, Any]:
    """A `Reranked` as plain values. `relevance_score` is `scores.relevance` of the cross-encoder's logit.

    Raises:
        Refused: 400 where a document has nothing to read.
    """
    texts = [_text(document, place, body.rank_fields) for place, document in enumerate(body.documents)]
    scored = await asked.score(body.query, texts)
    order = best_first(scored.scores)[: body.top_n or None]
    raw = body.raw_scores or body.use_activation is False
    results: list[dict[str, Any]] = []
    for place in order:
        score = scored.scores[place]
        results.append({"index": place, "relevance_score": score if raw else relevance(score)})
        if body.return_documents is not False:
            document = body.documents[place]
            results[-1]["document"] = {"text": document} if isinstance(document, str) else document
    if body.relevant_spans is not None:
        await _explain(asked, body, [texts[place] for place in order], results)
    tokens = sum(scored.tokens)
    warnings = _warnings(body, scored, len(results))
    meta = {
        "api_version": {"version": version},
        "billed_units": {"search_units": math.ceil(len(texts) / UNIT)},
        "tokens": {"input_tokens": tokens},
        **({"warnings": warnings} if warnings else {}),
    }
    return {
        "id": str(uuid.uuid4()),
        "object": "list",
        "created": int(time.time()),
        "model": asked.reranker,
        "results": results,
        "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
        "meta": meta,
    }


def _text(document: str | Mapping[str, Any], place: int, fields: Sequence[str] | None) -> str:
    """What the reranker reads of a document. Raises Refused where there is nothing to read."""
    if isinstance(document, str):
        return document
    if fields:
        found = [str(document[field]) for field in fields if isinstance(document.get(field), str | int | float)]
        if not found:
            raise Refused(
                400, f"documents.{place} has none of the fields that rank_fields names; expected a text in one.", "invalid_request"
            )
        return "\n".join(found)
    title, text = document.get("title"), document.get("text")
    if not isinstance(text, str):
        raise Refused(400, f"documents.{place} has no text; expected a string, or an object with a string in text.", "invalid_request")
    return reading(title, text) if isinstance(title, str) else text


async def _explain(asked: Responder, body: RerankBody, texts: Sequence[str], results: Sequence[dict[str, Any]]) -> None:
    """Put the spans that mattered into the first results, those of a title left out: they count in the document's own text."""
    wanted = body.relevant_spans or SpansWanted()
    found = await asked.parts.engine.spans(asked.collection, body.query, texts[:EXPLAINED])
    for result, text, spans in zip(results, texts, found, strict=False):
        before = _before(body, body.documents[result["index"]], text)
        kept = [
            {"start": max(0, span["start"] - before), "end": span["end"] - before, "score": -math.expm1(-span["score"])}
            for span in spans
            if span["end"] > before
        ]
        result["relevant_spans"] = [span for span in kept if span["score"] >= wanted.threshold][: wanted.max_spans]


def _before(body: RerankBody, document: str | Mapping[str, Any], text: str) -> int:
    """How many code points stand before the document's own text: its title's, where that is not a part of it."""
    if isinstance(document, str) or body.rank_fields:
        return 0
    return len(text) - len(document["text"])


def _warnings(body: RerankBody, scored: Scored, results: int) -> list[str]:
    """What the caller should know of lengths. Tokens are counted of query and document together."""
    told = []
    if any(scored.cut):
        told.append(f"{sum(scored.cut)} documents were longer than the model reads with the query, and were cut at the end.")
    most = max(scored.tokens)
    for name in ("max_tokens_per_doc", "max_doc_length", "truncate_prompt_tokens"):
        limit = getattr(body, name)
        if limit is not None and 0 < limit < most:
            told.append(f"{name} is {limit}, and up to {most} tokens of query and document were read: the model's own limit holds alone.")
    if body.relevant_spans is not None and results > EXPLAINED:
        told.append(f"relevant_spans are given for the first {EXPLAINED} results.")
    return told
