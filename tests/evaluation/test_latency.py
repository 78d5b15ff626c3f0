"""Percentiles by eye."""

from __future__ import annotations

import pytest

from bicross.evaluation.latency import percentiles


def test_percentiles_by_eye() -> None:
    found = percentiles([number / 100 for number in range(101)])
    assert found == pytest.approx({"p50": 0.5, "p95": 0.95, "p99": 0.99, "mean": 0.5, "max": 1.0})


def test_one_and_none() -> None:
    assert percentiles([0.25]) == dict.fromkeys(["p50", "p95", "p99", "mean", "max"], 0.25)
    assert percentiles([]) == {}
