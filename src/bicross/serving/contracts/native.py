"""The native contract: search, documents, collections and feedback of collections."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Body, Path, Query, Response
from fastapi.concurrency import run_in_threadpool

from bicross.data.rows import ID_LIMIT
from bicross.records import Document, reading
from bicross.serving import feedback as kept
from bicross.serving.contracts import native_examples as examples
from bicross.serving.contracts.native_answers import (
    CollectionFound,
    CollectionsFound,
    DocumentFound,
    DocumentsDeleted,
    DocumentsPut,
    FeedbackKept,
    SearchFound,
)
from bicross.serving.contracts.native_bodies import SPANNED, DocumentsBody, FeedbackBody, IdsBody, JudgementBody, SearchBody
from bicross.serving.contracts.shared import Parts, Who, answer
from bicross.serving.engine import Engine
from bicross.serving.refusals import Late, Overloaded, Refused, Unavailable

router = APIRouter(tags=["Bicross"])
DocumentId = Annotated[str, Path(max_length=ID_LIMIT, description="An id; slashes may stand in it as they are or percent-encoded.")]
Named = Annotated[
    str | None, Query(min_length=1, max_length=255, description="A collection; by default the first that the caller may see.")
]
Json = dict[str, Any]


@router.post("/v1/search", response_model=SearchFound, responses=examples.told(examples.SEARCH_ANSWERS, 409, 504))
async def search(body: Annotated[SearchBody, Body(openapi_examples=examples.SEARCH)], parts: Parts, who: Who) -> Response:
    """Answer questions: recall by words and by meaning, then rerank the best candidates.

    `filter` chooses documents by their `meta`: `{"lang": "zh"}`; `{"year": {"gte": 2020, "lt": 2024}}` (gt, gte, lt, lte);
    `{"tag": {"in": ["guide", "手册"]}}`; `{"tag": {"exists": true}}`; `{"all": [...]}`, `{"any": [...]}`, `{"not": {...}}`.
    Several keys hold together; of a list in `meta` any element may fit; a text never equals a number. The header Server-Timing has the
    milliseconds by stage.
    """
    collection = parts.choose(who, body.collection)
    if body.min_probability is not None:
        await _check_calibrated(parts.engine, collection, body)
    deadline = None if body.deadline is None else time.monotonic() + body.deadline
    found = await parts.engine.search(collection, body.asked, body.settings, body.filter, deadline)
    if body.explain:
        for one in found:
            await _explain(parts.engine, collection, one, deadline)
    seconds = _summed([one["seconds"] for one in found])
    timing = ", ".join(f"{stage};dur={1000 * value:.3f}" for stage, value in seconds.items())
    return answer({"queries": found, "seconds": seconds}, {"Server-Timing": timing})


@router.post("/v1/documents", response_model=DocumentsPut, responses=examples.told(examples.PUT_ANSWERS, 507))
async def put(body: Annotated[DocumentsBody, Body(openapi_examples=examples.PUT)], parts: Parts, who: Who) -> Response:
    """Put documents, by id: new ones are added, changed ones replaced. They are on the disk and found when this is answered."""
    documents = [Document(one.id, one.text, one.title, one.meta) for one in body.documents]
    return answer(await parts.engine.put(parts.choose(who, body.collection), documents))


@router.post("/v1/documents/delete", response_model=DocumentsDeleted, responses=examples.told(examples.DELETE_ANSWERS, 507))
async def delete(body: Annotated[IdsBody, Body(openapi_examples=examples.DELETE)], parts: Parts, who: Who) -> Response:
    """Remove documents. They are in no answer any more when this is answered; ids that are not there are named."""
    return answer(await parts.engine.delete(parts.choose(who, body.collection), body.ids))


@router.get("/v1/documents/{id:path}", response_model=DocumentFound, responses=examples.told(examples.DOCUMENT_ANSWERS, 404))
async def get_document(id: DocumentId, parts: Parts, who: Who, collection: Named = None) -> Response:
    """A document."""
    found = await parts.engine.documents(parts.choose(who, collection), [id])
    if not found:
        raise _unknown()
    return answer(found[0])


@router.delete("/v1/documents/{id:path}", response_model=DocumentsDeleted, responses=examples.told(examples.DELETE_ANSWERS, 404, 507))
async def delete_document(id: DocumentId, parts: Parts, who: Who, collection: Named = None) -> Response:
    """Remove a document."""
    found = await parts.engine.delete(parts.choose(who, collection), [id])
    if found["unknown"]:
        raise _unknown()
    return answer(found)


@router.get("/v1/collections", response_model=CollectionsFound, responses=examples.told(examples.COLLECTIONS_ANSWERS))
async def collections(parts: Parts, who: Who) -> Response:
    """The collections that the caller may see, the default first."""
    return answer({"collections": [await parts.engine.describe(name) for name in parts.visible(who)]})


@router.get("/v1/collections/{name}", response_model=CollectionFound, responses=examples.told(examples.COLLECTION_ANSWERS, 404))
async def collection(name: Annotated[str, Path(max_length=255)], parts: Parts, who: Who) -> Response:
    """One of them."""
    return answer(await parts.engine.describe(parts.choose(who, name)))


@router.post("/v1/feedback", response_model=FeedbackKept, responses=examples.told(examples.FEEDBACK_ANSWERS, 507))
async def feedback(body: Annotated[FeedbackBody, Body(openapi_examples=examples.FEEDBACK)], parts: Parts, who: Who) -> Response:
    """Keep what people say of hits: judgements, which `bicross tune` and `evaluate` read, and what was shown and clicked, which
    `bicross questions` reads. It is on the disk, in the collection's folder `feedback`, when this is answered. Where the collection has
    not all of the documents nothing is kept, and the answer names them; a judgement may be taken back of one that is gone."""
    collection = parts.choose(who, body.collection)
    graded = (one for one in body.feedback if not isinstance(one, JudgementBody) or one.grade is not None)
    await kept.check_there(parts.engine, collection, (one.doc_id for one in graded))
    judgements, shown = [], []
    for one in body.feedback:
        if isinstance(one, JudgementBody):
            judgements.append(kept.Judgement(one.question, one.doc_id, one.grade))
        else:
            moment = None if one.time is None else datetime.fromisoformat(one.time)
            shown.append(kept.Shown(one.question, one.doc_id, one.position, one.clicked, moment))
    await run_in_threadpool(kept.add, parts.collections[collection], judgements, shown)
    return answer({"judgements": len(judgements), "shown": len(shown)})


async def _check_calibrated(engine: Engine, collection: str, body: SearchBody) -> None:
    facts = await engine.describe(collection)
    kind = facts["stage"] if (body.stage, body.depth) == ("both", "auto") else body.stage
    if kind == "both" and (body.depth == 0 or (body.depth == "auto" and facts["depth"] == 0)):
        kind = "fused"
    if kind not in facts["calibrated"]:
        message = (
            f"min_probability is asked for, and {kind} search of {collection} gives no probability; calibrate it with bicross calibrate."
        )
        raise Refused(409, message, "not_calibrated")


async def _explain(engine: Engine, collection: str, found: Json, deadline: float | None) -> None:
    """Give each hit of a question's answer `relevant_spans`. Where time or load do not allow it the answer says that it is degraded."""
    read = [hit for hit in found["hits"][:SPANNED] if hit["passage"] and "rerank" in hit["stages"]]
    texts = [reading(hit["title"], hit["passage"]["text"]) for hit in read]
    for hit in found["hits"]:
        hit["relevant_spans"] = None
    if not read:
        return
    start = time.monotonic()
    try:
        spans = await engine.spans(collection, found["text"], texts, deadline)
    except (Late, Overloaded, Unavailable):  # what was found is not lost for it
        found["degraded"] = True
        return
    found["seconds"] = {**found["seconds"], "explain": time.monotonic() - start}
    for hit, text, those in zip(read, texts, spans, strict=True):
        hit["relevant_spans"] = _in_passage(those, len(text) - len(hit["passage"]["text"]))


def _in_passage(spans: Sequence[Mapping[str, Any]], head: int) -> list[Json]:
    """Spans of what the reranker read, `head` code points of title before the passage, as spans of the passage."""
    moved = [{**span, "start": max(0, span["start"] - head), "end": span["end"] - head} for span in spans]
    return [span for span in moved if span["end"] > 0]


def _summed(seconds: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """The seconds by stage of questions that were asked together: they share the work, and wait at the same time."""
    names = dict.fromkeys(name for one in seconds for name in one)
    return {name: (max if name == "queue" else sum)(one.get(name, 0.0) for one in seconds) for name in names}


def _unknown() -> Refused:
    return Refused(404, "There is no document with this id.", "not_found")
