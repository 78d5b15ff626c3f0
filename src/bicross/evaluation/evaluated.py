"""What `evaluate` gives back: all that the report shows, and what its JSON says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bicross.evaluation.baseline import Against
from bicross.evaluation.by_slice import SliceValue
from bicross.evaluation.depths import DepthCurve
from bicross.evaluation.probabilities import Probabilities
from bicross.evaluation.regression import Check
from bicross.evaluation.two_stage import TwoStage
from bicross.evaluation.worst import WorstQuestion
from bicross.records import Skip


@dataclass(frozen=True, slots=True)
class Evaluated:
    """`evaluate`: means with intervals, the best possible after recall, per-query values, and latency of single questions.

    `unknown` names judged documents that the collection does not hold: the relevant ones among them count as misses. `latency` are
    percentiles of all of a search, `stage_latency` of its stages, both of `timed` questions; `timed_again` counts the searches timed, over
    all depths, of a question that had been asked before. `truncated` names the questions that a model could not read whole, or not with
    all of a passage beside them. `texts` are the beginnings of the questions. `probabilities` is None where the hits have none. `checks`
    are the answers to the rules of `--fail-if`. `remarks` say what a reader should know before believing the rest; `made_by` what
    everything was made with.
    """

    stage: str
    depth: int
    queries: int
    measures: Mapping[str, float]
    confidence: Mapping[str, tuple[float, float]]
    ceiling: Mapping[str, float]
    per_query: Mapping[str, Mapping[str, float]]
    latency: Mapping[str, float]
    seconds: Mapping[str, float]
    unknown: tuple[str, ...] = ()
    skipped: tuple[Skip, ...] = field(default=())
    truncated: tuple[str, ...] = ()
    two_stage: TwoStage | None = None
    depths: DepthCurve | None = None
    stage_latency: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    timed: int = 0
    timed_again: int = 0
    slices: tuple[SliceValue, ...] = ()
    probabilities: Probabilities | None = None
    worst: tuple[WorstQuestion, ...] = ()
    texts: Mapping[str, str] = field(default_factory=dict)
    against: Against | None = None
    checks: tuple[Check, ...] = ()
    remarks: tuple[str, ...] = ()
    made_by: Mapping[str, Any] = field(default_factory=dict)
    report: str | None = None

    @property
    def failed(self) -> tuple[Check, ...]:
        """The rules that failed."""
        return tuple(check for check in self.checks if check.state == "failed")
