"""An answer as the page shows it: each hit with its way through the stages, and two answers beside each other."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from bicross.serving.web.slope import Slope, slope, way
from bicross.serving.web.ways import COLUMNS, SHOWN, Way
from bicross.serving.web.words import Words, lang

CLIPPED = {"en": 64, "zh": 30}  # characters of a passage that stand for a missing title
STAGES = (*COLUMNS, "late", "rerank")
BARS = ("queue", "encode", "recall", "rerank")
SHORTEST = 0.0005  # seconds that round to a millisecond; what took less is left out


class StageRow(NamedTuple):
    """What a stage said of a hit, and what that added to its score; None where it said or added nothing."""

    name: str
    rank: int | None
    score: float | None
    added: float | None


@dataclass(frozen=True, slots=True)
class Shown:
    """A hit. `places` are (column, rank or None), `moved` how many places the reranker moved it up, None where there was no reranking;
    `key` names it in the page."""

    number: int
    id: str
    key: str
    title: str
    titled: bool
    text: str
    start: int
    end: int
    page: int | None
    heading: str
    places: tuple[tuple[str, int | None], ...]
    before: int | None
    moved: int | None
    percent: str | None
    score: float
    stages: tuple[StageRow, ...]

    @property
    def way(self) -> str:
        """Which way it was moved: "up", "down", "same"."""
        return "same" if not self.moved else "up" if self.moved > 0 else "down"


@dataclass(frozen=True, slots=True)
class Timing:
    """A stage's time in milliseconds, and its part of the whole as shares of the width: where it begins, and how long it is."""

    name: str
    ms: float
    x: str
    width: str


@dataclass(frozen=True, slots=True)
class View:
    """An answer: hits, the slope picture (None where only one stage ranked), and the time of the stages."""

    way: Way
    collection: str
    hits: tuple[Shown, ...]
    columns: tuple[str, ...]
    picture: Slope | None
    timings: tuple[Timing, ...]
    total: float
    read: int
    cut: bool
    degraded: bool


def key_of(doc_id: str) -> str:
    """A document's name as an element's id has it."""
    return hashlib.sha256(doc_id.encode("utf-8", "surrogatepass")).hexdigest()[:12]


def view_of(found: Mapping[str, Any], way: Way, collection: str, t: Words) -> View:
    """What `Engine.search` gave of one question, ready to be shown."""
    hits = found["hits"]
    reranked = way.settings.stage == "both" and found["reranked"] > 0
    columns = _columns(hits, reranked)
    shown = tuple(_shown(number, hit, columns) for number, hit in enumerate(hits, start=1))
    picture = None
    if len(columns) > 1 and shown:
        names = [t(f"stage_{column}") for column in columns]
        picture = slope(names, [[rank for _, rank in hit.places] for hit in shown], SHOWN)
    timings, total = _timings(found["seconds"])
    cut, degraded = found["truncated"], found.get("degraded", False)
    return View(way, collection, shown, columns, picture, timings, total, found["reranked"], cut, degraded)


def _columns(hits: Sequence[Mapping[str, Any]], reranked: bool) -> tuple[str, ...]:
    used = tuple(column for column in COLUMNS if any(column in hit["stages"] for hit in hits))
    return (*used, "final") if reranked else used


def _shown(number: int, hit: Mapping[str, Any], columns: Sequence[str]) -> Shown:
    stages, passage = hit["stages"], hit["passage"] or {"text": "", "start": 0, "end": 0, "page": None, "heading": ""}
    places = tuple((column, number if column == "final" else stages[column]["rank"] if column in stages else None) for column in columns)
    before = stages["fused"]["rank"] if "fused" in stages else None
    return Shown(
        number=number,
        id=hit["id"],
        key=key_of(hit["id"]),
        title=hit["title"].strip() or clipped(passage["text"]) or hit["id"],
        titled=bool(hit["title"].strip()),
        text=passage["text"],
        start=passage["start"],
        end=passage["end"],
        page=passage["page"],
        heading=passage["heading"],
        places=places,
        before=before,
        moved=before - number if "final" in columns and before is not None else None,
        percent=None if hit["probability"] is None else percent(hit["probability"]),
        score=hit["score"],
        stages=_rows(stages, hit.get("parts", {})),
    )


def _rows(stages: Mapping[str, Mapping[str, Any]], parts: Mapping[str, Mapping[str, Any]]) -> tuple[StageRow, ...]:
    said = {name: (stage["rank"], stage["score"]) for name, stage in stages.items()}
    names = [name for name in STAGES if name in said or name in parts]
    return tuple(StageRow(name, *said.get(name, (None, None)), parts[name]["added"] if name in parts else None) for name in names)


def percent(probability: float) -> str:
    """A probability in per cent; never 0 or 100, which no model knows."""
    value = 100 * probability
    return "< 1" if value < 1 else "> 99" if value > 99 else f"{value:.0f}"


def clipped(text: str) -> str:
    """The first words of a text."""
    flat = " ".join(text.lstrip("# ").split())
    most = CLIPPED[lang(text)]
    if len(flat) <= most:
        return flat
    head = flat[:most]
    return (head.rsplit(" ", 1)[0] if lang(text) == "en" and " " in head else head).rstrip(" ,;，；、") + "…"


def _timings(seconds: Mapping[str, float]) -> tuple[tuple[Timing, ...], float]:
    known = {name: value for name, value in seconds.items() if name != "total"}
    parts = {name: known[name] for name in BARS if known.get(name, 0.0) >= SHORTEST}
    if rest := sum(value for name, value in known.items() if name not in BARS):
        parts["other"] = rest
    total, begun, made = sum(parts.values()), 0.0, []
    for name, value in parts.items():
        share = 100 / total if total else 0.0
        made.append(Timing(name, 1000 * value, f"{begun * share:.2f}%", f"{value * share:.2f}%"))
        begun += value
    return tuple(made), 1000 * total


@dataclass(frozen=True, slots=True)
class Beside:
    """Two answers: the slope picture between them, how many hits both have, and by document id its ranks on each side,
    its number in the picture, and which way the second moved it."""

    picture: Slope
    both: int
    union: int
    same: bool
    ranks: tuple[Mapping[str, int], Mapping[str, int]]
    numbers: Mapping[str, int]
    ways: Mapping[str, str]


def beside(first: View, second: View) -> Beside:
    """Two answers to one question. In the picture the hits of the first come first, then those of the second alone."""
    ranks = tuple({hit.id: hit.number for hit in one.hits} for one in (first, second))
    ids = list(dict.fromkeys([*ranks[0], *ranks[1]]))
    pairs = [[ranks[0].get(one), ranks[1].get(one)] for one in ids]
    return Beside(
        picture=slope(("A", "B"), pairs, SHOWN),
        both=len(ranks[0].keys() & ranks[1].keys()),
        union=len(ids),
        same=list(ranks[0]) == list(ranks[1]),
        ranks=(ranks[0], ranks[1]),
        numbers={one: number for number, one in enumerate(ids, start=1)},
        ways={one: way(*pair) for one, pair in zip(ids, pairs, strict=True)},
    )
