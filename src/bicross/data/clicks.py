"""Graded answers out of a click log, with the bias towards high positions taken out.

A pair of query and document that was shown n times at positions with propensities p has sum(p) expected examinations. Clicks divided
by them estimate how attractive it is: each impression is weighted by the inverse of its propensity (Joachims et al., "Unbiased
Learning-to-Rank with Biased Feedback", WSDM 2017), self-normalised, so that the variance of deep positions stays bounded. The rate
is drawn towards the log's own by `PRIOR` examinations, and a grade is given by the bounds of its interval (Wilson, JASA 1927), never
by the rate itself, so that few clicks give no grade.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bicross.data.click_log import Log, read_clicks
from bicross.data.pairs import Pairs, draw, name_of
from bicross.data.propensities import Cells, Floats, Ints, Propensities, estimate
from bicross.records import Query
from bicross.settings import QuestionSettings

PRIOR = 5.0  # examinations at the log's own rate
DEVIATIONS = 1.645  # of the bounds: each is passed with a chance of 5 %
LEAST_CLICKS = 3  # below which no grade above 0 is given
ODDS = (1.0, 2.0, 5.0)
"""Grade 1, 2 or 3: the odds of a click upon examination are surely more than so many times the log's own."""
NO_ODDS = 0.5
"""Grade 0: the odds are surely less than so many times the log's own."""
SHOWN_POSITIONS = 10  # of the propensities, in the remark
NO_GRADE = -1


@dataclass(frozen=True, slots=True)
class _Graded:
    """Pairs with a grade: query and document by number, all (pairs,)."""

    query: Ints
    document: Ints
    grade: Ints


def from_clicks(
    sources: Sequence[Path], settings: QuestionSettings, texts: Mapping[str, str], progress: Callable[[str, int, int], None]
) -> Pairs:
    """Queries with grades 0 to 3 for training, out of the earlier rows, and for development, out of the latest `dev_share` of them.

    Propensities are estimated on the earlier rows alone. No query text is in both parts: of those with a grade above 0 in both, the seed
    gives a `dev_share` to development. Queries without a grade above 0 are left out. Without times there is no development part;
    without positions clicks are taken as they are; where no row says that a document was shown and not clicked, propensities fall as
    1/rank, and every search is taken to have shown what the query's clicks show. The remarks say which of these was done.

    Args:
        texts: query id -> text, for a log that has ids alone.

    Raises:
        InputError: as `read_clicks`.
    """
    log = read_clicks(sources, texts, progress)
    late = _late(log.time, settings.dev_share)
    bias = _bias(log, ~late)
    parts = {"train": _graded(log, ~late, bias)} | ({"dev": _graded(log, late, bias)} if late.any() else {})
    left_out = Counter(log.left_out)
    qrels = _parted({part: _answers(log, graded) for part, graded in parts.items()}, log, settings, left_out)
    for part, graded in parts.items():
        left_out[f"pairs of query and document with too few clicks and views to tell ({part})"] += int((graded.grade == NO_GRADE).sum())
    numbers = sorted({query for answers in qrels.values() for query in answers}, key=lambda query: log.queries[query])
    named = {query: Query(name_of("clicks", log.queries[query]), log.queries[query], {"made_of": "clicks"}) for query in numbers}
    ordered = {part: {named[query].id: answers[query] for query in numbers if query in answers} for part, answers in qrels.items()}
    return Pairs(tuple(named.values()), ordered, dict(+left_out), log.skipped, tuple(_remarks(log, bias, settings)))


def _late(time: Floats, share: float) -> NDArray[np.bool_]:
    """The rows of the latest `share`, (rows,); rows of one moment stay together, in the earlier part. None without times."""
    if not share or np.isnan(time).any() or not len(time):
        return np.zeros(len(time), dtype=bool)
    late: NDArray[np.bool_] = time > np.quantile(time, 1 - share, method="inverted_cdf")
    return late


def _bias(log: Log, rows: NDArray[np.bool_]) -> Propensities:
    deepest = int(log.position.max())
    if not log.positions:
        return Propensities(np.ones(deepest + 1), ())
    cells = _cells(log, rows)
    return estimate(cells if log.impressions else cells[np.zeros(len(cells.pair), dtype=bool)], deepest)


def _pairs_of(log: Log, rows: NDArray[np.bool_]) -> tuple[Ints, Ints]:
    """The pairs of query and document, each once, as query * documents + document, and the number of each row's pair."""
    pairs, pair = np.unique(log.query[rows] * len(log.documents) + log.document[rows], return_inverse=True)
    return pairs, pair


