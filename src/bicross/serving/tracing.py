"""Spans of requests and stages for OpenTelemetry, and all of its names. Where no tracer was set up, nothing is recorded and nothing sent.

FastAPI makes the span of a request and takes the caller's `traceparent`. The operator sets a tracer up: by running the server under
`opentelemetry-instrument`, or with `fastapi[opentelemetry]`, FASTAPI_OTEL_AUTO_CONFIGURE=true and OTEL_EXPORTER_OTLP_ENDPOINT.

Names of attributes: OpenTelemetry's conventions for generative AI, 0.1.0, which are still in development.
"""

from __future__ import annotations

from collections.abc import Mapping
from time import time_ns
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fastapi.telemetry import TelemetryConfig

OPERATION, RETRIEVAL, EMBEDDINGS = "gen_ai.operation.name", "retrieval", "embeddings"
SOURCE = "gen_ai.data_source.id"
TOP_K = "gen_ai.retrieval.top_k"
MODEL = "gen_ai.request.model"
STAGE = "bicross.stage"
QUIET = frozenset(("/livez", "/readyz", "/healthz", "/health", "/ping", "/metrics"))  # asked every few seconds
NANOSECONDS = 1e9


def settings() -> TelemetryConfig:
    """For `FastAPI(telemetry=...)`: spans of requests alone; metrics are Prometheus's, logs are `logs`, and neither holds a question."""
    return {"metrics": False, "logs": False, "operation_spans": False, "exclude": lambda scope: scope.get("path") in QUIET}


def retrieved(collection: str, k: int, seconds: Mapping[str, float]) -> None:
    """A search has just been answered: its span, and in it one for each stage, in their order. `seconds` is an answer's."""
    stages = {name: taken for name, taken in seconds.items() if name != "total"}
    _record(f"{RETRIEVAL} {collection}", {OPERATION: RETRIEVAL, SOURCE: collection, TOP_K: k}, seconds.get("total"), stages)


def embedded(model: str, seconds: float) -> None:
    """Texts have just been embedded, in `seconds`."""
    _record(f"{EMBEDDINGS} {model}", {OPERATION: EMBEDDINGS, MODEL: model}, seconds, {})


def _record(name: str, attributes: Mapping[str, Any], total: float | None, stages: Mapping[str, float]) -> None:
    try:
        from opentelemetry import trace
    except ModuleNotFoundError:  # FastAPI before 0.165 comes without it
        return
    tracer = trace.get_tracer("bicross")
    end = time_ns()
    begin = end - round((sum(stages.values()) if total is None else total) * NANOSECONDS)
    span = tracer.start_span(name, attributes=attributes, start_time=begin)
    within = trace.set_span_in_context(span)
    for stage, taken in stages.items():
        inner = tracer.start_span(stage, within, attributes={STAGE: stage}, start_time=begin)
        begin += round(taken * NANOSECONDS)
        inner.end(begin)
    span.end(end)
