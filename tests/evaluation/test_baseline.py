"""Baselines as they were written, as they were not, and what both have in common."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bicross.errors import InputError
from bicross.evaluation.baseline import Baseline, against, parse_baseline
from bicross.settings import EvaluateSettings

SETTINGS = EvaluateSettings(resamples=200)
MADE = {
    "files": {what: {"path": "x", "sha256": digit * 64} for what, digit in (("queries", "1"), ("qrels", "2"))},
    "contents": {"digest": "3" * 64, "passage tokens": 256},
    "search": {"k": 100},
    "measuring": {"confidence": 0.95},
}


def written(**fields: Any) -> str:
    return json.dumps({"per_query": {"AP": {"q1": 0.5, "q2": 1}}, "made_by": MADE, "queries": 2, **fields})


def test_what_evaluate_wrote_is_read() -> None:
    found = parse_baseline("old.json", written())
    assert found == Baseline("old.json", {"AP": {"q1": 0.5, "q2": 1}}, MADE)
    assert parse_baseline("old.json", written(made_by=None)).made_by == {}


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
    old = Baseline("old.json", {"AP": {"q1": 0.5, "q2": 0.5, "gone": 1.0}, "RR": {"q1": 1.0, "q2": 1.0, "gone": 1.0}}, MADE)
    found = against(old, {"AP": {"q1": 1.0, "q2": 0.5, "new": 0.0}, "nDCG": {"q1": 1.0}}, MADE, SETTINGS)
    assert (found.queries, found.only_here, found.only_there) == (2, ("new",), ("gone",))
    (change,) = found.changes
    assert (change.measure, change.before, change.after, change.wins, change.ties) == ("AP", 0.5, 0.75, 1, 1)
    assert found.remarks == (
        "1 questions are not in old.json, so not compared.",
        "1 questions of old.json were not asked now, so not compared.",
        "old.json has no nDCG.",
    )


@pytest.mark.parametrize(
    ("part", "facts", "said"),
    [
        ("files", {"qrels": {"sha256": "4" * 64}}, "other qrels: their sha256 differ"),
        ("contents", {"digest": "4" * 64}, "other documents: their sha256 differ"),
        ("contents", {"digest": "3" * 64, "passage tokens": 128}, "other tokens a passage: 256 then, 128 now"),
        ("search", {"k": 10}, "other hits a question (-k): 100 then, 10 now"),
        ("measuring", {"confidence": 0.9}, "other confidence: 0.95 then, 0.9 now"),
    ],
)
def test_what_was_measured_in_another_way_is_told(part: str, facts: dict[str, Any], said: str) -> None:
    old, values = parse_baseline("old.json", written()), {"AP": {"q1": 1.0, "q2": 1.0}}
    (remark,) = against(old, values, {**MADE, part: facts}, SETTINGS).remarks
    assert remark == f"old.json was made with {said}, so that a change may come from there."
    assert against(old, values, {**MADE, part: {}}, SETTINGS).remarks == against(old, values, MADE, SETTINGS).remarks == ()


def test_a_baseline_that_says_nothing_of_itself_and_one_with_nothing_for_some_questions() -> None:
    values = {"AP": {"q1": 1.0, "q2": 0.0}}
    assert against(Baseline("run", values), values, MADE, SETTINGS).remarks == ()
    assert against(Baseline("run", values, missing=1), values, MADE, SETTINGS).remarks == (
        "run has nothing for 1 questions, which are 0 in it.",
    )


def test_nothing_in_common_is_an_error() -> None:
    old = parse_baseline("old.json", written())
    with pytest.raises(InputError, match="has the measures AP, asked are RR"):
        against(old, {"RR": {"q1": 1.0}}, MADE, SETTINGS)
    with pytest.raises(InputError, match="none of the 1 questions"):
        against(old, {"AP": {"other": 1.0}}, MADE, SETTINGS)
