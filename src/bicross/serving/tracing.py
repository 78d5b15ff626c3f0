"""Spans of requests and stages for OpenTelemetry, and all of its names. Where no tracer was set up, nothing is recorded and nothing sent.

FastAPI makes the span of a request and takes the caller's `traceparent`. The operator sets a tracer up: by running the server under
`opentelemetry-instrument`, or with `fastapi[opentelemetry]`, FASTAPI_OTEL_AUTO_CONFIGURE=true and OTEL_EXPORTER_OTLP_ENDPOINT.

Names of attributes: OpenTelemetry's conventions for generative AI, 0.1.0, which are still in development.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from time import time_ns
from typing import TYPE_CHECKING, Any

from opentelemetry import trace

if TYPE_CHECKING:
    from fastapi.telemetry import TelemetryConfig

NAME = "bicross"
OPERATION, RETRIEVAL, EMBEDDINGS = "gen_ai.operation.name", "retrieval", "embeddings"
SOURCE = "gen_ai.data_source.id"
TOP_K = "gen_ai.retrieval.top_k"
STAGE = "bicross.stage"
QUIET = frozenset(("/livez", "/readyz", "/healthz", "/health", "/ping", "/metrics"))  # asked every few seconds
NANOSECONDS = 1e9


def settings() -> TelemetryConfig:
    """For `FastAPI(telemetry=...)`: spans of requests alone; metrics are Prometheus's, logs are `logs`, and none holds a question. A span
    would hold the query of an address, so that addresses with one, as the pages ask theirs, have no span.
    """

    def left_out(scope: MutableMapping[str, Any]) -> bool:
        return scope.get("path") in QUIET or bool(scope.get("query_string"))

    return {"metrics": False, "logs": False, "operation_spans": False, "exclude": left_out}


def retrieved(collection: str, k: int, seconds: Mapping[str, float]) -> None:
    """A search has just been answered: its span, and in it one for each stage, in their order. `seconds` is an answer's, by stage."""
    tracer = trace.get_tracer(NAME)
    end = time_ns()
    begin = end - sum(round(taken * NANOSECONDS) for taken in seconds.values())
    attributes: dict[str, str | int] = {OPERATION: RETRIEVAL, SOURCE: collection, TOP_K: k}
    span = tracer.start_span(f"{RETRIEVAL} {collection}", attributes=attributes, start_time=begin)
    within = trace.set_span_in_context(span)
    for stage, taken in seconds.items():
        inner = tracer.start_span(stage, within, attributes={STAGE: stage}, start_time=begin)
        begin += round(taken * NANOSECONDS)
        inner.end(begin)
    span.end(end)


@contextmanager
def embedding(collection: str) -> Iterator[None]:
    """The span of embedding texts with the bi-encoder of a collection."""
    tracer = trace.get_tracer(NAME)
    attributes = {OPERATION: EMBEDDINGS, SOURCE: collection}
    name = f"{EMBEDDINGS} {collection}"  # of an exception no message is kept, for it may quote what was asked
    with tracer.start_as_current_span(name, attributes=attributes, record_exception=False, set_status_on_exception=False):
        yield
