"""Any measure by its ir-measures name, query by query, equal to trec_eval's."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import fsum

import ir_measures
from ir_measures.measures.base import MeanAgg, Measure
from ir_measures.providers import FallbackProvider, Provider

from bicross.errors import InputError
from bicross.records import Qrels, Ranking, Run

Values = Mapping[str, Mapping[str, float]]
"""Measure, as it was named -> query id -> value."""

# Only what computes inside this process. gdeval is a Perl script that refuses query ids that are not numbers; accuracy divides by the
# number of documents that are not relevant, of which a question may have found none.
INSIDE = ("pytrec_eval", "msmarco", "judged", "compat")
PROVIDER: Provider = FallbackProvider([getattr(ir_measures, name) for name in INSIDE])  # type: ignore[no-untyped-call]  # it has no types
VALID = "nDCG@10, RR@10, R@100, P@5, AP, Rprec, Success@1, Bpref, Judged@10"
HIGHEST_GRADE = 1_000_000  # trec_eval keeps an array as long as the highest grade, and takes 2**32 for 0


def per_query(measures: Sequence[str], qrels: Qrels, run: Run) -> dict[str, dict[str, float]]:
    """Measure -> query id -> value, for every query of the qrels: one that the run does not have, or ranks nothing for, is 0.

    Queries of the run that have no qrels are left out. A grade below 0 gains nothing. The order is the run's own: trec_eval would
    sort by score, and equal scores by id, so it is given ranks for scores.

    Raises:
        InputError: a measure is unknown, the qrels are empty, or a grade is above a million.
    """
    named = {name: parse_measure(name) for name in measures}
    queries = list(qrels)
    if not queries:
        raise InputError("The qrels hold no query, so nothing can be measured; give at least one judged query.")
    judged, ranked = {}, {}
    for number, query in enumerate(queries):
        ranking = run.rankings.get(query, ())
        judged[str(number)], ranks = _plain(query, qrels[query], ranking)
        if ranks:  # `Judged` divides by the length
            ranked[str(number)] = ranks
    values = {name: dict.fromkeys(queries, 0.0) for name in named}
    for names in _by_gains(named).values():
        for found in PROVIDER.iter_calc(list(names), judged, ranked):
            for name in names[found.measure]:
                values[name][queries[int(found.query_id)]] = float(found.value)
    return values


def _by_gains(named: Mapping[str, Measure]) -> dict[str, dict[Measure, list[str]]]:
    """Gains -> measure -> its names: computed together, ir-measures would give measures without gains those of another."""
    groups: dict[str, dict[Measure, list[str]]] = {}
    for name, measure in named.items():
        groups.setdefault(str(measure.params.get("gains")), {}).setdefault(measure, []).append(name)
    return groups


def means(values: Values) -> dict[str, float]:
    """Measure -> mean over the queries of `per_query`."""
    return {name: mean(by_query.values()) for name, by_query in values.items()}


def mean(values: Iterable[float]) -> float:
    """The arithmetic mean, independent of the order of the values."""
    numbers = list(values)
    return fsum(numbers) / len(numbers)


def best_orders(qrels: Qrels, run: Run) -> Run:
    """The run's hits for each judged query in the order of their grades, those of one grade in the run's order."""
    ideal = {}
    for query, grades in qrels.items():
        candidates = run.rankings.get(query, ())
        ideal[query] = tuple(sorted(candidates, key=lambda hit: -max(grades.get(hit.doc_id, 0), 0)))
    return Run(run.name, ideal)


def parse_measure(name: str) -> Measure:
    """The measure that ir-measures knows by `name`.

    Raises:
        InputError: it knows none, or it needs a parameter, or its cutoff or relevance level is below 1 (trec_eval would end the process).
    """
    try:
        measure = ir_measures.parse_measure(name)
        known = PROVIDER.supports(measure)
    except (NameError, ValueError, KeyError, TypeError, AssertionError) as error:
        raise InputError(f"Measure {name!r} is unknown ({error}). Some that are known: {VALID}.") from error
    counts = [measure.params[key] for key in ("cutoff", "rel") if key in measure.params]
    if not known or any(isinstance(count, bool) or count < 1 for count in counts):
        raise InputError(f"Measure {name!r} cannot be computed here. Some that can: {VALID}.")
    if not isinstance(measure.aggregator(), MeanAgg):
        raise InputError(f"{name!r} counts and has no mean. Some measures that have: {VALID}.")
    return measure


def _plain(query: str, grades: Mapping[str, int], ranking: Ranking) -> tuple[dict[str, int], dict[str, float]]:
    """Grades and scores of one query by document, documents numbered: pytrec_eval crashes on ids that are not valid UTF-8."""
    numbers: dict[str, str] = {}
    judged = {numbers.setdefault(doc_id, str(len(numbers))): grade for doc_id, grade in grades.items()}
    highest = max(judged.values(), default=0)
    if highest > HIGHEST_GRADE:
        raise InputError(f"Query {query!r} has a document of grade {highest}; expected at most {HIGHEST_GRADE}. Use small whole grades.")
    ranks: dict[str, float] = {}
    for place, hit in enumerate(ranking):
        ranks.setdefault(numbers.setdefault(hit.doc_id, str(len(numbers))), float(len(ranking) - place))
    return judged, ranks
