"""The parts of a report are the functions that it joins."""

from __future__ import annotations

import json
from dataclasses import asdict

from bicross.evaluation.compare import bootstrap_interval
from bicross.evaluation.metrics import means, per_query
from bicross.evaluation.report import report
from bicross.records import Hit, Run
from bicross.settings import EvaluateSettings

QRELS = {"q1": {"a": 2, "b": 1}, "q2": {"c": 1}}
CEILING = {"nDCG@10": 0.5, "R@100": 0.5}
FINAL = Run("final", {"q1": (Hit("b", 3.0), Hit("a", 2.0), Hit("x", 1.0)), "q2": (Hit("x", 1.0),)})
SETTINGS = EvaluateSettings(measures=("nDCG@10", "R@100"), resamples=200, seed=7)


def test_a_report_joins_measures_intervals_ceiling_and_latency() -> None:
    found = report(FINAL, QRELS, SETTINGS, CEILING, [0.1, 0.3])
    values = per_query(SETTINGS.measures, QRELS, FINAL)
    assert found.run == "final"
    assert found.per_query == values and found.means == means(values)
    assert found.confidence["nDCG@10"] == bootstrap_interval(list(values["nDCG@10"].values()), 0.95, 200, 7, (0, 1))
    assert found.ceiling == CEILING
    assert found.latency["max"] == 0.3
    assert json.loads(json.dumps(asdict(found)))["per_query"] == values


def test_without_times_there_is_no_latency() -> None:
    found = report(FINAL, QRELS, SETTINGS, CEILING, [])
    assert found.latency == {} and found == report(FINAL, QRELS, SETTINGS, CEILING, [])
