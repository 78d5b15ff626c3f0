"""Rules for a regression gate: the grammar, and worlds in which a fall is planted, excluded, or cannot be told."""

from __future__ import annotations

import numpy as np
import pytest

from bicross.errors import InputError
from bicross.evaluation.changes import changes
from bicross.evaluation.compare import differences
from bicross.evaluation.gate import needed_queries
from bicross.evaluation.regression import Check, Rule, judge, parse_rule
from bicross.settings import EvaluateSettings

SETTINGS = EvaluateSettings(resamples=300)


def checked(moved: list[float], *rules: str, settings: EvaluateSettings = SETTINGS) -> tuple[Check, ...]:
    """The answers where the questions of every measure moved by so much."""
    parsed = [parse_rule(rule) for rule in rules]
    before = {rule.measure: {f"q{number}": 0.5 for number in range(len(moved))} for rule in parsed}
    after = {rule.measure: {f"q{number}": 0.5 + value for number, value in enumerate(moved)} for rule in parsed}
    by_question = {rule.measure: differences(before[rule.measure], after[rule.measure]) for rule in parsed}
    return judge(parsed, changes(before, after, settings), by_question, settings)


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("nDCG@10 drops 0.01", Rule("nDCG@10", 0.01)),
        ("  RR@10   drops .5 ", Rule("RR@10", 0.5)),
        ("P(rel=2)@5 drops 0.02", Rule("P(rel=2)@5", 0.02)),
        ("P(rel=2, judged_only=True)@5 drops 0.02", Rule("P(rel=2, judged_only=True)@5", 0.02)),
    ],
)
def test_rules_are_read(text: str, rule: Rule) -> None:
    assert parse_rule(text) == rule


@pytest.mark.parametrize(
    "text",
    ["", "nDCG@10", "nDCG@10 drops", "nDCG@10 falls 0.1", "nDCG@10 drops 1%", "nDCG@10 drops 0", "AP drops 1", "AP drops -1", "drops 0.1"],
)
def test_what_is_no_rule_is_refused_with_the_grammar(text: str) -> None:
    with pytest.raises(InputError, match=r"expected MEASURE drops AMOUNT with an amount between 0 and 1, such as 'nDCG@10 drops 0\.01'"):
        parse_rule(text)


def test_an_unknown_measure_is_refused_with_those_that_are_known() -> None:
    with pytest.raises(InputError, match="Measure 'quality' is unknown"):
        parse_rule("quality drops 0.1")


def test_a_planted_fall_fails() -> None:
    (found,) = checked([-0.1] * 30 + [0.05] * 20, "nDCG@10 drops 0.01")
    assert found.state == "failed" and found.needed is None and found.difference == pytest.approx(-0.04)
    assert found.reason.startswith("failed: nDCG@10 fell by 0.0400, from 0.5000 to 0.4600, over 50 questions (95% interval [-0.0")
    assert found.reason.endswith("more than 0.01 is not allowed") and "one-sided p = 0.00" in found.reason


def test_a_fall_that_is_allowed_passes_where_more_is_excluded() -> None:
    (found,) = checked([-0.01, -0.005] * 25, "nDCG@10 drops 0.02")
    assert found.state == "passed" and found.reason.endswith("a fall by more than 0.02 is excluded")
    assert [one.state for one in checked([0.0] * 300, "nDCG@10 drops 0.01")] == ["passed"]
    assert [one.state for one in checked([0.1] * 50, "nDCG@10 drops 0.01")] == ["passed"]


@pytest.mark.parametrize("count", [2, 50, 299])
def test_that_none_of_few_questions_moved_excludes_no_small_fall(count: int) -> None:
    (found,) = checked([0.0] * count, "nDCG@10 drops 0.01")
    assert (found.state, found.needed) == ("cannot tell", 300) and found.confidence[0] < -0.01
    assert found.reason.endswith("all questions moved alike, and of 300 that did not move it would be excluded (the rule of three)")
    assert [one.state for one in checked([0.0] * count, "nDCG@10 drops 0.5")] == (["cannot tell"] if count == 2 else ["passed"])


@pytest.mark.parametrize("shift", [-0.05, 0.0, 0.005])
def test_what_chance_may_explain_cannot_be_told_and_says_how_many_questions_would(shift: float) -> None:
    noise = np.random.default_rng(0).normal(0, 0.4, 30)
    moved = (noise - noise.mean() + shift).tolist()
    (found,) = checked(moved, "nDCG@10 drops 0.02")
    assert found.state == "cannot tell"
    assert found.needed == needed_queries(moved, 0.02, confidence=0.9) and found.needed > 1000
    assert f"neither shown nor excluded; about {found.needed} questions would show one four times in five" in found.reason


def test_one_question_tells_nothing() -> None:
    (found,) = checked([-0.5], "RR drops 0.1")
    assert (found.state, found.needed) == ("cannot tell", None)


def test_several_rules_are_corrected_together_and_two_of_one_measure_are_one_test() -> None:
    moved = [-0.1] * 5 + [0.0] * 45  # one-sided p is 2 ** -5
    assert [one.state for one in checked(moved, "nDCG@10 drops 0.005")] == ["failed"]
    assert [one.state for one in checked(moved, "nDCG@10 drops 0.005", "nDCG@10 drops 0.5")] == ["failed", "passed"]
    both = checked(moved, "nDCG@10 drops 0.005", "RR@10 drops 0.005")
    assert [one.state for one in both] == ["cannot tell"] * 2 and [one.p_value for one in both] == [2**-4] * 2


def test_where_nothing_changed_few_gates_fail() -> None:
    rng, failed = np.random.default_rng(3), 0
    for _ in range(200):
        moved = (rng.normal(0, 0.3, 40) * (rng.random(40) < 0.5)).tolist()
        failed += checked(moved, "nDCG@10 drops 0.01", settings=EvaluateSettings(resamples=100))[0].state == "failed"
    assert failed <= 19  # at a rate of 1 in 20, 20 or more of 200 have a chance below 0.004
