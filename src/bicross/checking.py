"""Search checked without a single label: how far its stages agree, and how steady its answers are."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from bicross import asking
from bicross.asking import STAGES
from bicross.data.near_duplicates import groups, likeness
from bicross.data.questions import read_queries
from bicross.evaluation.agreement_of_stages import TOP, Agreement, Movement, Rankings, agreements, movement
from bicross.evaluation.stability import Stability, Variant, compared, least_stable, stability, variants
from bicross.judging.draw import order
from bicross.opened import OpenCollection
from bicross.protocols import Progress, silent
from bicross.records import Query, Skip
from bicross.searchers.stopwatch import Stopwatch
from bicross.settings import CheckSettings, SearchSettings

DEEP = 100  # hits that rank-biased overlap sees
ALIKE = 0.7  # of two questions from which on they are near-duplicates, as for `split`
DUPLICATES = "near-duplicates"
MEANINGS = {
    "overlap": f"the share of the first {TOP} hits that two stages have in common. Stages that agree may be wrong together; a stage that "
    "finds what no other does may be the best or the worst. Fused and reranked share all where only so many candidates are read again.",
    "rank_biased": "agreement where the first ranks weigh most (persistence 0.9). It tells how alike two orders are, not which is better.",
    "same_first": "the share of questions for which both put the same document first.",
    "movement": "how far the reranker takes the order of recall apart. Near nothing: it costs time and changes little. A first hit "
    "that often comes from the last candidates read: a greater depth may find more. Whether what it moves is better, only judgements tell.",
    "stability": f"how much of the first {TOP} stays when the question is typed differently and asks the same. Little kept is a fault, "
    "whichever of the two answers is the better one; much kept does not show that the answers are right.",
    DUPLICATES: "the same for questions of your own that are nearly alike. Read the pairs named: one word may make them differ rightly.",
}
"""What each number says, and what it cannot say."""


@dataclass(frozen=True, slots=True)
class Checked:
    """`check`: what the stages say of each other over `asked` of the `questions` in the file, and how steady the answers are.

    `stability` has a row for each kind of change, and one for the near-duplicates in the file; `least_stable` and `near_duplicates` name
    questions, the worst first. `reranker` is None where nothing is reranked. `truncated` names the questions that a model could not read
    whole, as asked or in other words, or not with all of a passage beside them.
    """

    questions: int
    asked: int
    stages: tuple[Agreement, ...]
    reranker: Movement | None
    stability: tuple[Stability, ...]
    least_stable: tuple[Variant, ...]
    near_duplicates: tuple[Variant, ...]
    meanings: Mapping[str, str]
    seconds: float
    truncated: tuple[str, ...]
    skipped: tuple[Skip, ...]


def check(path: Path, queries_path: Path, settings: CheckSettings = CheckSettings(), progress: Progress = silent) -> Checked:
    """Without a judgement: how far the stages of search agree, and how steady the answers are when questions are typed differently.

    Raises:
        InputError: the queries are not what they should be.
    """
    start = time.perf_counter()
    queries, skipped = read_queries(queries_path)
    by_id = {query.id: query for query in queries}
    sample = [by_id[query] for query in order(by_id, settings.seed)[: settings.sample]]
    with OpenCollection(path) as collection:
        depth, cut = collection.depth(SearchSettings()), set[str]()
        ranked = {name: _ranked(collection, name, sample, DEEP, progress, cut) for name in STAGES if depth or name != "reranked"}
        last = list(ranked)[-1]
        changed: list[Variant] = []
        for kind, asked in variants(sample, settings.seed).items():
            after = _ranked(collection, last, asked, TOP, progress, cut, kind)
            changed += compared(kind, by_id, asked, ranked[last], after)
        duplicates = _duplicates(collection, last, queries, ranked[last], settings.sample, progress, cut)
    return Checked(
        questions=len(queries),
        asked=len(sample),
        stages=tuple(agreements(ranked)),
        reranker=movement(ranked["reranked"], depth) if depth else None,
        stability=tuple(stability([*changed, *duplicates])),
        least_stable=tuple(least_stable(changed)),
        near_duplicates=tuple(least_stable(duplicates)),
        meanings=MEANINGS,
        seconds=time.perf_counter() - start,
        truncated=tuple(sorted(cut)),
        skipped=tuple(skipped),
    )


def _ranked(
    collection: OpenCollection, stage: str, queries: Sequence[Query], k: int, progress: Progress, cut: set[str], kind: str = "as asked"
) -> Rankings:
    settings, what = SearchSettings(k=k, stage=STAGES[stage]), f"{stage} search, {kind}"
    return asking.ranked(collection, queries, settings, Stopwatch(), lambda _, done, total: progress(what, done, total), cut)


def _duplicates(
    collection: OpenCollection, stage: str, queries: Sequence[Query], known: Rankings, limit: int, progress: Progress, cut: set[str]
) -> list[Variant]:
    """Of the near-duplicate questions in the file the `limit` pairs most alike, as if the second were the first in other words."""
    pairs = _near_duplicates(queries)[:limit]
    needed = {query.id: query for pair in pairs for query in pair if query.id not in known}
    found = {**known, **_ranked(collection, stage, list(needed.values()), TOP, progress, cut, DUPLICATES)}
    rows = []
    for first, second in pairs:
        again = [Query(first.id, second.text)]
        rows += compared(DUPLICATES, {first.id: first}, again, {first.id: found[first.id]}, {first.id: found[second.id]})
    return rows


def _near_duplicates(queries: Sequence[Query]) -> list[tuple[Query, Query]]:
    """Neighbours in the groups of near-duplicates whose texts are alike and not the same, the most alike first."""
    members: dict[int, list[Query]] = {}
    for query, number in zip(queries, groups([query.text for query in queries], ALIKE), strict=True):
        members.setdefault(number, []).append(query)
    neighbours = [pair for group in members.values() for pair in pairwise(group)]
    rated = [(likeness(one.text, other.text), (one, other)) for one, other in neighbours if one.text != other.text]
    return [pair for alike, pair in sorted(rated, key=lambda row: -row[0]) if alike >= ALIKE]
