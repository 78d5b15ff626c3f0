"""The gate in worlds whose answer is known: nothing changed, a planted gain, planted falls."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from math import sqrt

import numpy as np
import pytest

from bicross.errors import InputError
from bicross.evaluation import gate
from bicross.evaluation.compare import Comparison, bootstrap_interval, compare, randomisation_test
from bicross.evaluation.gate import Decision, Guard, better, decide, general_guards, needed_queries
from bicross.records import Hit, Qrels, Run
from bicross.settings import GateSettings

SETTINGS = GateSettings(measure="RR@10")
QUERIES = 120
CHINESE, ENGLISH = ([f"q{number}" for number in range(start, QUERIES, 2)] for start in (0, 1))
LANGUAGES = {"language en": ENGLISH, "language zh": CHINESE}


def world(before: Sequence[int], after: Sequence[int]) -> tuple[Run, Run, Qrels]:
    """Runs that put the relevant document of question n at these places (0: not found), and the judgements."""
    runs = []
    for name, places in (("old", before), ("new", after)):
        rankings = {
            f"q{number}": tuple(Hit("r" if at == place else f"x{at}", 0.0) for at in range(1, 11)) for number, place in enumerate(places)
        }
        runs.append(Run(name, rankings))
    return runs[0], runs[1], {f"q{number}": {"r": 1} for number in range(len(before))}


def decided(
    before: Sequence[int],
    after: Sequence[int],
    slices: Mapping[str, Sequence[str]] = LANGUAGES,
    general: Mapping[str, tuple[Run, Run, Qrels]] | None = None,
    latency: tuple[float, float] = (0.1, 0.1),
    settings: GateSettings = SETTINGS,
) -> Decision:
    return decide(*world(before, after), slices, general or {}, latency, settings)


def guard_of(decision: Decision, name: str) -> Guard:
    return next(guard for guard in decision.guards if guard.name == name)


BEFORE = [2] * QUERIES
GAIN = [1 if number % 3 else 3 for number in range(QUERIES)]  # two thirds rise by 1/2, one third falls by 1/6


def test_a_real_gain_is_promoted() -> None:
    found = decided(BEFORE, GAIN)
    assert found.promoted and found.warnings == ()
    assert found.reason.startswith("Promoted: RR@10 rose by 0.2778, from 0.5000 to 0.7778, over 120 questions (95% interval [+0.")
    assert found.comparison.difference == pytest.approx(5 / 18)
    assert [guard.name for guard in found.guards] == ["language en", "language zh", "latency"]
    assert guard_of(found, "language en").queries == 60 and all(guard.passed for guard in found.guards)


def test_equal_runs_are_refused_with_a_clear_reason() -> None:
    found = decided(BEFORE, BEFORE)
    assert not found.promoted and all(guard.passed for guard in found.guards)
    assert found.reason == "Nothing better was found: RR@10 is 0.5000 before and after, equal on each of 120 questions."


def test_what_is_worse_is_refused() -> None:
    found = decided(BEFORE, [3] * QUERIES, {})
    assert not found.promoted
    assert found.reason.startswith("Nothing better was found: RR@10 fell by 0.1667, from 0.5000 to 0.3333")


def test_a_gain_that_may_be_chance_is_refused() -> None:
    found = decided(BEFORE, [1, 1, 1, *[2] * (QUERIES - 3)], {})
    assert not found.promoted and found.comparison.difference > 0 and found.comparison.confidence[0] < 0
    assert found.reason.startswith("Nothing better was found: the gain may be chance: RR@10 rose by 0.0125") and "p = 0.25" in found.reason


def test_a_gain_has_to_pass_the_margin() -> None:
    close = SETTINGS.model_copy(update={"margin": 0.25})
    found = decided(BEFORE, GAIN, settings=close)
    assert not found.promoted and found.comparison.difference > 0.25 > found.comparison.confidence[0]
    assert "the gain is not surely above the margin of 0.25" in found.reason
    assert decided(BEFORE, GAIN, settings=close.model_copy(update={"margin": 0.1})).promoted


def test_of_equal_models_few_are_called_better() -> None:
    """An A/A world. The bound: 2.5 of 100 are expected, and more than 37 of 1,000 have a chance below 0.01."""
    rng, promoted = np.random.default_rng(0), 0
    for seed in range(1000):
        old, new = (1 / rng.integers(1, 8, 60) for _ in range(2))
        differences = (new - old).tolist()
        interval, p_value = bootstrap_interval(differences, resamples=300, seed=seed), randomisation_test(differences, 300, seed)
        mean = float(np.mean(differences))
        found = Comparison("RR@10", 60, float(old.mean()), float(new.mean()), mean, interval, p_value, 0, 0, 0, 0, 0, "")
        assert not better(found, SETTINGS) or mean > 0
        promoted += better(found, SETTINGS)
    assert 5 <= promoted <= 37


def test_guards_of_unchanged_slices_rarely_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    """Six slices of 20: their means alone fall by more than the limit in most worlds, the guards fail in at most every fifth."""
    monkeypatch.setattr(gate, "compare", partial(compare, resamples=400))  # as exact as this needs, and 20 times as fast
    rng, blocked, fell = np.random.default_rng(1), 0, 0
    parts = {f"tag {tag}": [f"q{number}" for number in range(tag, QUERIES, 6)] for tag in range(6)}
    for _ in range(60):
        old, new = (rng.integers(1, 8, QUERIES).tolist() for _ in range(2))
        guards = decided(old, new, parts).guards
        blocked += any(not guard.passed for guard in guards)
        fell += any(guard.difference < -guard.limit for guard in guards)
    assert fell >= 45 and blocked <= 20  # at a rate of 1 in 5, 21 or more of 60 have a chance below 0.01


@pytest.mark.parametrize("name", ["language zh", "short"])
def test_a_regression_of_one_slice_is_refused_although_the_mean_is_better(name: str) -> None:
    slices = {**LANGUAGES, "short": [f"q{number}" for number in range(30)]}
    worse = set(slices[name])
    old, new = [2] * QUERIES, [4 if f"q{number}" in worse else 1 for number in range(QUERIES)]
    found = decided(old, new, slices)
    assert better(found.comparison, SETTINGS) and not found.promoted
    failed = guard_of(found, name)
    assert not failed.passed and failed.difference == pytest.approx(-0.25) and failed.limit == 0.03
    assert "Not promoted, because RR@10 of " in found.reason
    assert f"{name!r} fell by 0.2500, from 0.5000 to 0.2500, over {len(worse)} questions, more than the limit of 0.03" in found.reason


def test_a_small_fall_on_many_questions_is_within_the_limit() -> None:
    chinese = [10 if number % 24 == 0 else 2 for number in range(QUERIES)]  # 5 of 60 fall by 0.4: 0.033 of the mean
    new = [place if number % 2 == 0 else 1 for number, place in enumerate(chinese)]
    assert decided(BEFORE, new, settings=SETTINGS.model_copy(update={"slice_limit": 0.05})).promoted
    found = decided(BEFORE, new)
    assert not found.promoted and guard_of(found, "language zh").difference == pytest.approx(-1 / 30)


def test_a_fall_of_a_small_slice_that_may_be_chance_is_let_pass_and_told() -> None:
    new = [5, 5, 1, *GAIN[3:]]
    found = decided(BEFORE, new, {**LANGUAGES, "tag x": ["q0", "q1", *[f"q{number}" for number in range(3, 57, 3)]]})
    assert not found.promoted  # the 18 others of the tag fall too
    few_fall = {**LANGUAGES, "tag x": ["q0", "q1", *(f"q{number}" for number in range(100, 118))]}
    unchanged = decided(BEFORE, [5, 5, *GAIN[2:100], *[2] * 20], few_fall)
    assert unchanged.promoted
    assert guard_of(unchanged, "tag x").difference == pytest.approx(-0.03)  # not more than the limit
    assert unchanged.warnings == ()
    told = decided(BEFORE, [9, 9, *GAIN[2:100], *[2] * 20], few_fall)
    assert told.promoted and guard_of(told, "tag x").passed
    (warning,) = told.warnings
    assert (
        warning.startswith("RR@10 of 'tag x' fell by 0.0389")
        and "among 3 guards of its kind this may be chance (one-sided p = 0.2500)" in warning
    )


def test_small_slices_are_not_judged_and_told() -> None:
    found = decided(BEFORE, GAIN, {"tag x": ["q0", "q3", "q3", "unjudged"], "tag y": ["unjudged"], "language zh": CHINESE})
    assert found.promoted and [guard.name for guard in found.guards] == ["language zh", "latency"]
    assert found.warnings == ("Fewer than 20 judged questions, so not judged: tag x (2), tag y (0).",)


def test_a_slice_that_a_run_lost_is_a_fall_to_zero() -> None:
    before, after, qrels = world(BEFORE, [1] * QUERIES)
    short = [f"q{number}" for number in range(20)]
    without = Run("new", {query: ranking for query, ranking in after.rankings.items() if query not in short})
    found = decide(before, without, qrels, {"short": short}, {}, (1, 1), SETTINGS)
    assert better(found.comparison, SETTINGS) and not found.promoted and guard_of(found, "short").after == 0


def test_forgetting_is_refused() -> None:
    general = {"xquad_en": world([1] * 60, [1] * 60), "xquad_zh": world([1] * 60, [1] * 50 + [2] * 10)}
    found = decided(BEFORE, GAIN, general=general)
    assert not found.promoted and guard_of(found, "general xquad_en").passed
    assert "RR@10 of 'general xquad_zh' fell by 0.0833" in found.reason and found.reason.count("fell") == 1
    assert guard_of(found, "general xquad_zh").limit == 0.02
    assert decided(BEFORE, GAIN, general={"xquad_en": general["xquad_en"]}).promoted


def test_forgetting_is_refused_however_many_tags_the_questions_have() -> None:
    """Seven of 60 general questions fall by 1/2: chance does that once in 128 times, too seldom for one guard, and not for one of 41."""
    general = {"xquad_zh": world([1] * 60, [2] * 7 + [1] * 53)}
    tags = {f"tag {tag}": [f"q{(7 * tag + number) % QUERIES}" for number in range(20)] for tag in range(40)}
    alone, many = decided(BEFORE, [1] * QUERIES, {}, general), decided(BEFORE, [1] * QUERIES, tags, general)
    for found in (alone, many):
        failed = guard_of(found, "general xquad_zh")
        assert not found.promoted and not failed.passed and failed.difference == pytest.approx(-7 / 120)
        assert (failed,) == general_guards(general, SETTINGS)
    assert len(many.guards) == 42 and sum(not guard.passed for guard in many.guards) == 1


def test_a_slice_may_fall_no_further_beside_general_sets() -> None:
    """Four questions of a tag fall, p = 1/16: too seldom for one of two slices, and not for one of eleven guards."""
    new = [9, 9, 9, 9, *GAIN[4:100], *[2] * 20]
    slices = {"tag x": [f"q{number}" for number in (0, 1, 2, 3, *range(100, 120))], "language zh": CHINESE}
    general = {f"set {number}": world([2] * 20, [1] * 20) for number in range(9)}
    found = [decided(BEFORE, new, slices, more) for more in ({}, general)]
    assert guard_of(found[0], "tag x") == guard_of(found[1], "tag x")
    assert not guard_of(found[0], "tag x").passed


def test_a_general_set_of_few_questions_is_not_judged() -> None:
    general = {"small": world([1] * 19, [2] * 19)}
    assert general_guards(general, SETTINGS) == ()
    assert decided(BEFORE, GAIN, general=general).warnings == ("Fewer than 20 judged questions, so not judged: general small (19).",)


def test_a_general_set_of_other_questions_is_an_error() -> None:
    before, after, qrels = world([1] * 30, [1] * 30)
    with pytest.raises(InputError, match="none of the 30 judged queries"):
        decided(BEFORE, GAIN, general={"g": (before, after, {f"other{query}": grades for query, grades in qrels.items()})})


def test_slower_than_allowed_is_refused() -> None:
    assert decided(BEFORE, GAIN, latency=(0.1, 0.15)).promoted
    found = decided(BEFORE, GAIN, latency=(0.1, 0.16))
    assert not found.promoted and not guard_of(found, "latency").passed
    assert "because a search takes 0.1600 s instead of 0.1000 s, more than 1.5 times as long; RR@10 rose by" in found.reason
    both = decided(BEFORE, [4 if number % 2 == 0 else 1 for number in range(QUERIES)], latency=(1, 9)).reason
    assert "'language zh' fell by" in both and " and a search takes 9.0000 s" in both


def test_few_questions_are_warned_of() -> None:
    before, after = [2, 3, 1, 4, 2, 5] * 5, [1, 3, 2, 2, 2, 6] * 5
    found = decided(before, after, {})
    low, high = found.comparison.confidence
    differences = [1 / new - 1 / old for old, new in zip(before, after, strict=True)]
    needed = needed_queries(differences, found.comparison.difference)
    (warning,) = found.warnings
    assert warning == (
        f"So few judged questions (30) can hardly prove a gain: the 95% interval is {high - low:.4f} wide; "
        f"if the gain of {found.comparison.difference:.4f} is real, about {needed} would show it, four times in five."
    )
    assert needed > 30 and not found.promoted
    assert decided([2] * 99, [1] * 99, {}).warnings == (
        "So few judged questions (99) can hardly prove a gain: the 95% interval is 0.0605 wide.",
    )
    assert decided([2] * 100, [1] * 100, {}).warnings == ()
    assert not decided([2], [1], {}).promoted


def test_the_questions_needed_give_the_power_that_was_asked_for() -> None:
    rng = np.random.default_rng(3)
    pool = rng.choice([-0.5, -0.2, 0.0, 0.0, 0.3, 0.5], 4000)
    pool = pool - pool.mean() + 0.1
    needed = needed_queries(pool.tolist(), 0.1, power=0.8)
    assert needed == pytest.approx((1.95996 + 0.84162) ** 2 * pool.var(ddof=1) / 0.01, abs=1)
    drawn = [rng.choice(pool, needed) for _ in range(400)]
    shown = [abs(sample.mean()) / (sample.std(ddof=1) / sqrt(needed)) > 1.96 for sample in drawn]
    assert 0.73 <= np.mean(shown) <= 0.87
    assert needed_queries(pool.tolist(), 0.1, power=0.95) > needed > needed_queries(pool.tolist(), 0.2)


def test_no_fewer_questions_than_the_test_can_use() -> None:
    needed = needed_queries([0.5, 0.5, 0.5], 0.5)
    assert randomisation_test([0.5] * needed) < 0.05 <= randomisation_test([0.5] * (needed - 1))


@pytest.mark.parametrize(("differences", "effect"), [([], 0.1), ([0.1], 0.1), ([0.1, 0.2], 0.0)])
def test_nothing_to_plan_with_is_an_error(differences: list[float], effect: float) -> None:
    with pytest.raises(InputError, match="expected two or more"):
        needed_queries(differences, effect)
