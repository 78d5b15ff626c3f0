"""The two stages on parts of the questions: languages, short and long ones, the user's tags."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bicross.evaluation.compare import APART, WITHIN, bootstrap_interval
from bicross.evaluation.metrics import mean
from bicross.evaluation.slices import FEWEST
from bicross.evaluation.two_stage import Outcome
from bicross.settings import EvaluateSettings

Interval = tuple[float, float]


@dataclass(frozen=True, slots=True)
class SliceValue:
    """The leading measure on one part: its mean, the best that any reranker could reach, and what reranking gained, each over `queries`.

    The intervals are None where there are fewer than FEWEST questions. They are not corrected for the number of slices.
    """

    name: str
    queries: int
    value: float
    confidence: Interval | None
    best: float
    gain: float
    gain_confidence: Interval | None


def by_slice(outcomes: Sequence[Outcome], slices: Mapping[str, Sequence[str]], settings: EvaluateSettings) -> tuple[SliceValue, ...]:
    """One row a slice, in the order given; questions without an outcome are left out, and so are slices of such."""
    known = {one.query_id: one for one in outcomes}
    parts = {name: [known[query] for query in ids if query in known] for name, ids in slices.items()}
    return tuple(_slice_value(name, part, settings) for name, part in parts.items() if part)


def _slice_value(name: str, part: Sequence[Outcome], settings: EvaluateSettings) -> SliceValue:
    values, gains = [one.final for one in part], [one.final - one.recalled for one in part]
    few, sure = len(part) < FEWEST, (settings.confidence, settings.resamples, settings.seed)
    return SliceValue(
        name,
        len(part),
        mean(values),
        None if few else bootstrap_interval(values, *sure, WITHIN),
        mean(one.best for one in part),
        mean(gains),
        None if few else bootstrap_interval(gains, *sure, APART),
    )
