"""The page to ask and to judge on: `/`, and the parts of it that a browser fetches while it is open."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlencode

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from starlette.responses import RedirectResponse, Response

from bicross.errors import BicrossError
from bicross.records import reading
from bicross.serving import feedback
from bicross.serving.refusals import Refused, Unavailable
from bicross.serving.served import caller, served
from bicross.serving.web import about, entry
from bicross.serving.web.marks import pieces, split_title
from bicross.serving.web.shell import names, refused, respond, told, words
from bicross.serving.web.view import View, beside, key_of, view_of
from bicross.serving.web.ways import SHOWN, Way, choices

router = APIRouter(include_in_schema=False)
router.include_router(about.router)
router.include_router(entry.router)
PATIENCE = 30.0  # seconds that a page waits for an answer
PASSAGE = 20_000  # characters of a passage that are explained


@dataclass(frozen=True, slots=True)
class Side:
    """Which collection is searched, and how."""

    collection: str
    way: Way


@dataclass(frozen=True, slots=True)
class Asked:
    """What the page was asked; `second` where two settings are compared."""

    question: str
    first: Side
    second: Side | None


def _asked(request: Request) -> Asked:
    """What the address says. Raises Refused 404 for a collection that the caller may not know of."""
    query, parts, who = request.query_params, served(request), caller(request)
    first = Side(parts.choose(who, query.get("c") or None), Way.of(query.get("w", "auto")))
    second = Side(parts.choose(who, query.get("c2") or first.collection), Way.of(query.get("w2", "fused"))) if query.get("b") else None
    return Asked(query.get("q", "").strip(), first, second)


async def _answer(request: Request, asked: Asked) -> tuple[int, dict[str, Any]]:
    """The status, and what `answer.html` reads."""
    found: dict[str, Any] = {"asked": asked, "names": names(request), "views": [], "beside": None, "grades": {}, "again": ""}
    found |= {"here": asked.first.collection, "shown_most": SHOWN, "calibrated": True}
    if not asked.question:
        return 200, found
    if len(asked.question) > feedback.LONGEST_QUESTION:
        return 422, {**found, "problem": words(request)("too_long", length=len(asked.question), most=feedback.LONGEST_QUESTION)}
    try:
        views = [await _view(request, asked.question, side) for side in (asked.first, asked.second) if side]
        grades = {} if asked.second else await run_in_threadpool(_grades, request, asked)
    except Unavailable as error:
        again = "" if request.app.state.draining else f"/ui/answer?{request.url.query}"
        return 503, {**found, "problem": words(request)("not_ready") if again else str(error), "again": again}
    except (Refused, BicrossError) as error:
        why = refused(request, error)
        return why.status, {**found, "problem": why.message}
    return 200, {**found, "views": views, "beside": beside(*views) if len(views) > 1 else None, "grades": grades}


async def _view(request: Request, question: str, side: Side) -> View:
    engine = served(request).engine
    found = await engine.search(side.collection, [question], side.way.settings, deadline=time.monotonic() + PATIENCE)
    return view_of(found[0], side.way, side.collection, words(request))


def _grades(request: Request, asked: Asked) -> dict[str, int]:
    return dict(feedback.grades(served(request).collections[asked.first.collection], asked.question))


@router.get("/")
async def ask(request: Request) -> Response:
    """The page, with the answer in it where a question is asked."""
    try:
        asked = _asked(request)
    except Refused as error:
        return told(request, error)
    status, found = await _answer(request, asked)
    other = asked.second or Side(asked.first.collection, Way.of("fused"))
    t = words(request)
    offered = {"ways_a": choices(asked.first.way, t), "ways_b": choices(other.way, t), "other": other}
    return respond(request, "ask.html", {**found, **offered, "tab": "ask", "longest": feedback.LONGEST_QUESTION}, status)


@router.get("/ui/answer")
async def answer(request: Request) -> Response:
    """The answer alone; the browser's address becomes that of the whole page."""
    try:
        asked = _asked(request)
    except Refused as error:
        return told(request, error)
    status, found = await _answer(request, asked)
    response = respond(request, "answer.html", found, status)
    response.headers["HX-Push-Url"] = f"/?{urlencode([*_kept(request)])}"
    return response


def _kept(request: Request) -> list[tuple[str, str]]:
    """The parameters of an address that are worth keeping: those of side B only where two sides are compared."""
    compared = bool(request.query_params.get("b"))
    wanted = ("q", "c", "w", "b", "c2", "w2") if compared else ("q", "c", "w")
    return [(name, value) for name, value in request.query_params.items() if name in wanted and value and (name, value) != ("w", "auto")]


@router.get("/ui/explain")
async def explain(request: Request) -> Response:
    """A passage with the words that mattered to the cross-encoder."""
    query, parts = request.query_params, served(request)
    try:
        collection = parts.choose(caller(request), query.get("c") or None)
        question = query.get("q", "").strip()[: feedback.LONGEST_QUESTION]
        begin, end = _number(query.get("start")), _number(query.get("end"))
        documents = await parts.engine.documents(collection, [query.get("id", "")[:1000]])
        if not documents or not question:
            return respond(request, "explained.html", {"problem": words(request)("gone")}, 404)
        text = documents[0]["text"][begin : min(end, begin + PASSAGE)]
        whole = reading(documents[0]["title"], text)
        spans = await parts.engine.spans(collection, question, [whole], time.monotonic() + PATIENCE)
    except (Refused, BicrossError) as error:
        why = refused(request, error)
        return respond(request, "explained.html", {"problem": why.message}, why.status)
    marked = pieces(whole, spans[0])
    title, body = split_title(whole, text, marked)
    return respond(request, "explained.html", {"title": title, "body": body, "whole": whole, "any": any(one.strength for one in marked)})


def _number(text: str | None) -> int:
    """A place in a text; 0 for what is none."""
    return int(text[:9]) if text and text.isascii() and text.isdigit() else 0


@router.post("/ui/judge")
async def judge(request: Request) -> Response:
    """A judgement, or one taken back. A browser without JavaScript is sent back to the answer."""
    form = {name: values[0] for name, values in parse_qs((await request.body()).decode("utf-8", "replace")).items()}
    parts, t = served(request), words(request)
    collection = parts.choose(caller(request), form.get("c") or None)
    question, document, said = form.get("q", "").strip(), form.get("document", ""), form.get("grade", "")
    if not 0 < len(question) <= feedback.LONGEST_QUESTION or not document or said not in ("0", "1", "2", "3", "undo"):
        raise Refused(422, "Expected a question, the id of a document, and a grade from 0 to 3 or undo.", "invalid_request")
    grade = None if said == "undo" else int(said)
    try:
        if grade is not None:
            await feedback.check_there(parts.engine, collection, [document])
        await run_in_threadpool(feedback.judge, parts.collections[collection], question, document, grade)
    except (Refused, BicrossError) as error:
        return told(request, refused(request, error))
    number = _number(form.get("number"))
    if "hx-request" not in request.headers:
        back = urlencode({"q": question, "c": collection})
        return RedirectResponse(f"/?{back}#hit-{number}", 303)
    told_of = t("taken_back") if grade is None else t("saved", grade=grade, meaning=t(f"grade_{grade}"))
    shown = {"key": key_of(document), "number": number, "id": document, "grade": grade, "question": question, "collection": collection}
    return respond(request, "judged.html", {**shown, "said": told_of})
