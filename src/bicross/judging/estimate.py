"""What judgements of drawn pairs say of the rankings they were drawn from, without bias."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bicross.judging.draw import Pair, discount

HIGHEST = 3  # grade: gain 1
Judged = Mapping[tuple[str, str], int]
"""(query id, document id) -> grade."""


def dcg(questions: Sequence[str], pairs: Sequence[Pair], judged: Judged, stages: Sequence[str]) -> dict[str, dict[str, float]]:
    """Query id -> stage -> estimated DCG@10, of the questions whose pairs are all judged.

    The gain is grade / HIGHEST, so that 1 is a perfect document at the first rank (linear gains, as trec_eval has them). A judged gain
    counts for 1 / probability documents like it (Horvitz and Thompson, JASA 1952): each value may be far off and above what a ranking can
    reach, but has the expectation of the true one, and so has the mean over questions. A question for which nothing was found is 0.
    """
    by_query: dict[str, list[Pair]] = {query: [] for query in questions}
    for pair in pairs:
        by_query[pair.query_id].append(pair)
    complete = {query: row for query, row in by_query.items() if all((query, pair.doc_id) in judged for pair in row)}
    return {query: {stage: sum(_value(pair, judged, stage) for pair in row) for stage in stages} for query, row in complete.items()}


def _value(pair: Pair, judged: Judged, stage: str) -> float:
    return judged[pair.query_id, pair.doc_id] / HIGHEST * discount(pair.ranks.get(stage)) / pair.probability
