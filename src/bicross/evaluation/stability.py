"""Whether a question asked a little differently finds the same documents."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from bicross.evaluation.agreement_of_stages import TOP, Rankings, ids
from bicross.evaluation.averages import Mean, mean_of
from bicross.evaluation.overlap import overlap
from bicross.evaluation.perturbations import PERTURBATIONS
from bicross.records import Query

NAMED = 10  # of the least stable questions


@dataclass(frozen=True, slots=True)
class Variant:
    """A question asked differently: `kind` says how, `kept` is the share of its first TOP that stays, `same_first` whether its first hit
    does."""

    query_id: str
    text: str
    kind: str
    variant: str
    kept: float
    same_first: bool


@dataclass(frozen=True, slots=True)
class Stability:
    """Over the questions that a kind of change altered at all: how much of the first TOP stays, and how often the first hit does."""

    kind: str
    kept: Mean
    same_first: Mean


def variants(queries: Sequence[Query], seed: int) -> dict[str, list[Query]]:
    """Kind of change -> the questions that it alters, under their ids, in their new words. What would leave nothing to ask is left out."""
    made: dict[str, list[Query]] = {kind: [] for kind in PERTURBATIONS}
    for query in queries:
        for kind, change in PERTURBATIONS.items():
            text = change(query.text, seed)
            if text != query.text and any(map(str.isalnum, text)):
                made[kind].append(Query(query.id, text, query.meta))
    return made


def compared(kind: str, queries: Mapping[str, Query], asked: Sequence[Query], before: Rankings, after: Rankings) -> list[Variant]:
    """What the questions `asked` differently found, beside what those of the same ids in `queries` had found."""
    found = []
    for query in asked:
        old, new = ids(before[query.id]), ids(after[query.id])
        kept, same = overlap(old, new, TOP), old[:1] == new[:1]
        found.append(Variant(query.id, queries[query.id].text, kind, query.text, kept, same))
    return found


def stability(found: Sequence[Variant]) -> list[Stability]:
    """One row a kind, in the order in which they come."""
    by_kind: dict[str, list[Variant]] = {}
    for one in found:
        by_kind.setdefault(one.kind, []).append(one)
    return [
        Stability(kind, mean_of([one.kept for one in several]), mean_of([float(one.same_first) for one in several]))
        for kind, several in by_kind.items()
    ]


def least_stable(found: Sequence[Variant]) -> list[Variant]:
    """The change that hurts most, of each of the questions whose first TOP keeps least over all changes; the least stable first."""
    by_query: dict[str, list[Variant]] = {}
    for one in found:
        by_query.setdefault(one.query_id, []).append(one)
    means = {query: fmean(one.kept for one in several) for query, several in by_query.items()}
    worst = [query for query in sorted(means, key=lambda query: (means[query], query)) if means[query] < 1]
    return [min(by_query[query], key=lambda one: (one.kept, one.same_first)) for query in worst[:NAMED]]