def _cells(log: Log, rows: NDArray[np.bool_]) -> Cells:
    """The rows, counted; pairs are numbered as `_pairs_of` has them. A click without its impression counts as one."""
    width = int(log.position.max()) + 1
    key, cell = np.unique(_pairs_of(log, rows)[1] * width + log.position[rows], return_inverse=True)
    shown, clicked = (np.bincount(cell, column[rows], len(key)).astype(np.int64) for column in (log.shown, log.clicked))
    return Cells(key // width, key % width, np.maximum(shown, clicked), clicked)


def _graded(log: Log, rows: NDArray[np.bool_], bias: Propensities) -> _Graded:
    """Every pair of the rows, with its grade or NO_GRADE."""
    pairs, cells = _pairs_of(log, rows)[0], _cells(log, rows)
    query, document = pairs // len(log.documents), pairs % len(log.documents)
    weight = bias.values[cells.position]
    clicks = _sums(cells.pair, cells.clicked)  # (pairs,)
    if log.impressions:
        examined = _sums(cells.pair, cells.shown * weight)
    else:  # each click of the query was a search; clicks over propensities tell how often the document was clicked had it been seen
        examined = _sums(query, clicks)[query] * clicks / _sums(cells.pair, cells.clicked / weight)
    return _Graded(query, document, grades(clicks, np.maximum(examined, clicks)))


def _sums(group: Ints, values: NDArray[Any]) -> Floats:
    """The sum of the values of each group, (groups,)."""
    return np.bincount(group, values).astype(np.float64)


def grades(clicks: Floats, examined: Floats) -> Ints:
    """Grade 0 to 3, or NO_GRADE, of pairs with so many clicks out of so many examinations, (pairs,) each; see `ODDS`."""
    if not len(clicks):
        return np.empty(0, dtype=np.int64)
    rate = min(max(float(clicks.sum() / examined.sum()), 1e-6), 1 - 1e-6)
    total = examined + PRIOR
    low, high = wilson((clicks + PRIOR * rate) / total, total)
    found = np.full(len(clicks), NO_GRADE)
    found[high < _times(rate, NO_ODDS)] = 0
    for grade, odds in enumerate(ODDS, start=1):
        found[(low > _times(rate, odds)) & (clicks >= LEAST_CLICKS)] = grade
    return found


def wilson(rate: Floats, total: Floats) -> tuple[Floats, Floats]:
    """The bounds of a rate that was seen in `total` trials, which need not be whole."""
    square = DEVIATIONS**2 / total
    centre, half = rate + square / 2, DEVIATIONS * np.sqrt(rate * (1 - rate) / total + square / (4 * total))
    return (centre - half) / (1 + square), (centre + half) / (1 + square)


def _times(rate: float, odds: float) -> float:
    """The rate whose odds are so many times those of `rate`."""
    return odds * rate / (1 - rate + odds * rate)


def _answers(log: Log, graded: _Graded) -> dict[int, dict[str, int]]:
    """Query -> document id -> grade, for queries with a grade above 0."""
    found: dict[int, dict[str, int]] = {}
    for query, document, grade in zip(graded.query.tolist(), graded.document.tolist(), graded.grade.tolist(), strict=True):
        if grade != NO_GRADE:
            found.setdefault(query, {})[log.documents[document]] = grade
    return {query: dict(sorted(answers.items())) for query, answers in found.items() if any(answers.values())}


def _parted(
    parts: Mapping[str, dict[int, dict[str, int]]], log: Log, settings: QuestionSettings, left_out: Counter[str]
) -> dict[str, dict[int, dict[str, int]]]:
    """The parts with no query in both, and at most `limit` of them in training."""
    train, dev = dict(parts["train"]), dict(parts.get("dev", {}))
    both = sorted(train.keys() & dev.keys(), key=lambda query: draw(settings.seed, log.queries[query]))
    to_dev = math.floor(settings.dev_share * len(both) + 0.5)
    for place, query in enumerate(both):
        del (train if place < to_dev else dev)[query]
    left_out["queries of one part that the other part has"] += len(both)
    chosen = sorted(train, key=lambda query: draw(settings.seed, log.queries[query]))[: settings.limit]
    left_out["over the limit"] += len(train) - len(chosen)
    told = {query for answers in parts.values() for query in answers}
    left_out["queries without a document that is surely clicked more often than others"] += len(log.queries) - len(told)
    kept = {"train": {query: train[query] for query in chosen}}
    return kept | ({"dev": dev} if dev else {})


def _remarks(log: Log, bias: Propensities, settings: QuestionSettings) -> list[str]:
    shown = ", ".join(f"{position} {value:.2f}" for position, value in list(enumerate(bias.values))[1 : SHOWN_POSITIONS + 1])
    told = f"Positions {_ranges(bias.known)} are estimated from documents that were shown at several positions for one query"
    if not log.positions:
        found = ["The log has no positions: clicks are not corrected for where a document stood."]
    elif not bias.known:
        why = "shows no document often enough at several positions for one query" if log.impressions else "has clicks alone"
        found = [f"The log {why}, so that position bias is not estimated but assumed to be 1/rank."]
    elif len(bias.known) < len(bias.values) - 1:
        found = [f"{told}; the others are assumed to fall as 1/rank from the nearest. Chance of being looked at: {shown}."]
    else:
        found = [f"{told}. Chance of being looked at: {shown}."]
    if np.isnan(log.time).any():
        found.append("The log has no times, so that no questions are set apart for development.")
    elif settings.dev_share:
        found.append("The development questions are of the latest rows, and none of them is a training question.")
    return found


def _ranges(numbers: Sequence[int]) -> str:
    """1, 2, 3, 5 as "1 to 3, 5"."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return ", ".join(str(run[0]) if len(run) == 1 else f"{run[0]} to {run[-1]}" for run in runs)
