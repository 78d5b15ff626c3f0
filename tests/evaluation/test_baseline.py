"""Baselines as they were written, as they were not, and what both have in common."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bicross.errors import InputError
from bicross.evaluation.baseline import Baseline, against, parse_baseline
from bicross.settings import EvaluateSettings

SETTINGS = EvaluateSettings(resamples=200)
FILES = {"queries": "1" * 64, "qrels": "2" * 64}


def written(**fields: Any) -> str:
    made = {"files": {what: {"path": "x", "sha256": sha256} for what, sha256 in FILES.items()}}
    return json.dumps({"per_query": {"AP": {"q1": 0.5, "q2": 1}}, "made_by": made, "queries": 2, **fields})


def test_what_evaluate_wrote_is_read() -> None:
    found = parse_baseline("old.json", written())
    assert found == Baseline("old.json", {"AP": {"q1": 0.5, "q2": 1}}, FILES)
    assert parse_baseline("old.json", written(made_by=None)).files == {}


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("{", "is not JSON"),
        ("[]", "no values by question"),
        ("{}", "no values by question"),
        (written(per_query={}), "no values by question"),
        (written(per_query={"AP": {"q1": "high"}}), "under per_query 'AP' what is no number"),
        (written(per_query={"AP": {"q1": True}}), "no number"),
        (written(per_query={"AP": {"q1": float("nan")}}), "no number"),
        (written(per_query={"AP": [0.5]}), "no number"),
    ],
)
def test_what_is_no_baseline_is_refused(text: str, what: str) -> None:
    with pytest.raises(InputError, match=what) as refused:
        parse_baseline("old.json", text)
    assert "old.json" in str(refused.value) and "bicross evaluate --json > FILE" in str(refused.value)


def test_the_questions_that_both_have_are_compared_and_the_others_named() -> None:
    old = Baseline("old.json", {"AP": {"q1": 0.5, "q2": 0.5, "gone": 1.0}, "RR": {"q1": 1.0, "q2": 1.0, "gone": 1.0}}, FILES)
    found = against(old, {"AP": {"q1": 1.0, "q2": 0.5, "new": 0.0}, "nDCG": {"q1": 1.0}}, FILES, SETTINGS)
    assert (found.queries, found.only_here, found.only_there) == (2, ("new",), ("gone",))
    (change,) = found.changes
    assert (change.measure, change.before, change.after, change.wins, change.ties) == ("AP", 0.5, 0.75, 1, 1)
    assert found.remarks == (
        "1 questions are not in old.json, so not compared.",
        "1 questions of old.json were not asked now, so not compared.",
        "old.json has no nDCG.",
    )


def test_other_files_are_told() -> None:
    old = parse_baseline("old.json", written())
    (remark,) = against(old, {"AP": {"q1": 1.0, "q2": 1.0}}, {**FILES, "qrels": "3" * 64}, SETTINGS).remarks
    assert remark == "old.json was made with other qrels: their sha256 differ, so that a change may be the file's."
    assert against(Baseline("run", old.values, {}), {"AP": {"q1": 1.0, "q2": 1.0}}, FILES, SETTINGS).remarks == ()


def test_nothing_in_common_is_an_error() -> None:
    old = parse_baseline("old.json", written())
    with pytest.raises(InputError, match="has the measures AP, asked are RR"):
        against(old, {"RR": {"q1": 1.0}}, FILES, SETTINGS)
    with pytest.raises(InputError, match="none of the 1 questions"):
        against(old, {"AP": {"other": 1.0}}, FILES, SETTINGS)
