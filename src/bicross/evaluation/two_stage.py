"""What recall found and missed, and what reranking gained and lost, question by question.

Four values of one measure, each of the same question:

    recalled    the candidates in the order of recall
    final       the same candidates in the order of the reranker
    best        the same candidates in the best order: what any reranker could reach on them
    ideal       all documents that are judged relevant, in the best order

final - recalled is what reranking gained or lost, ideal - best what recall missed, best - final what the order leaves on the table.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bicross.evaluation.changes import Change, changes, said
from bicross.evaluation.compare import ROUNDING
from bicross.evaluation.metrics import best_orders, mean, per_query
from bicross.records import Hit, Qrels, Run
from bicross.settings import EvaluateSettings

MISSED, LOST, BOTH = "missed at recall", "lost at rerank", "missed at recall and lost at rerank"
LOW, FINE = "found, but ranked low", "nothing lost"
KINDS = (MISSED, LOST, BOTH, LOW, FINE)
"""`MISSED`: relevant documents are not among the candidates, so that no order reaches the ideal. `LOST`: the reranker's order is worse than
recall's. `LOW`: neither, but a better order of the candidates exists, which recall did not give and the reranker did not find."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """One question by the leading measure. `relevant` counts documents judged above 0, `found` those of them among the candidates."""

    query_id: str
    kind: str
    relevant: int
    found: int
    recalled: float
    final: float
    best: float
    ideal: float


@dataclass(frozen=True, slots=True)
class TwoStage:
    """Recall and reranking apart. `depth` candidates were read, 0 where none was reranked.

    `means` are of the four values of the leading `measure`; `changes` test the order of recall (before) against the final order (after) of
    the same candidates, for each measure. `uncredited` counts hits of the final order that recall did not give: they earn nothing here.
    """

    measure: str
    depth: int
    means: Mapping[str, float]
    changes: tuple[Change, ...]
    verdict: str
    kinds: Mapping[str, int]
    relevant: int
    found: int
    uncredited: int
    outcomes: tuple[Outcome, ...]


def two_stage(recalled: Run, final: Run, qrels: Qrels, depth: int, k: int, settings: EvaluateSettings) -> TwoStage:
    """Take the two stages apart, over all judged questions. The first of the settings' measures leads.

    `recalled` are all candidates in the order of recall, `final` the reranked order. Of both the first k count, as in a search; the best
    order is of all candidates. What `final` has beyond them is left out: a reranker gets no credit for what recall never found.

    Raises:
        InputError: as `per_query`.
    """
    names, leading = settings.measures, settings.measures[0]
    credited, uncredited = _credited(recalled, final)
    before, after = (per_query(names, qrels, _first(run, k)) for run in (recalled, credited))
    best = per_query([leading], qrels, best_orders(qrels, recalled))[leading]
    ideal = per_query([leading], qrels, _ideal(qrels))[leading]
    outcomes = tuple(_outcome(query, qrels[query], recalled, before[leading], after[leading], best, ideal) for query in qrels)
    tested, kinds = changes(before, after, settings), Counter(one.kind for one in outcomes)
    return TwoStage(
        measure=leading,
        depth=depth,
        means={name: mean(getattr(one, name) for one in outcomes) for name in ("recalled", "final", "best", "ideal")},
        changes=tested,
        verdict=_verdict(tested[0], depth, settings.confidence),
        kinds={kind: kinds[kind] for kind in KINDS},
        relevant=sum(one.relevant for one in outcomes),
        found=sum(one.found for one in outcomes),
        uncredited=uncredited,
        outcomes=outcomes,
    )


def _credited(recalled: Run, final: Run) -> tuple[Run, int]:
    """The final order without what recall did not give, and how many hits that were."""
    kept = dict[str, Sequence[Hit]]()
    for query, ranking in final.rankings.items():
        candidates = {hit.doc_id for hit in recalled.rankings.get(query, ())}
        kept[query] = tuple(hit for hit in ranking if hit.doc_id in candidates)
    gone = sum(len(ranking) - len(kept[query]) for query, ranking in final.rankings.items())
    return Run(final.name, {query: tuple(hits) for query, hits in kept.items()}), gone


def _first(run: Run, k: int) -> Run:
    return Run(run.name, {query: ranking[:k] for query, ranking in run.rankings.items()})


def _ideal(qrels: Qrels) -> Run:
    """All relevant documents of each question, the highest grades first."""
    ranked = {
        query: sorted((doc for doc, grade in grades.items() if grade > 0), key=lambda doc: -grades[doc]) for query, grades in qrels.items()
    }
    return Run("ideal", {query: tuple(Hit(doc, float(-place)) for place, doc in enumerate(docs)) for query, docs in ranked.items()})


def _outcome(
    query: str,
    grades: Mapping[str, int],
    recalled: Run,
    before: Mapping[str, float],
    after: Mapping[str, float],
    best: Mapping[str, float],
    ideal: Mapping[str, float],
) -> Outcome:
    relevant = {doc for doc, grade in grades.items() if grade > 0}
    found = sum(hit.doc_id in relevant for hit in recalled.rankings.get(query, ()))
    # There are measures (Bpref, or any with a relevance level) for which the order of the grades is not quite the best one.
    reachable = max(best[query], before[query], after[query])
    values = (before[query], after[query], reachable, max(ideal[query], reachable))
    return Outcome(query, _kind(*values), len(relevant), found, *values)


def _kind(recalled: float, final: float, best: float, ideal: float) -> str:
    missed, lost = ideal - best > ROUNDING, recalled - final > ROUNDING
    if missed or lost:
        return BOTH if missed and lost else MISSED if missed else LOST
    return LOW if best - final > ROUNDING else FINE


def _verdict(change: Change, depth: int, confidence: float) -> str:
    """What reranking did, in one sentence, with what that rests on."""
    if not depth:
        return "Nothing was reranked: the hits stand in the order of recall."
    word = {
        "better": "Reranking helps",
        "worse": "Reranking harms",
        "no difference shown": "No difference shown between the order of recall and the reranked order",
    }[change.shown]
    low, high = change.confidence
    text = (
        f"{word}: {change.measure} is {change.before:.4f} in the order of recall and {change.after:.4f} reranked, {change.difference:+.4f} "
        f"({confidence * 100:g}% interval [{low:+.4f}, {high:+.4f}], {said(change.adjusted)} after Holm's correction), over "
        f"{change.queries} questions: {change.wins} up, {change.losses} down, {change.ties} unchanged."
    )
    if change.shown == "worse":
        text += " Search with --depth 0 until `bicross weigh` or `bicross tune` has mended it."
    return text
