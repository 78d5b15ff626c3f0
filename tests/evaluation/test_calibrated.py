"""Whether a calibration is better than what is stored, and whose figures are told."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bicross.evaluation.calibrated import FEW, Stored, calibrated
from bicross.evaluation.calibration import Pair, base_rates, cross_fitted, fit, log_losses, probabilities
from bicross.evaluation.calibration_page import page
from bicross.evaluation.reliability import best_hits, reliability, threshold
from bicross.records import Calibration, Term

TRUE = Calibration(-2.0, {"rerank": Term(1.0)})
SURE = Calibration(0.0, {"rerank": Term(3.0)})


def elsewhere(calibration: Calibration) -> Stored:
    """Stored, and fitted to other questions."""
    return Stored(calibration, frozenset(), 50)


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
    found = calibrated("both", pairs, elsewhere(SURE), "precision", 0.8)
    chances = cross_fitted(pairs)
    assert found.better and found.stored and found.method == "logistic"
    assert (found.against, found.compared, found.told) == ("stored", 100, "fitted")
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
    found = calibrated("both", pairs, elsewhere(TRUE), "precision", 0.8)
    assert not found.better and found.told == "stored"
    assert found.reliability == reliability(pairs, probabilities(TRUE, pairs)) and found.reliability.error == found.error_before


def test_what_was_fitted_to_the_same_questions_is_judged_cross_fitted() -> None:
    pairs = world()
    kept = replace(fit(pairs), fitted_to="0123abcd")
    found = calibrated("both", pairs, Stored(kept, frozenset(pair.query for pair in pairs), 100), "precision", 0.8)
    assert found.same and not found.better and found.told == "fitted"
    assert found.reliability == reliability(pairs, cross_fitted(pairs)) and found.error_before is None


def test_a_stored_one_is_compared_and_measured_on_questions_that_it_was_not_fitted_to() -> None:
    """What was fitted to 20 questions knows these too well, and looks worse on the others."""
    pairs = world()
    first = {f"q{row}" for row in range(20)}
    kept = fit([pair for pair in pairs if pair.query in first])
    found = calibrated("both", pairs, Stored(kept, frozenset(first), 20), "precision", 0.8)
    rest = [pair for pair in pairs if pair.query not in first]
    assert (found.against, found.compared) == ("stored", 80)
    assert found.before == pytest.approx(log_losses(probabilities(kept, rest), rest).mean())
    assert found.error_before == reliability(rest, probabilities(kept, rest)).error
    if not found.better:
        assert found.reliability == reliability(rest, probabilities(kept, rest))


def test_where_too_few_questions_are_new_what_was_fitted_to_as_many_takes_its_place() -> None:
    pairs = world()
    used = frozenset(f"q{row}" for row in range(100 - FEW + 1))
    for questions, taken in ((71, True), (0, True), (1000, False)):
        found = calibrated("both", pairs, Stored(SURE, used, questions), "precision", 0.8)
        assert (found.against, found.told, found.better) == ("base", "fitted", taken)
        assert found.before == found.base and found.error_before is None
    few = calibrated("both", world(20), Stored(SURE, frozenset(), 0), "precision", 0.8)
    assert (few.against, few.better) == ("base", False)


def test_the_best_hit_of_each_question_has_a_threshold_of_its_own() -> None:
    pairs = world()
    chances = cross_fitted(pairs)
    rows = best_hits(pairs, chances)
    assert [pairs[row].query for row in rows] == [f"q{row}" for row in range(100)]
    assert all(chances[row] == chances[10 * place : 10 * place + 10].max() for place, row in enumerate(rows))
    found = calibrated("both", pairs, None, "precision", 0.8)
    assert found.best_hit == threshold([pairs[row] for row in rows], chances[rows], "precision", 0.8, "best hits")
    assert found.best_hit.answered is not None and found.best_hit.probability is not None
    assert found.best_hit.answered.value == pytest.approx((chances[rows] >= found.best_hit.probability).mean())
    assert "keep best hits from probability" in found.best_hit.verdict


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
    found = calibrated("fused", pairs, elsewhere(Calibration(0.0, {"late": Term(1.0)})), "precision", 0.8)
    assert found.before == found.base


def test_the_page_shows_every_kind_and_asks_for_nothing() -> None:
    kinds = [calibrated("both", world(), elsewhere(SURE), "precision", 0.8), calibrated("dense", world(20), None, "precision", 0.999)]
    text = page(kinds, 100, 10, ["<few> 问题"])
    assert text.startswith("<!doctype html>") and "&lt;few&gt; 问题" in text
    for words in ("Two-stage search", "Dense search", "No clean separation", "expected calibration error", "<svg", "<circle"):
        assert words in text
    assert "<script" not in text and "http" not in text.replace("http-equiv", "")
