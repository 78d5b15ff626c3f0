"""One run against its qrels, as a Report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bicross.evaluation.compare import WITHIN, bootstrap_interval
from bicross.evaluation.latency import percentiles
from bicross.evaluation.metrics import means, per_query
from bicross.records import Qrels, Report, Run
from bicross.settings import EvaluateSettings


def report(run: Run, qrels: Qrels, settings: EvaluateSettings, ceiling: Mapping[str, float], latency_seconds: Sequence[float]) -> Report:
    """Measure a run. `ceiling` is the best mean of each measure that any order of what was recalled can reach (`two_stage`).

    Raises:
        InputError: a measure is unknown, or the qrels are empty.
    """
    values = per_query(settings.measures, qrels, run)
    return Report(
        run=run.name,
        means=means(values),
        per_query=values,
        confidence={
            name: bootstrap_interval(list(by_query.values()), settings.confidence, settings.resamples, settings.seed, WITHIN)
            for name, by_query in values.items()
        },
        ceiling=ceiling,
        latency=percentiles(latency_seconds),
    )
