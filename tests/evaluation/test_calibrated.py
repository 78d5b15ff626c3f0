"""Whether a calibration is better than what is stored, and whose figures are told."""

from __future__ import annotations

import numpy as np
import pytest

from bicross.evaluation.calibrated import calibrated
from bicross.evaluation.calibration import Pair, base_rates, cross_fitted, fit, log_losses, probabilities
from bicross.evaluation.calibration_page import page
from bicross.evaluation.reliability import reliability
from bicross.records import Calibration, Term

TRUE = Calibration(-2.0, {"rerank": Term(1.0)})
SURE = Calibration(0.0, {"rerank": Term(3.0)})


def world(questions: int = 100, seed: int = 0) -> list[Pair]:
    """TRUE gives the probabilities."""
    rng = np.random.default_rng(seed)
    scores = rng.normal(0, 2, (questions, 10))
    relevant = rng.random(scores.shape) < 1 / (1 + np.exp(2 - scores))
    return [
        Pair(f"q{row}", row % 5, {"rerank": float(scores[row, place])}, bool(relevant[row, place]), place < 3)
        for row in range(questions)
        for place in range(10)
    ]


def test_better_than_what_is_stored() -> None:
    pairs = world()
    found = calibrated("both", pairs, SURE, "precision", 0.8)
    chances = cross_fitted(pairs)
    assert found.better and found.stored and found.method == "logistic"
    assert found.log_loss == pytest.approx(log_losses(chances, pairs).mean())  # as many pairs of each question
    assert found.before == pytest.approx(log_losses(probabilities(SURE, pairs), pairs).mean())
    assert found.base == pytest.approx(log_losses(base_rates(pairs), pairs).mean())
    assert found.difference == pytest.approx(found.before - found.log_loss)
    assert found.confidence[0] > 0 and found.p_value < 0.05
    assert found.calibration == fit(pairs) and found.reliability == reliability(pairs, chances)
    assert found.error_before == reliability(pairs, probabilities(SURE, pairs)).error
    assert (found.pairs, found.relevant, found.unjudged) == (1000, sum(pair.relevant for pair in pairs), 700)


def test_not_better_than_the_truth_whose_figures_are_told_then() -> None:
    pairs = world()
    found = calibrated("both", pairs, TRUE, "precision", 0.8)
    assert not found.better
    assert found.reliability == reliability(pairs, probabilities(TRUE, pairs)) and found.reliability.error == found.error_before


def test_what_was_fitted_to_the_same_questions_is_judged_cross_fitted() -> None:
    pairs = world()
    found = calibrated("both", pairs, fit(pairs), "precision", 0.8)
    assert not found.better and found.reliability == reliability(pairs, cross_fitted(pairs))


def test_without_a_stored_one_the_share_of_relevant_hits_is_to_be_beaten() -> None:
    found = calibrated("dense", world(), None, "recall", 0.8)
    assert found.better and not found.stored and found.before == found.base and found.error_before is None
    noise = [pair._replace(scores={"dense": hash_of(pair)}) for pair in world()]
    assert not calibrated("dense", noise, None, "recall", 0.8).better


def hash_of(pair: Pair) -> float:
    """A number that says nothing."""
    return (abs(pair.scores["rerank"]) * 1e4) % 1


def test_of_a_hit_that_the_stored_one_cannot_judge_the_share_is_said() -> None:
    pairs = world()
    found = calibrated("fused", pairs, Calibration(0.0, {"late": Term(1.0)}), "precision", 0.8)
    assert found.before == found.base


def test_the_page_shows_every_kind_and_asks_for_nothing() -> None:
    kinds = [calibrated("both", world(), SURE, "precision", 0.8), calibrated("dense", world(20), None, "precision", 0.999)]
    text = page(kinds, 100, 10, ["<few> 问题"])
    assert text.startswith("<!doctype html>") and "&lt;few&gt; 问题" in text
    for words in ("Two-stage search", "Dense search", "No clean separation", "expected calibration error", "<svg", "<circle"):
        assert words in text
    assert "<script" not in text and "http" not in text.replace("http-equiv", "")
