"""One run against its qrels, as a Report."""

from __future__ import annotations

from collections.abc import Sequence

from bicross.evaluation.compare import bootstrap_interval
from bicross.evaluation.latency import percentiles
from bicross.evaluation.metrics import ceiling, means, per_query
from bicross.records import Qrels, Report, Run
from bicross.settings import EvaluateSettings

WITHIN = (0.0, 1.0)  # every measure that is computed here is


def report(run: Run, qrels: Qrels, settings: EvaluateSettings, candidates: Run | None, latency_seconds: Sequence[float]) -> Report:
    """Measure a run. `candidates` is what was recalled before reranking, and gives the ceiling; None leaves the ceiling empty.

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
        ceiling={} if candidates is None else ceiling(settings.measures, qrels, candidates),
        latency=percentiles(latency_seconds),
    )
