"""Seconds by stage."""

from __future__ import annotations

import time

import pytest

from bicross.searchers.stopwatch import Stopwatch


def test_seconds_add_up_by_stage_also_where_the_work_fails() -> None:
    stopwatch = Stopwatch()
    for _ in range(2):
        with stopwatch.timing("recall"):
            time.sleep(0.01)
    with pytest.raises(ZeroDivisionError), stopwatch.timing("rerank"):
        _ = 1 / 0
    assert 0.02 <= stopwatch.seconds["recall"] < 1
    assert stopwatch.seconds["rerank"] >= 0
