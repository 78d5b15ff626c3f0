"""Rankings whose telling pairs can be seen by eye, and sessions of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from bicross.judging.draw import Pair
from bicross.judging.session import Grades, Session
from bicross.records import Hit, Passage, Ranking


def ranking(documents: Sequence[str]) -> Ranking:
    return tuple(Hit(name, -float(place), Passage(f"{name}#0", name, 0, 9, f"text of {name}")) for place, name in enumerate(documents))


def pair(query: str, document: str, probability: float = 1.0, **ranks: int) -> Pair:
    return Pair(query, f"what is {query}?", document, f"Title {document}", (f"text of {document}", "正文"), probability, ranks)


PAIRS = [pair("q1", "a"), pair("q1", "b"), pair("q2", "a"), pair("q2", "c")]


def session(
    folder: Path, pairs: Sequence[Pair] = PAIRS, published: list[Grades] | None = None, gone: Sequence[tuple[str, str]] = ()
) -> Session:
    kept = [] if published is None else published
    return Session(folder, pairs, gone, lambda grades: kept.append({query: dict(row) for query, row in grades.items()}))


def shown(of: Session) -> tuple[str, str] | None:
    """The ids of the pair that is to be judged."""
    return of.current and (of.current.query_id, of.current.doc_id)


def say(of: Session, grade: int | None) -> None:
    assert of.current is not None
    of.say(of.current.query_id, of.current.doc_id, grade)


def total(values: Mapping[str, float]) -> float:
    return sum(values.values())
