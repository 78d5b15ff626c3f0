"""Mined rows whose every score is written down, and a likeness that can be seen by eye."""

from __future__ import annotations

from collections.abc import Mapping

from bicross.mining import denoise
from bicross.records import Candidate, Mined, Query
from bicross.settings import MineSettings

SETTINGS = MineSettings(depth=6, hard_depth=3, quantile=0.5, random=2)


def likeness(text: str, others: tuple[str, ...]) -> float:
    """The highest share of words in common."""
    own, sets = set(text.lower().split()), [set(other.lower().split()) for other in others]
    return max((len(own & words) / len(own | words) for words in sets), default=0.0)


def candidate(doc_id: str, rank: int, rerank: float | None = None, text: str = "", **more: float) -> Candidate:
    """A document that dense search alone put at this rank."""
    scores = {
        "dense": 1 - rank / 100,
        "dense rank": float(rank),
        "rank": float(rank),
        **({} if rerank is None else {"rerank": rerank}),
        **more,
    }
    return Candidate(doc_id, text or f"text of {doc_id}", "unsorted", scores)


def answer(doc_id: str, rerank: float, text: str = "", rank: int | None = None) -> Candidate:
    """A known answer; without a rank, one that recall missed."""
    found = {} if rank is None else {"dense": 1 - rank / 100, "dense rank": float(rank), "rank": float(rank)}
    return Candidate(doc_id, text or f"answer {doc_id}", "positive", {**found, "grade": 1.0, "rerank": rerank})


def far(doc_id: str, rerank: float) -> Candidate:
    """A document drawn at random."""
    return Candidate(doc_id, f"far {doc_id}", "random", {"rerank": rerank})


def row(query_id: str, positives: list[Candidate], candidates: list[Candidate], source: Mapping[str, object] | None = None) -> Mined:
    return Mined(Query(query_id, f"question {query_id}"), tuple(positives), tuple(candidates), source or {"collection": "c1"})


def texts(mined: Mined) -> tuple[str, ...]:
    """Those of the known answers, each of one passage."""
    return tuple(one.text for one in mined.positives)


def kinds(mined: Mined) -> dict[str, str]:
    return {one.doc_id: one.kind for one in mined.candidates}


def sorted_rows(count: int = 4) -> list[Mined]:
    """Rows with two hard negatives, a suspect, a near-duplicate, an easy and two random ones each; the threshold is 0.8."""
    rows = []
    for number in range(count):
        found = [
            candidate("h1", 2, 0.1),
            candidate("h2", 3, 0.7),
            candidate("s", 4, 0.9, lexical=9.0),
            candidate("e", 5, 0.2),
            candidate("d", 6, 0.95, text=f"Answer p{number}"),
        ]
        made = row(f"q{number}", [answer(f"p{number}", 0.8, rank=1)], [*found, far("r1", 0.0), far("r2", 0.05)])
        rows.append(denoise.mark_duplicates(made, texts(made), SETTINGS, likeness))
    return denoise.sort(rows, SETTINGS, denoise.threshold(rows, SETTINGS.quantile))
