"""What recall found and missed, and what reranking gained and lost, question by question.

Five values of one measure, each of the same question and over the first k hits, as in a search:

    recalled    the order of recall
    final       the order of the reranker
    reach       the candidates that were read in the best order: what any reranker could reach at this depth
    best        all that recall found in the best order: what a reranker could reach that read it all
    ideal       all documents that are judged relevant in the best order

final - recalled is what reranking gained or lost, reach - final what the order leaves on the table, best - reach what was found and not
read, ideal - best what recall missed. What recall found are its first `looked` hits, which do not depend on k where the measure has a
cutoff.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from bicross.evaluation.changes import Change, changes, said
from bicross.evaluation.compare import ROUNDING
from bicross.evaluation.metrics import Values, best_orders, mean, means, parse_measure, per_query
from bicross.records import Hit, Qrels, Ranking, Run
from bicross.settings import EvaluateSettings

POOL = 100  # hits of recall, at least, among which a relevant document counts as found
MISSED, LOST, BOTH = "missed at recall", "lost at rerank", "missed at recall and lost at rerank"
UNREAD, LOW = "found, not read", "found, but ranked low"
NONE, FINE = "nothing judged relevant", "nothing lost"
KINDS = (MISSED, LOST, BOTH, UNREAD, LOW, NONE, FINE)
"""`MISSED`: recall did not find relevant documents, so that no order reaches the ideal. `LOST`: the reranker's order is worse than
recall's. `UNREAD` and `LOW`: neither, but a better order of what was found exists; what more of it costs names the kind, documents behind
the candidates that were read, or the order of those. `NONE`: no order can be right or wrong."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """One question by the leading measure. `relevant` counts documents judged above 0, `found` those that recall found, `read` those of
    them that the reranker read.
    """

    query_id: str
    kind: str
    relevant: int
    found: int
    read: int
    recalled: float
    final: float
    reach: float
    best: float
    ideal: float


@dataclass(frozen=True, slots=True)
class TwoStage:
    """Recall and reranking apart. `depth` candidates were read, 0 where none was reranked; found is what stands among the first `looked`
    of recall.

    `means` are of the five values of the leading `measure`; `changes` test the order of recall (before) against the final order (after),
    for each measure, and `ceiling` has the mean of `best` for each. `uncredited` counts hits of the final order that recall did not give:
    they earn nothing here.
    """

    measure: str
    depth: int
    looked: int
    means: Mapping[str, float]
    ceiling: Mapping[str, float]
    changes: tuple[Change, ...]
    verdict: str
    kinds: Mapping[str, int]
    relevant: int
    found: int
    read: int
    uncredited: int
    outcomes: tuple[Outcome, ...]


def looked(measure: str, depth: int, k: int) -> int:
    """How many hits of recall are looked at: POOL, or more where that many are read or the measure looks deeper."""
    deepest: int = parse_measure(measure).params.get("cutoff", k)
    return max(POOL, depth, deepest)


def two_stage(recalled: Run, final: Run, qrels: Qrels, depth: int, k: int, settings: EvaluateSettings) -> TwoStage:
    """Take the two stages apart, over all judged questions. The first of the settings' measures leads.

    `recalled` is the order of recall, as far down as any measure looks (`looked`), `final` the order in which `depth` of it were reranked.
    Of every order the first k count. What `final` has that recall did not give is left out: a reranker gets no credit for it.

    Raises:
        InputError: as `per_query`.
    """
    names, leading = settings.measures, settings.measures[0]
    kept = credited(recalled, final)
    before, after = (per_query(names, qrels, first(run, k)) for run in (recalled, kept))
    best = {name: _best(name, qrels, first(recalled, looked(name, depth, k)), k, before, after) for name in names}
    reach = per_query([leading], qrels, first(_read_best(qrels, recalled, depth), k))[leading]
    ideal = per_query([leading], qrels, first(_ideal(qrels), k))[leading]
    seen = first(recalled, looked(leading, depth, k))
    outcomes = tuple(
        _outcome(query, qrels[query], seen.rankings.get(query, ()), depth, (before[leading], after[leading], reach, best[leading], ideal))
        for query in qrels
    )
    tested, kinds = changes(before, after, settings), Counter(one.kind for one in outcomes)
    return TwoStage(
        measure=leading,
        depth=depth,
        looked=looked(leading, depth, k),
        means={name: mean(getattr(one, name) for one in outcomes) for name in ("recalled", "final", "reach", "best", "ideal")},
        ceiling=means(best),
        changes=tested,
        verdict=_verdict(tested[0], depth, settings.confidence),
        kinds={kind: kinds[kind] for kind in KINDS},
        relevant=sum(one.relevant for one in outcomes),
        found=sum(one.found for one in outcomes),
        read=sum(one.read for one in outcomes),
        uncredited=sum(map(len, final.rankings.values())) - sum(map(len, kept.rankings.values())),
        outcomes=outcomes,
    )


def credited(recalled: Run, final: Run) -> Run:
    """The final order without what recall did not give."""
    kept: dict[str, Ranking] = {}
    for query, ranking in final.rankings.items():
        candidates = {hit.doc_id for hit in recalled.rankings.get(query, ())}
        kept[query] = tuple(hit for hit in ranking if hit.doc_id in candidates)
    return Run(final.name, kept)


def first(run: Run, k: int) -> Run:
    """The first k hits of each question."""
    return Run(run.name, {query: ranking[:k] for query, ranking in run.rankings.items()})


def _best(name: str, qrels: Qrels, seen: Run, k: int, before: Values, after: Values) -> dict[str, float]:
    """Question -> the best that any order of what recall found can reach."""
    ordered = per_query([name], qrels, first(best_orders(qrels, seen), k))[name]
    # There are measures (Bpref, or any with a relevance level) for which the order of the grades is not quite the best one.
    return {query: max(value, before[name][query], after[name][query]) for query, value in ordered.items()}


def _read_best(qrels: Qrels, recalled: Run, depth: int) -> Run:
    """The candidates that were read in the order of their grades, the others behind them as recall gave them."""
    read = best_orders(qrels, first(recalled, depth))
    return Run(recalled.name, {query: (*read.rankings[query], *recalled.rankings.get(query, ())[depth:]) for query in qrels})


def _ideal(qrels: Qrels) -> Run:
    """All relevant documents of each question, the highest grades first."""
    ranked = {
        query: sorted((doc for doc, grade in grades.items() if grade > 0), key=lambda doc: -grades[doc]) for query, grades in qrels.items()
    }
    return Run("ideal", {query: tuple(Hit(doc, float(-place)) for place, doc in enumerate(docs)) for query, docs in ranked.items()})


def _outcome(query: str, grades: Mapping[str, int], seen: Ranking, depth: int, values: tuple[Mapping[str, float], ...]) -> Outcome:
    """`seen` is what recall found; `values` are the five of the leading measure, by question."""
    relevant = {doc for doc, grade in grades.items() if grade > 0}
    found = [rank for rank, hit in enumerate(seen, start=1) if hit.doc_id in relevant]
    recalled, final, reach, best, ideal = (of[query] for of in values)
    reach = min(best, max(reach, recalled, final))
    ideal = max(ideal, best)
    kind = _kind(recalled, final, reach, best, ideal) if relevant and ideal > ROUNDING else NONE
    read = sum(rank <= depth for rank in found)
    return Outcome(query, kind, len(relevant), len(found), read, recalled, final, reach, best, ideal)


def _kind(recalled: float, final: float, reach: float, best: float, ideal: float) -> str:
    missed, lost = ideal - best > ROUNDING, recalled - final > ROUNDING
    if missed or lost:
        return BOTH if missed and lost else MISSED if missed else LOST
    if best - final > ROUNDING:
        return UNREAD if best - reach > reach - final else LOW
    return FINE


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
