"""How long searches took."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

STAGES = ("encode", "recall", "rerank")  # in the order that they run


def percentiles(seconds: Sequence[float]) -> dict[str, float]:
    """p50, p95, p99 (linear between two values), mean and max, in seconds. Empty where nothing was timed."""
    if not len(seconds):
        return {}
    times = np.asarray(seconds, dtype=np.float64)  # (searches,)
    middle, high, higher = np.percentile(times, [50, 95, 99])
    return {"p50": float(middle), "p95": float(high), "p99": float(higher), "mean": float(times.mean()), "max": float(times.max())}


def by_stage(times: Sequence[Mapping[str, float]]) -> dict[str, dict[str, float]]:
    """Percentiles of each stage over searches, of each its seconds by stage; what a search did without took 0. "total" is no stage."""
    stages = dict.fromkeys(stage for one in times for stage in one if stage != "total")
    return {stage: percentiles([one.get(stage, 0.0) for one in times]) for stage in stages}
