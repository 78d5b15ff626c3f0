"""The paired tests against exact enumeration, known differences, and a simulation of the interval's coverage."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bicross.errors import InputError
from bicross.evaluation import compare as module
from bicross.evaluation.compare import APART, bootstrap_interval, compare, randomisation_test, unseen
from bicross.records import Hit, Run


def run_with_ranks(ranks: list[int], name: str = "run") -> Run:
    """A run that puts the relevant document `r` of query n at place ranks[n]."""
    return Run(
        name, {f"q{n}": tuple(Hit("r" if place == rank else f"x{place}", 0.0) for place in range(1, 11)) for n, rank in enumerate(ranks)}
    )


def qrels_of(queries: int) -> dict[str, dict[str, int]]:
    return {f"q{n}": {"r": 1} for n in range(queries)}


def test_a_run_against_itself_shows_nothing() -> None:
    run = run_with_ranks([1, 2, 3, 4] * 10)
    found = compare(run, run, qrels_of(40), "RR@10")
    assert (found.difference, found.p_value) == (0, 1)
    assert found.confidence == pytest.approx((-0.075, 0.075), abs=1e-3), "the rule of three: 3 in 40"
    assert (found.wins, found.losses, found.ties) == (0, 0, 40)
    assert found.verdict.startswith("no difference shown")


def test_two_runs_of_equal_worth_rarely_differ() -> None:
    rng = np.random.default_rng(0)
    p_values = []
    for _ in range(100):
        left, right = (run_with_ranks(rng.integers(1, 6, 60).tolist()) for _ in range(2))
        p_values.append(compare(left, right, qrels_of(60), "RR@10", resamples=400).p_value)
    assert np.mean(np.array(p_values) < 0.05) <= 0.12  # 0.05 expected; 12 of 100 has a chance below 0.002
    assert 0.35 < np.mean(p_values) < 0.65


def test_a_known_difference_is_found_and_has_a_direction() -> None:
    worse, better = run_with_ranks([2] * 30 + [1] * 10, "fused"), run_with_ranks([1] * 40, "reranked")
    found = compare(worse, better, qrels_of(40), "RR@10")
    assert found.mean_a == pytest.approx(0.625) and found.mean_b == 1
    assert found.difference == pytest.approx(0.375)
    assert found.confidence[0] > 0.25 and found.p_value == pytest.approx(1 / 10_001)
    assert (found.wins, found.losses, found.ties, found.queries) == (30, 0, 10, 40)
    assert found.verdict.startswith("reranked is better than fused: RR@10 is 0.6250 for fused and 1.0000 for reranked, +0.3750")
    assert "(reranked wins 30, loses 0, ties 10)." in found.verdict
    back = compare(better, worse, qrels_of(40), "RR@10")
    assert back.verdict.startswith("reranked is better than fused") and back.difference == -found.difference


def test_queries_that_a_run_lacks_count_against_it() -> None:
    whole, half = run_with_ranks([1] * 40), run_with_ranks([1] * 20)
    found = compare(whole, half, qrels_of(40), "RR@10")
    assert (found.mean_b, found.losses, found.ties) == (0.5, 20, 20)
    assert (found.missing_a, found.missing_b) == (0, 20)
    assert found.verdict.startswith("run (first) is better than run (second)")
    assert found.verdict.endswith("run (second) has nothing for 20 of them, which count as 0.")


def test_a_run_of_other_queries_is_refused() -> None:
    run, other = run_with_ranks([1] * 3), Run("other", {"x": (Hit("r", 1.0),)})
    for pair in ((run, other), (other, run)):
        with pytest.raises(InputError, match="The run other has none of the 3 judged queries"):
            compare(*pair, qrels_of(3), "RR@10")
    nothing = Run("nothing", {f"q{n}": () for n in range(3)})
    assert compare(run, nothing, qrels_of(3), "RR@10").missing_b == 3


def test_few_questions_are_called_few() -> None:
    found = compare(run_with_ranks([2, 2, 1]), run_with_ranks([1, 1, 2]), qrels_of(3), "RR@10")
    width = found.confidence[1] - found.confidence[0]
    assert "few questions can prove little" in found.verdict and f"{width:.4f} wide" in found.verdict
    assert "few questions" not in compare(run_with_ranks([2] * 25), run_with_ranks([1] * 25), qrels_of(25), "RR@10").verdict


def test_one_query_is_enough_to_run() -> None:
    found = compare(run_with_ranks([2]), run_with_ranks([1]), qrels_of(1), "RR@10")
    assert found.p_value == 1 and found.confidence == (-1, 1) and found.verdict.startswith("no difference shown")


@pytest.mark.parametrize(("value", "count"), [(0.5, 1), (0.0, 1), (0.3, 3), (0.0, 30), (1.0, 30), (-0.2, 300)])
def test_values_that_are_all_alike_are_no_certainty(value: float, count: int) -> None:
    low, high = bootstrap_interval([value] * count, bounds=APART)
    share = unseen(count)
    assert share == pytest.approx(min(1, 3 / count), abs=0.002)
    assert (low, high) == pytest.approx((value - share * (value + 1), value + share * (1 - value)))
    assert -1 <= low < high or value == 1
    assert bootstrap_interval([value] * count) == (value, value), "without bounds there is nothing to go by"


def test_unknown_measure_and_empty_qrels_are_errors() -> None:
    run = run_with_ranks([1])
    with pytest.raises(InputError):
        compare(run, run, qrels_of(1), "nonsense")
    with pytest.raises(InputError):
        compare(run, run, {}, "RR@10")
    with pytest.raises(InputError):
        bootstrap_interval([])


@given(st.lists(st.sampled_from([-0.5, -0.25, 0.0, 0.1, 0.3, 1.0]), max_size=8))
def test_small_samples_are_tested_exactly(differences: list[float]) -> None:
    observed = abs(sum(differences))
    sums = [
        abs(sum(sign * value for sign, value in zip(signs, differences, strict=True)))
        for signs in product([-1, 1], repeat=len(differences))
    ]
    exact = sum(value >= observed - 1e-9 for value in sums) / len(sums)
    assert randomisation_test(differences) == pytest.approx(exact)


def test_drawn_signs_agree_with_all_signs(monkeypatch: pytest.MonkeyPatch) -> None:
    differences = np.random.default_rng(1).normal(0.2, 0.5, 14).tolist()
    exact = randomisation_test(differences)
    monkeypatch.setattr(module, "EXACT", 0)
    assert randomisation_test(differences, 20_000) == pytest.approx(exact, abs=0.015)


def test_results_are_reproducible_and_do_not_hang_on_the_block_size(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(2).exponential(1, 101).tolist()  # skewed, so that it is the bootstrap that says how high
    first = bootstrap_interval(values, seed=3), randomisation_test(values, seed=3)
    monkeypatch.setattr(module, "BLOCK", 1 << 10)
    assert (bootstrap_interval(values, seed=3), randomisation_test(values, seed=3)) == first
    assert bootstrap_interval(values, seed=4) != first[0]


def test_the_interval_covers_the_true_mean_as_often_as_it_says() -> None:
    rng = np.random.default_rng(5)
    covered = []
    for trial in range(300):
        low, high = bootstrap_interval(rng.beta(0.5, 0.5, 60).tolist(), 0.9, 400, trial)
        covered.append(low <= 0.5 <= high)
    assert 0.84 <= np.mean(covered) <= 0.95


def test_a_wider_confidence_is_a_wider_interval() -> None:
    values = np.random.default_rng(6).random(50).tolist()
    (low, high), (lower, higher) = bootstrap_interval(values, 0.8), bootstrap_interval(values, 0.99)
    assert lower < low < np.mean(values) < high < higher
