"""Examples of every body and answer of the native contract, in English and in Chinese, for its description.

None holds a null, because FastAPI leaves nulls out of the description.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi.openapi.models import Example

from bicross.serving.contracts.native_answers import Error

Json = dict[str, Any]
WHY = {
    400: "The body is no JSON, or not as it was announced.",
    401: "A key is needed, and none or an unknown one was sent.",
    403: "The key may not do this.",
    404: "There is no such collection or document, for this key.",
    405: "The path has no such method.",
    408: "The body came too slowly.",
    409: "A probability is asked for, and the collection was not calibrated.",
    413: "The body is too long.",
    415: "The body is compressed or of another type.",
    422: "Something in the request is not what it should be; the message names it and what was expected.",
    429: "More work waits than can be done in time; Retry-After says when to try again.",
    500: "Something went wrong in the server, which has it in its log under the request's id.",
    503: "The models are loading, the server is ending, or another process writes; Retry-After says when to try again.",
    504: "The deadline passed before an answer was ready.",
    507: "The server could not write to its disk.",
}
ALWAYS = (400, 401, 403, 404, 405, 408, 413, 415, 422, 429, 500, 503)


def told(answers: Mapping[str, Json], *more: int) -> dict[int | str, Json]:
    """The responses of a route: its answers by name, and errors."""
    shown = {name: {"value": value} for name, value in answers.items()}
    good: Json = {"description": "Done.", "content": {"application/json": {"examples": shown}}}
    return {200: good, **{status: {"model": Error, "description": WHY[status]} for status in sorted({*ALWAYS, *more})}}


def _asked(**examples: tuple[str, Json]) -> dict[str, Example]:
    return {name: Example(summary=summary, value=value) for name, (summary, value) in examples.items()}


def _answered(text: str, doc_id: str, title: str, passage: str, explained: bool = False) -> Json:
    hit: Json = {
        "id": doc_id,
        "score": 1.91,
        "probability": 0.93,
        "title": title,
        "passage": {"text": passage, "start": 0, "end": len(passage)},
        "stages": {
            "lexical": {"rank": 1, "score": 4.2},
            "dense": {"rank": 2, "score": 0.71},
            "fused": {"rank": 1, "score": 0.0325},
            "rerank": {"rank": 1, "score": 6.4},
        },
    }
    if explained:
        hit["parts"] = {"fused": {"weight": 0.5, "added": 0.61}, "rerank": {"weight": 1.0, "added": 1.3}}
        hit["relevant_spans"] = [{"start": 0, "end": len(passage), "score": 5.2}]
    seconds = {"queue": 0.002, "encode": 0.004, "recall": 0.003, "rerank": 0.08}
    facts: Json = {"text": text, "answerable": True, "probability": 0.93, "reranked": 20, "truncated": False, "degraded": False}
    return {"queries": [{**facts, "hits": [hit], "seconds": seconds}], "seconds": seconds}


SEARCH = _asked(
    english=("A question", {"question": "How do I reset the device?", "k": 3}),
    chinese=("只在中文文档中查找，并解释结果", {"question": "怎么重置设备？", "k": 3, "filter": {"lang": "zh"}, "explain": True}),
    several=(
        "Several questions, with a deadline, among documents of some years",
        {
            "questions": ["How long is the warranty?", "电池能用多久？"],
            "depth": 10,
            "filter": {"all": [{"year": {"gte": 2020, "lt": 2026}}, {"not": {"tag": {"in": ["draft", "草稿"]}}}]},
            "deadline": 10,
        },
    ),
)
SEARCH_ANSWERS = {
    "english": _answered("How do I reset the device?", "reset", "Reset", "Hold the power button for ten seconds to reset the device."),
    "chinese": _answered("怎么重置设备？", "重置", "重置", "按住电源键十秒即可重置设备。", explained=True),
}
PUT = _asked(
    english=(
        "A document with meta, which filters ask for",
        {
            "documents": [
                {
                    "id": "guides/cable",
                    "title": "Cable",
                    "text": "Use the cable that came with the device.",
                    "meta": {"lang": "en", "year": 2024, "tag": ["guide"]},
                }
            ]
        },
    ),
    chinese=(
        "一个中文文档",
        {
            "documents": [
                {"id": "指南/数据线", "title": "数据线", "text": "请使用随设备附带的数据线。", "meta": {"lang": "zh", "tag": ["手册"]}}
            ]
        },
    ),
)
PUT_ANSWERS: dict[str, Json] = {
    "added": {"changed": 1, "unchanged": 0, "truncated": [], "documents": 1251},
    "没有变化": {"changed": 0, "unchanged": 1, "truncated": [], "documents": 1251},
}
DELETE = _asked(english=("Two documents", {"ids": ["old/cable", "old/charger"]}), chinese=("一个中文文档", {"ids": ["旧版/数据线"]}))
DELETE_ANSWERS: dict[str, Json] = {
    "english": {"deleted": 1, "unknown": [], "documents": 1250},
    "不存在": {"deleted": 0, "unknown": ["旧版/数据线"], "documents": 1250},
}
DOCUMENT_ANSWERS: dict[str, Json] = {
    "english": {"id": "guides/cable", "title": "Cable", "text": "Use the cable that came with the device.", "meta": {"lang": "en"}},
    "chinese": {"id": "指南/数据线", "title": "数据线", "text": "请使用随设备附带的数据线。", "meta": {"lang": "zh", "tag": ["手册"]}},
}
_WEIGHTS = {"fusion": {"lexical": 1.0, "dense": 1.0}, "combination": {"rank": 0.5, "rerank": 1.0}}


def _described(name: str) -> Json:
    models = {
        "encoder": "bicross/starter-encoder",
        "reranker": "bicross/starter-reranker",
        "dimensions": 256,
        "matryoshka": [],
        "max_tokens": 256,
    }
    space = {
        "similarity": "cosine",
        "space": "5f2b",
        "depth": 20,
        "stage": "both",
        "adaptive": True,
        "fast": "bicross/starter-reranker-fast",
        "calibrated": ["both"],
        "weights": _WEIGHTS,
    }
    return {"name": name, "documents": 1250, "passages": 3100, **models, **space}


COLLECTION_ANSWERS = {"english": _described("manual"), "chinese": _described("手册")}
COLLECTIONS_ANSWERS: dict[str, Json] = {name: {"collections": [one]} for name, one in COLLECTION_ANSWERS.items()}
FEEDBACK = _asked(
    english=(
        "A judgement, and two documents of which the first was clicked",
        {
            "feedback": [
                {"question": "How do I reset the device?", "doc_id": "reset", "grade": 3},
                {
                    "question": "How do I reset the device?",
                    "doc_id": "reset",
                    "position": 1,
                    "clicked": True,
                    "time": "2026-11-25T09:30:00Z",
                },
                {"question": "How do I reset the device?", "doc_id": "battery", "position": 2, "clicked": False},
            ]
        },
    ),
    chinese=(
        "一个评分和一次点击",
        {
            "feedback": [
                {"question": "怎么重置设备？", "doc_id": "重置", "grade": 3},
                {"question": "怎么重置设备？", "doc_id": "重置", "position": 1, "clicked": True},
            ]
        },
    ),
)
FEEDBACK_ANSWERS: dict[str, Json] = {"english": {"judgements": 1, "shown": 2}, "chinese": {"judgements": 1, "shown": 1}}
