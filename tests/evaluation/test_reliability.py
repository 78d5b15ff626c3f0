"""Calibration error, reliability diagram and thresholds, by eye and in simulated worlds."""

from __future__ import annotations

import numpy as np
import pytest

from bicross.evaluation import reliability as module
from bicross.evaluation.calibration import Numbers, Pair
from bicross.evaluation.reliability import Threshold, reliability, threshold


def pairs_of(relevant: list[bool], each: int = 1) -> list[Pair]:
    """Pairs of which `each` belong to one question."""
    return [Pair(f"q{row // each}", row // each % 5, {}, bool(one), True) for row, one in enumerate(relevant)]


def drawn(questions: int, seed: int, shown: int = 10) -> tuple[list[Pair], Numbers]:
    """True probabilities, alike within a question, and pairs that are relevant with them."""
    rng = np.random.default_rng(seed)
    logits = (rng.normal(0, 1, (questions, 1)) + rng.normal(-1.5, 2.5, (questions, shown))).ravel()
    truth = 1 / (1 + np.exp(-logits))
    return pairs_of((rng.random(len(truth)) < truth).tolist(), shown), np.asarray(truth)


def test_the_error_by_hand() -> None:
    """Two bins of 20: 0.2 said and 0.5 true, 0.8 said and 0.75 true."""
    pairs, chances = pairs_of([True] * 10 + [False] * 10 + [True] * 15 + [False] * 5), np.repeat([0.2, 0.8], 20)
    found = reliability(pairs, chances)
    assert found.error == pytest.approx((0.3 + 0.05) / 2)
    assert [(one.pairs, one.low, one.probability, one.relevant) for one in found.bins] == [
        (20, 0.2, pytest.approx(0.2), 0.5),
        (20, 0.8, pytest.approx(0.8), 0.75),
    ]
    assert all(one.confidence[0] < one.relevant < one.confidence[1] for one in found.bins)
    assert found.confidence[0] < found.error < found.confidence[1]


def test_right_probabilities_show_what_chance_does_and_wrong_ones_more() -> None:
    pairs, truth = drawn(300, 0)
    right, wrong = reliability(pairs, truth), reliability(pairs, truth**2)
    assert len(right.bins) == module.BINS and sum(one.pairs for one in right.bins) == len(pairs)
    assert right.error == pytest.approx(right.by_chance, abs=0.01) and right.error < 0.03
    assert wrong.error > 0.05 > 2 * wrong.by_chance
    covered = [one.confidence[0] <= one.probability <= one.confidence[1] for one in right.bins]
    assert sum(covered) >= len(covered) - 2


def test_equal_probabilities_share_a_bin() -> None:
    pairs, _ = drawn(40, 0)
    found = reliability(pairs, np.full(len(pairs), 0.3))
    assert len(found.bins) == 1
    assert found.error == pytest.approx(abs(np.mean([pair.relevant for pair in pairs]) - 0.3))


def test_few_pairs_are_one_bin() -> None:
    pairs, truth = drawn(1, 0)
    assert len(reliability(pairs, truth).bins) == 1


def test_the_lowest_threshold_with_the_precision_and_the_highest_with_the_recall() -> None:
    """40 relevant hits, then 10 others, then 30 relevant, then 20 others, by falling probability."""
    relevant = [True] * 40 + [False] * 10 + [True] * 30 + [False] * 20
    chances = np.linspace(0.99, 0.0, 100)
    found = threshold(pairs_of(relevant), chances, "precision", 0.87)
    assert found.probability == pytest.approx(chances[79], abs=1e-4)  # 70 of 80; after 50 it was 40 of 50
    assert found.precision is not None and found.precision.value == 70 / 80
    assert found.recall is not None and found.recall.value == 1
    assert (found.best, found.best_probability) == (1.0, chances[19])
    recalled = threshold(pairs_of(relevant), chances, "recall", 0.5)
    assert recalled.probability == pytest.approx(chances[34], abs=1e-4)  # 35 of 70
    assert recalled.recall is not None and recalled.recall.value == 0.5
    for one in (found, recalled):
        assert one.probability is not None and one.confidence is not None
        assert one.confidence[0] - 1e-4 <= one.probability <= one.confidence[1]
        assert f"{one.probability:.4f}" in one.verdict


def test_no_clean_separation_is_an_answer() -> None:
    rng = np.random.default_rng(0)
    found = threshold(pairs_of((rng.random(500) < 0.5).tolist(), 10), rng.random(500), "precision", 0.95)
    assert found.probability is None and found.confidence is None and found.precision is None
    assert "No clean separation" in found.verdict and f"{found.best:.3f}" in found.verdict
    assert 0.5 < found.best < 0.95


def test_a_threshold_of_too_few_hits_is_none() -> None:
    """The 19 best are relevant, one fewer than can show anything."""
    relevant = [True] * 19 + [False] * 100
    assert threshold(pairs_of(relevant), np.linspace(1, 0, 119), "precision", 0.96).probability is None
    assert threshold(pairs_of([True, *relevant]), np.linspace(1, 0, 120), "precision", 0.96).probability is not None


def test_equally_probable_hits_are_kept_or_left_together() -> None:
    """Eight in ten of the equal ones are relevant, first all that are."""
    relevant = [True] * 80 + [False] * 20
    assert threshold(pairs_of(relevant), np.full(100, 0.8), "precision", 0.9).probability is None
    kept = threshold(pairs_of(relevant), np.full(100, 0.8), "precision", 0.8)
    assert kept.probability == 0.8 and kept.answered is not None and kept.answered.value == 1


@pytest.mark.parametrize("questions", [60, 200])
def test_the_intervals_cover_the_truth(questions: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """80 worlds: the precision that a threshold has in truth, and the probability from which on it would be what was wished."""
    monkeypatch.setattr(module, "RESAMPLES", 200)
    _, many = drawn(20_000, 10_000)
    many = np.sort(many)[::-1]
    means = np.cumsum(many) / np.arange(1, len(many) + 1)
    wished = many[np.flatnonzero(means >= 0.9)[-1]]
    found = [threshold(*drawn(questions, seed), "precision", 0.9, seed) for seed in range(80)]
    assert all(one.probability is not None for one in found)
    assert np.mean([_covers(one, float(means[(many >= one.probability).sum() - 1])) for one in found]) >= 0.88
    assert np.mean([one.confidence is not None and one.confidence[0] <= wished <= one.confidence[1] for one in found]) >= 0.88


def _covers(one: Threshold, precision: float) -> bool:
    assert one.precision is not None
    low, high = one.precision.confidence
    return low <= precision <= high


def test_the_same_seed_gives_the_same() -> None:
    pairs, truth = drawn(50, 0)
    assert reliability(pairs, truth) == reliability(pairs, truth)
    assert threshold(pairs, truth, "precision", 0.8) == threshold(pairs, truth, "precision", 0.8)
