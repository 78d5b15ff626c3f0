"""Fitted probabilities, in worlds whose true ones are known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import isotonic_regression

from bicross.evaluation.calibration import (
    ENOUGH,
    FOLDS,
    KNOTS,
    Numbers,
    Pair,
    base_rates,
    cross_fitted,
    fit,
    isotonic,
    log_losses,
    pairs_of,
    probabilities,
)
from bicross.records import Calibration, Hit, Stage, Term

SHOWN = 10


def logistic(logits: Numbers) -> Numbers:
    return np.asarray(1 / (1 + np.exp(-logits)))


def saturating(logits: Numbers) -> Numbers:
    """No logistic function: many of the best are answers that nobody marked."""
    return np.asarray(0.02 + 0.6 * logistic(4 * logits))


def world(questions: int, seed: int, chance: Callable[[Numbers], Numbers] = logistic) -> tuple[list[Pair], Numbers]:
    """Shown hits and their true probabilities. The cross-encoder knows the truth up to scale and offset; the cosine follows it loosely;
    BM25 is noise, and found two in three. The hits of one question are alike."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 1, (questions, 1)) + rng.normal(-2, 2, (questions, SHOWN))  # (questions, SHOWN)
    truth = chance(logits)
    relevant = rng.random(truth.shape) < truth
    cosine = 0.3 + 0.02 * logits + rng.normal(0, 0.05, truth.shape)
    bm25 = np.where(rng.random(truth.shape) < 2 / 3, rng.gamma(5, 2, truth.shape), np.nan)
    pairs = []
    for question in range(questions):
        for place in range(SHOWN):
            scores = {"dense": float(cosine[question, place]), "rerank": float(1.5 * logits[question, place] + 3)}
            if not np.isnan(bm25[question, place]):
                scores["lexical"] = float(bm25[question, place])
            pairs.append(Pair(f"q{question}", question % FOLDS, scores, bool(relevant[question, place]), True))
    return pairs, truth.ravel()


@pytest.mark.parametrize(("chance", "curved"), [(logistic, False), (saturating, True)])
def test_the_fit_finds_the_true_probabilities(chance: Callable[[Numbers], Numbers], curved: bool) -> None:
    pairs, _ = world(400, 0, chance)
    fresh, truth = world(400, 1, chance)
    curve = fit(pairs)
    assert bool(curve.knots) == curved
    assert np.abs(probabilities(curve, fresh) - truth).mean() < 0.02
    assert np.abs(cross_fitted(pairs) - world(400, 0, chance)[1]).mean() < 0.02
    assert curve.terms["lexical"].slope * 3 < 0.2 < curve.terms["rerank"].slope * 1.5  # per unit of the true logit, about 0 and 1


