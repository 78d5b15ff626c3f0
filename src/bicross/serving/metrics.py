"""What operators watch, in the format of Prometheus. Labels are names of this program and of the served collections, never of callers.

Its own registry: nothing of the process or of other libraries comes in. One process has one server, so the numbers stand in the module.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from fastapi import APIRouter, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from bicross.errors import BicrossError
from bicross.serving.refusals import Refused
from bicross.serving.served import served

STAGES = ("queue", "encode", "recall", "rerank")
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
UNITS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)
TOKENS = (64, 256, 1024, 4096, 16384, 65536, 262144)
PATIENCE = 1.0  # seconds that a collection may take to describe itself; the numbers of before stand until it can
MODEL_FACTS = ("collection", "encoder", "reranker", "dimensions", "max_tokens")

registry = CollectorRegistry()
_requests = Histogram(
    "bicross_request_duration_seconds",
    "From the headers to the end of the answer.",
    ("route", "status"),
    registry=registry,
    buckets=SECONDS,
)
_stages = Histogram("bicross_stage_duration_seconds", "Time in one stage.", ("stage",), registry=registry, buckets=SECONDS)
_batch_units = Histogram("bicross_batch_units", "Texts or pairs in a batch.", registry=registry, buckets=UNITS)
_batch_tokens = Histogram("bicross_batch_tokens", "Tokens in a batch.", registry=registry, buckets=TOKENS)
_queue_tokens = Gauge("bicross_queue_tokens", "Tokens that wait.", registry=registry)
_queue_units = Gauge("bicross_queue_units", "Texts, pairs and searches that wait.", registry=registry)
_refused = Counter("bicross_refused_total", "Requests that were not served, by why.", ("kind",), registry=registry)
_restarts = Counter("bicross_worker_restarts_total", "How often the worker was started again.", registry=registry)
_documents = Gauge("bicross_collection_documents", "Documents in a collection.", ("collection",), registry=registry)
_models = Gauge("bicross_model_info", "1 for the models that a collection uses now.", MODEL_FACTS, registry=registry)
router = APIRouter(include_in_schema=False)


def answered(route: str, status: int, seconds: float, refused: str | None) -> None:
    """A request is over. `route` is a template of `access.TABLE`; `refused` the kind of a refusal."""
    _requests.labels(route, str(status)).observe(seconds)
    if refused is not None:
        _refused.labels(refused).inc()


def stages(seconds: Mapping[str, float]) -> None:
    """An answer's `seconds` by stage. Stages of other names are left out, so that an answer cannot make new series."""
    for stage in STAGES:
        if stage in seconds:
            _stages.labels(stage).observe(seconds[stage])


def batch(units: int, tokens: int) -> None:
    """A batch was sent to the worker."""
    _batch_units.observe(units)
    _batch_tokens.observe(tokens)


def queue(units: int, tokens: int) -> None:
    """What waits now."""
    _queue_units.set(units)
    _queue_tokens.set(tokens)


def restarted() -> None:
    """The worker was started again."""
    _restarts.inc()


@router.get("/metrics")
async def page(request: Request) -> Response:
    """All numbers, the collections' as of now."""
    await _look(request)
    return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)


async def _look(request: Request) -> None:
    parts = served(request)
    if not parts.engine.ready:
        return
    found = []
    for name in parts.collections:
        try:
            async with asyncio.timeout(PATIENCE):
                found.append((name, await parts.engine.describe(name)))
        except (Refused, BicrossError, TimeoutError):
            return
    _models.clear()
    for name, facts in found:
        _documents.labels(name).set(facts["documents"])
        _models.labels(name, *(str(facts[fact]) for fact in MODEL_FACTS[1:])).set(1)
