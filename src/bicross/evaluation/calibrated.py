"""Whether a calibration fitted now gives better probabilities than what a collection has, on questions that it was not fitted to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bicross.evaluation.calibration import Pair, base_rates, by_question, cross_fitted, fit, log_losses, probabilities
from bicross.evaluation.compare import bootstrap_interval, randomisation_test
from bicross.evaluation.metrics import mean
from bicross.evaluation.reliability import Interval, Reliability, Threshold, Wish, reliability, threshold
from bicross.records import Calibration

LEVEL = 0.05


@dataclass(frozen=True, slots=True)
class Calibrated:
    """One kind of search, calibrated. `pairs` hits are shown, `relevant` of them are, `unjudged` counted as not relevant.

    `log_loss` is the mean over questions, cross-fitted; `before` that of the collection's calibration, or, where it has none (not
    `stored`), of `base`, which gives every hit the share of relevant hits of the other folds. `difference` is before less log_loss, over
    the same questions, and `better` whether it is surely above 0. `reliability` and `threshold` are of the probabilities that should be
    shown from now on: the cross-fitted ones, or, where another calibration is stored and not shown to be worse, those of that one.
    `error_before` is the expected calibration error of what is stored.
    """

    kind: str
    pairs: int
    relevant: int
    unjudged: int
    method: str
    calibration: Calibration
    log_loss: float
    before: float
    base: float
    stored: bool
    difference: float
    confidence: Interval
    p_value: float
    better: bool
    reliability: Reliability
    error_before: float | None
    threshold: Threshold


def calibrated(kind: str, pairs: Sequence[Pair], stored: Calibration | None, wished: Wish, value: float) -> Calibrated:
    """Fit a calibration to pairs of two folds or more, and measure it beside the stored one, pair by pair.

    A pair of which the stored one says nothing counts with the share of relevant ones in the other folds.
    """
    chances, base = cross_fitted(pairs), base_rates(pairs)
    said = base if stored is None else probabilities(stored, pairs)
    before = np.where(np.isnan(said), base, said)
    shown = by_question(np.ones(len(pairs)), pairs)  # hits of each question
    new, old, least = (by_question(log_losses(given, pairs), pairs) / shown for given in (chances, before, base))
    gains = (old - new).tolist()
    interval, p_value = bootstrap_interval(gains), randomisation_test(gains)
    curve, better = fit(pairs), p_value < LEVEL and interval[0] > 0
    # One that equals the stored one was fitted to these questions then, too, and only cross-fitting tells how good it is.
    told = chances if better or stored in (None, curve) else before
    return Calibrated(
        kind=kind,
        pairs=len(pairs),
        relevant=sum(pair.relevant for pair in pairs),
        unjudged=sum(not pair.judged for pair in pairs),
        method="isotonic" if curve.knots else "logistic",
        calibration=curve,
        log_loss=float(new.mean()),
        before=float(old.mean()),
        base=float(least.mean()),
        stored=stored is not None,
        difference=mean(gains),
        confidence=interval,
        p_value=p_value,
        better=better,
        reliability=reliability(pairs, told),
        error_before=None if stored is None else reliability(pairs, before).error,
        threshold=threshold(pairs, told, wished, value),
    )
