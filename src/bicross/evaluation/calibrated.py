"""Whether a calibration fitted now gives better probabilities than what a collection has, on questions that neither was fitted to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bicross.evaluation.calibration import Numbers, Pair, base_rates, by_question, cross_fitted, fit, log_losses, probabilities
from bicross.evaluation.compare import bootstrap_interval, randomisation_test
from bicross.evaluation.metrics import mean
from bicross.evaluation.reliability import Interval, Reliability, Threshold, Wish, best_hits, reliability, threshold
from bicross.records import Calibration

LEVEL = 0.05
FEW = 30  # judged questions below which everything is very uncertain


class Stored(NamedTuple):
    """A collection's calibration; `used` are those of the questions asked now that it was fitted to, all where that is not known, and
    `questions` how many it was fitted to in all, 0 where that is not known."""

    calibration: Calibration
    used: frozenset[str]
    questions: int


@dataclass(frozen=True, slots=True)
class Calibrated:
    """One kind of search, calibrated. `pairs` hits are shown, `relevant` of them are, `unjudged` counted as not relevant.

    `log_loss` is the mean over the `compared` questions, cross-fitted; `before` that of what it was compared `against`: what is "stored",
    on the questions that this was not fitted to, or, where nothing is stored or fewer than FEW such questions are left, the "base" rate,
    which gives every hit the share of relevant hits of the other folds. `base` is the loss of the latter. `difference` is before less
    log_loss. `better` says whether the calibration takes the place of what is stored, `same` that it equals it.

    `reliability`, `threshold` (for all hits shown) and `best_hit` (for the most probable hit of each question) are of the probabilities
    `told`: the cross-fitted ones of what was "fitted", or those of what is "stored" where that stays and could be compared.
    `error_before` is the expected calibration error of what is stored, if it was compared.
    """

    kind: str
    pairs: int
    relevant: int
    unjudged: int
    method: str
    calibration: Calibration
    compared: int
    against: Literal["stored", "base"]
    log_loss: float
    before: float
    base: float
    stored: bool
    difference: float
    confidence: Interval
    p_value: float
    better: bool
    same: bool
    told: Literal["stored", "fitted"]
    reliability: Reliability
    error_before: float | None
    threshold: Threshold
    best_hit: Threshold

    @property
    def verdict(self) -> str:
        """What the comparison says, in words."""
        if self.same:
            return "the same as what is stored"
        if self.stored and self.against == "base":
            return "not compared with what is stored"
        return "better" if self.better else "not shown to be better"


class _Beside(NamedTuple):
    """What was fitted beside what it was compared with, on `pairs`: the probabilities `said` by the latter, (pairs,), and the mean losses
    of both and of the base rate, a value a question, (questions,)."""

    pairs: Sequence[Pair]
    said: Numbers
    now: Numbers
    before: Numbers
    base: Numbers


def calibrated(kind: str, pairs: Sequence[Pair], stored: Stored | None, wished: Wish, value: float) -> Calibrated:
    """Fit a calibration to pairs of two folds or more, and measure it beside the stored one, pair by pair.

    A pair of which the stored one says nothing counts with the share of relevant ones in the other folds. Where too few questions are new
    to the stored one, it gives way to what is surely better than the base rate and was fitted to as many questions, FEW or more.
    """
    curve, chances = fit(pairs), cross_fitted(pairs)
    new = np.array([stored is not None and pair.query not in stored.used for pair in pairs])  # (pairs,)
    comparable = stored is not None and len({pair.query for pair, one in zip(pairs, new, strict=True) if one}) >= FEW
    beside = _beside(pairs, chances, stored.calibration if stored and comparable else None, new if comparable else ~np.zeros_like(new))
    gains = (beside.before - beside.now).tolist()
    interval, p_value = bootstrap_interval(gains), randomisation_test(gains)
    same = stored is not None and replace(stored.calibration, fitted_to="") == curve
    enough = stored is None or comparable or len(gains) >= max(FEW, stored.questions)
    better = p_value < LEVEL and interval[0] > 0 and enough and not same
    stays = comparable and not better
    measured, told = (beside.pairs, beside.said) if stays else (pairs, chances)
    best = best_hits(measured, told)
    return Calibrated(
        kind=kind,
        pairs=len(pairs),
        relevant=sum(pair.relevant for pair in pairs),
        unjudged=sum(not pair.judged for pair in pairs),
        method="isotonic" if curve.knots else "logistic",
        calibration=curve,
        compared=len(gains),
        against="stored" if comparable else "base",
        log_loss=float(beside.now.mean()),
        before=float(beside.before.mean()),
        base=float(beside.base.mean()),
        stored=stored is not None,
        difference=mean(gains),
        confidence=interval,
        p_value=p_value,
        better=better,
        same=same,
        told="stored" if stays else "fitted",
        reliability=reliability(measured, told),
        error_before=reliability(beside.pairs, beside.said).error if comparable else None,
        threshold=threshold(measured, told, wished, value),
        best_hit=threshold([measured[row] for row in best], told[best], wished, value, "best hits"),
    )


def _beside(pairs: Sequence[Pair], chances: Numbers, stored: Calibration | None, new: NDArray[np.bool_]) -> _Beside:
    """The probabilities of what was fitted, (pairs,), beside those of the stored one, or of the base rate, on the pairs that are `new`."""
    asked, base = [pair for pair, one in zip(pairs, new, strict=True) if one], base_rates(pairs)[new]
    said = base if stored is None else probabilities(stored, asked)
    said = np.where(np.isnan(said), base, said)
    shown = by_question(np.ones(len(asked)), asked)  # hits of each question
    now, before, least = (by_question(log_losses(given, asked), asked) / shown for given in (chances[new], said, base))
    return _Beside(asked, said, now, before, least)
