"""The values of an earlier evaluation, and what changed since."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bicross.errors import InputError
from bicross.evaluation.changes import Change, changes
from bicross.evaluation.metrics import Values
from bicross.settings import EvaluateSettings

_SHAPE = "what `bicross evaluate --json > FILE` wrote, or a TREC run"


@dataclass(frozen=True, slots=True)
class Baseline:
    """Values of an earlier search by measure and question. `files` is the sha256 of its queries and qrels, where that is known."""

    name: str
    values: Values
    files: Mapping[str, str]


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
    return Baseline(name, values, _hashes(found))


def against(baseline: Baseline, values: Values, files: Mapping[str, str], settings: EvaluateSettings) -> Against:
    """What changed from the baseline to `values`, over the questions that both have, in the measures that both have.

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
        remarks=tuple(_remarks(baseline, values, files, only_here, only_there)),
    )


def _remarks(
    baseline: Baseline, values: Values, files: Mapping[str, str], only_here: tuple[str, ...], only_there: tuple[str, ...]
) -> list[str]:
    found = [
        f"{baseline.name} was made with other {what}: their sha256 differ, so that a change may be the file's."
        for what, of_file in files.items()
        if baseline.files.get(what, of_file) != of_file
    ]
    if only_here:
        found.append(f"{len(only_here)} questions are not in {baseline.name}, so not compared.")
    if only_there:
        found.append(f"{len(only_there)} questions of {baseline.name} were not asked now, so not compared.")
    if lacking := [measure for measure in values if measure not in baseline.values]:
        found.append(f"{baseline.name} has no {', '.join(lacking)}.")
    return found


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _hashes(found: Mapping[str, Any]) -> dict[str, str]:
    """What -> sha256, of the files that the evaluation read, if it says so."""
    made_by = found.get("made_by")
    files = made_by.get("files") if isinstance(made_by, dict) else None
    entries = files.items() if isinstance(files, dict) else ()
    return {what: entry["sha256"] for what, entry in entries if isinstance(entry, dict) and isinstance(entry.get("sha256"), str)}
