"""The values of an earlier evaluation, and what changed since."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from bicross.errors import InputError
from bicross.evaluation.changes import Change, changes
from bicross.evaluation.metrics import Values
from bicross.settings import EvaluateSettings

_SHAPE = "what `bicross evaluate --json > FILE` wrote, or a TREC run"
_ALIKE = {
    ("files", "queries", "sha256"): "queries",
    ("files", "qrels", "sha256"): "qrels",
    ("contents", "digest"): "documents",
    ("contents", "passage tokens"): "tokens a passage",
    ("search", "k"): "hits a question (-k)",
    ("measuring", "confidence"): "confidence",
}
"""What of `made_by` should be the same in both, and what it is called."""


@dataclass(frozen=True, slots=True)
class Baseline:
    """Values of an earlier search by measure and question. `made_by` is what they were made with, as far as that is known; `missing` counts
    the questions that it has nothing for, which are 0 in it."""

    name: str
    values: Values
    made_by: Mapping[str, Any] = field(default_factory=dict)
    missing: int = 0


@dataclass(frozen=True, slots=True)
class Against:
    """What changed since the baseline (before) on the `queries` that both have.

    `only_here` and `only_there` name the questions that one of them does not have; `remarks` say what makes the comparison weaker.
    """

    baseline: str
    queries: int
    changes: tuple[Change, ...]
    only_here: tuple[str, ...]
    only_there: tuple[str, ...]
    remarks: tuple[str, ...]


def parse_baseline(name: str, text: str) -> Baseline:
    """The JSON of an evaluation.

    Raises:
        InputError: it is not; the message names the file `name`.
    """
    try:
        found = json.loads(text)
    except ValueError as error:
        raise InputError(f"{name} is not JSON ({error}); expected {_SHAPE}.") from error
    values = found.get("per_query") if isinstance(found, dict) else None
    if not isinstance(values, dict) or not values:
        raise InputError(f"{name} has no values by question under `per_query`; expected {_SHAPE}.")
    for measure, by_query in values.items():
        if not isinstance(by_query, dict) or not all(map(_is_number, by_query.values())):
            raise InputError(f"{name} has under per_query {measure!r} what is no number for each question; expected {_SHAPE}.")
    made_by = found.get("made_by")
    return Baseline(name, values, made_by if isinstance(made_by, dict) else {})


def against(baseline: Baseline, values: Values, made_by: Mapping[str, Any], settings: EvaluateSettings) -> Against:
    """What changed from the baseline to `values`, made by `made_by`, over the questions that both have, in the measures that both have.

    Raises:
        InputError: there is no such question, or no such measure.
    """
    shared = [measure for measure in values if measure in baseline.values]
    if not shared:
        raise InputError(
            f"{baseline.name} has the measures {', '.join(baseline.values)}, asked are {', '.join(values)}; expected one in both. "
            "Name it with --measures."
        )
    here, there = values[shared[0]], {query for measure in shared for query in baseline.values[measure]}
    both = [query for query in here if all(query in baseline.values[measure] for measure in shared)]
    if not both:
        raise InputError(
            f"{baseline.name} has none of the {len(here)} questions that were asked; expected the same query ids in both. "
            "Evaluate with the questions of the baseline, or make a new baseline."
        )
    before, after = ({name: {query: of[name][query] for query in both} for name in shared} for of in (baseline.values, values))
    only_here, only_there = tuple(sorted(set(here) - set(both))), tuple(sorted(there - set(both)))
    return Against(
        baseline=baseline.name,
        queries=len(both),
        changes=changes(before, after, settings),
        only_here=only_here,
        only_there=only_there,
        remarks=(*_differing(baseline, made_by), *_remarks(baseline, values, only_here, only_there)),
    )


def _differing(baseline: Baseline, made_by: Mapping[str, Any]) -> Iterator[str]:
    """What was measured in another way then, so that a change may not be the search's. What either does not say is passed over."""
    for path, what in _ALIKE.items():
        then, now = _fact(baseline.made_by, path), _fact(made_by, path)
        if then is not None and now is not None and then != now:
            pair = "their sha256 differ" if path[-1] in ("sha256", "digest") else f"{then} then, {now} now"
            yield f"{baseline.name} was made with other {what}: {pair}, so that a change may come from there."


def _fact(facts: Any, path: tuple[str, ...]) -> Any:
    for name in path:
        facts = facts.get(name) if isinstance(facts, Mapping) else None
    return facts


def _remarks(baseline: Baseline, values: Values, only_here: tuple[str, ...], only_there: tuple[str, ...]) -> list[str]:
    found = []
    if baseline.missing:
        found.append(f"{baseline.name} has nothing for {baseline.missing} questions, which are 0 in it.")
    if only_here:
        found.append(f"{len(only_here)} questions are not in {baseline.name}, so not compared.")
    if only_there:
        found.append(f"{len(only_there)} questions of {baseline.name} were not asked now, so not compared.")
    if lacking := [measure for measure in values if measure not in baseline.values]:
        found.append(f"{baseline.name} has no {', '.join(lacking)}.")
    return found


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