def test_few_pairs_are_not_given_a_free_curve() -> None:
    pairs, _ = world(ENOUGH // SHOWN - 1, 0, saturating)
    assert not fit(pairs).knots


SCORES = st.fixed_dictionaries(
    {"rerank": st.floats(-30, 30)}, optional={"dense": st.floats(-1, 1), "lexical": st.floats(0, 100), "late": st.floats(0, 1)}
)
CURVES = [fit(world(questions, 0, chance)[0]) for questions, chance in ((40, logistic), (200, saturating))]


@given(st.sampled_from(CURVES), SCORES, st.sampled_from(["dense", "lexical", "rerank"]), st.floats(0, 50))
@settings(max_examples=200)
def test_a_higher_score_never_counts_less_nor_does_being_found(
    curve: Calibration, scores: dict[str, float], name: str, more: float
) -> None:
    here = curve.probability(scores)
    assert here is not None and 0 <= here <= 1
    better = curve.probability({**scores, name: scores.get(name, -1.0 if name == "dense" else 0.0) + more})
    assert better is not None and better >= here - 1e-12


def test_cross_fitting_never_uses_pairs_of_the_same_fold() -> None:
    pairs, _ = world(150, 0)  # enough for both methods
    before = cross_fitted(pairs)
    turned = [pair._replace(relevant=not pair.relevant) if pair.fold == 2 else pair for pair in pairs]
    inside = np.array([pair.fold == 2 for pair in pairs])
    assert (cross_fitted(turned)[inside] == before[inside]).all()
    assert (cross_fitted(turned)[~inside] != before[~inside]).mean() > 0.9
    assert (base_rates(turned)[inside] == base_rates(pairs)[inside]).all()


def test_the_base_rate_is_that_of_the_other_folds() -> None:
    pairs = [Pair(str(fold), fold, {"dense": 0.5}, relevant, True) for fold, relevant in ((0, True), (0, False), (1, True), (2, False))]
    assert base_rates(pairs).tolist() == pytest.approx([1 / 2, 1 / 2, 1 / 3, 2 / 3])


def test_scores_that_tell_everything_apart_stay_finite() -> None:
    """Three answers at 5 and seven others at -5; Platt's targets are 4/5 and 1/9, and the logistic function goes through both."""
    pairs = [Pair("q", 0, {"rerank": 5.0 if place < 3 else -5.0}, place < 3, True) for place in range(10)]
    found = fit(pairs)
    assert found.probability({"rerank": 5.0}) == pytest.approx(4 / 5, abs=0.002)
    assert found.probability({"rerank": -5.0}) == pytest.approx(1 / 9, abs=0.002)


@pytest.mark.parametrize("relevant", [False, True])
def test_all_alike(relevant: bool) -> None:
    """None relevant of 28, or all of them: nearly never, or nearly always, by Platt's targets."""
    pairs = [Pair(str(place), place % 2, {"dense": place / 28}, relevant, True) for place in range(28)]
    assert probabilities(fit(pairs), pairs) == pytest.approx(29 / 30 if relevant else 1 / 30, abs=1e-3)


def test_what_a_search_did_not_find_counts_as_it_did_in_the_pairs() -> None:
    """Of what BM25 found half is relevant, of what it missed one in ten, whatever the score."""
    pairs = [
        Pair(str(row), row % 5, {"lexical": 4.0} if row < 200 else {}, row % 2 == 0 if row < 200 else row % 10 == 0, True)
        for row in range(400)
    ]
    found = fit(pairs)
    assert found.probability({"lexical": 4.0}) == pytest.approx(0.5, abs=0.01)
    assert found.probability({}) == pytest.approx(0.1, abs=0.01)


def test_a_score_that_never_varies_says_nothing() -> None:
    pairs = [Pair(str(row), row % 5, {"rerank": 2.0}, row % 4 == 0, True) for row in range(100)]
    assert fit(pairs).terms["rerank"] == Term(0.0)
    assert fit(pairs).probability({"rerank": 9.0}) == pytest.approx(0.25, abs=0.01)


@given(st.lists(st.tuples(st.integers(-5, 5), st.booleans()), min_size=1, max_size=40))
def test_isotonic_is_pool_adjacent_violators(rows: list[tuple[int, bool]]) -> None:
    values, targets = (np.array(column, dtype=np.float64) for column in zip(*rows, strict=True))
    different = np.unique(values)
    means = np.array([targets[values == value].mean() for value in different])
    weights = np.array([(values == value).sum() for value in different])
    reference = isotonic_regression(means, weights=weights)
    knots = isotonic(values, targets)
    levels = np.unique(reference.x.round(12))
    assert [target for _, target in knots] == pytest.approx(levels.tolist())
    for value, target in knots:  # each step stands at the mean of its values
        inside = different[np.isclose(reference.x, target)]
        assert value == pytest.approx(values[np.isin(values, inside)].mean())


def test_no_more_knots_than_allowed_and_little_lost() -> None:
    rng = np.random.default_rng(0)
    values = np.sort(rng.normal(0, 1, 1000))
    knots = isotonic(values, values**3)  # already monotone: a step for each value
    assert len(knots) == KNOTS
    assert sorted(knots) == knots and all(a[1] <= b[1] for a, b in pairwise(knots))
    drawn = np.interp(values, *zip(*knots, strict=True))
    assert np.abs(drawn - values**3)[20:-20].mean() < 0.05


def test_log_loss_is_of_what_is_the_case_and_bounded() -> None:
    pairs = [Pair("q", 0, {}, relevant, True) for relevant in (True, False, True)]
    assert log_losses(np.array([0.5, 0.25, 0.0]), pairs) == pytest.approx([np.log(2), -np.log(0.75), -np.log(1e-6)])


def test_pairs_are_the_hits_with_their_own_scores() -> None:
    hit = Hit("d", 9.0, None, {"dense": Stage(1, 0.5), "fused": Stage(1, 0.03), "rerank": Stage(2, -1.0)})
    other = replace(hit, doc_id="e", stages={"lexical": Stage(1, 7.0)})
    found = pairs_of({"q": (hit, other, replace(hit, doc_id="f"))}, {"q": {"d": 2, "e": 0}}, {"q": 3})
    assert found == [
        Pair("q", 3, {"dense": 0.5, "rerank": -1.0}, True, True),
        Pair("q", 3, {"lexical": 7.0}, False, True),
        Pair("q", 3, {"dense": 0.5, "rerank": -1.0}, False, False),
    ]


# --- the record -------------------------------------------------------------------------------------------------------


def test_a_line_through_the_knots_flat_beyond_its_ends() -> None:
    curve = Calibration(1.0, {"rerank": Term(2.0)}, ((-1.0, 0.1), (1.0, 0.5), (3.0, 0.9)))
    at = [curve.probability({"rerank": (logit - 1.0) / 2.0}) for logit in (-9.0, -1.0, 0.0, 1.0, 2.5, 3.0, 50.0)]
    assert at == pytest.approx([0.1, 0.1, 0.3, 0.5, 0.8, 0.9, 0.9])


def test_a_score_that_must_be_there() -> None:
    curve = Calibration(0.0, {"rerank": Term(1.0), "dense": Term(2.0, -1.0)})
    assert curve.probability({"dense": 0.5}) is None
    assert curve.logit({"rerank": 3.0}) == 2.0
    assert curve.logit({"rerank": 3.0, "dense": -4.0}) == 2.0  # never less than where it is missing
    assert curve.logit({"rerank": 3.0, "dense": 0.5}) == 4.0


@pytest.mark.parametrize("logit", [-1e9, 1e9])
def test_huge_logits_stay_in_range(logit: float) -> None:
    found = Calibration(0.0, {"rerank": Term(1.0)}).probability({"rerank": logit})
    assert found is not None and 0 <= found <= 1
