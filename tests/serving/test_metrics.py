from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client.parser import text_string_to_metric_families as parse

from bicross.serving import metrics, tracing
from bicross.serving.access import TABLE
from tests.serving.doors import MINE, Door, door, head, tell


@pytest.fixture(scope="module")
def served(made_collection: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    with door({MINE: made_collection}, tmp_path_factory.mktemp("metrics")) as running:
        yield running


def numbers(served: Door) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Name and labels -> value."""
    text = tell(served.port, head("GET", "/metrics", X_API_Key=served.keys["admin"])).body.decode()
    samples = (sample for family in parse(text) for sample in family.samples)
    return {(sample.name, tuple(sorted(sample.labels.items()))): sample.value for sample in samples}


def total(found: dict[tuple[str, tuple[tuple[str, str], ...]], float], name: str, **labels: str) -> float:
    return found.get((name, tuple(sorted(labels.items()))), 0.0)


def search(served: Door, question: str) -> int:
    body = json.dumps({"query": question, "documents": ["a", "b"]}).encode()
    headers = {"Content_Type": "application/json", "Content_Length": str(len(body)), "X_API_Key": served.keys["read"]}
    return tell(served.port, head("POST", "/v1/rerank", **headers) + body).status


def test_requests_are_counted_by_template_and_never_by_path(served: Door) -> None:
    before = numbers(served)
    for name in ("a", "b", "a%2Fb"):
        tell(served.port, head("GET", f"/v1/models/{name}", X_API_Key=served.keys["read"]))
    tell(served.port, head("GET", "/some/path/of/a/scanner"))
    after = numbers(served)
    count = "bicross_request_duration_seconds_count"
    labels = {"route": "/v1/models/{model:path}", "status": "404"}
    assert total(after, count, **labels) - total(before, count, **labels) == 3
    assert total(after, count, route="unknown", status="401") - total(before, count, route="unknown", status="401") == 1
    assert total(after, "bicross_refused_total", kind="unauthorized") - total(before, "bicross_refused_total", kind="unauthorized") == 1
    routes = {dict(labels)["route"] for name, labels in after if name == count}
    assert routes <= {access.path for access in TABLE} | {"unknown"}


def test_a_batch_that_the_models_worked_on_is_counted(served: Door) -> None:
    before = numbers(served)
    assert search(served, "reset") == 200
    after = numbers(served)
    assert total(after, "bicross_batch_units_count") == total(before, "bicross_batch_units_count") + 1
    assert total(after, "bicross_batch_units_sum") == total(before, "bicross_batch_units_sum") + 2
    assert total(after, "bicross_batch_tokens_sum") > total(before, "bicross_batch_tokens_sum")
    assert total(after, "bicross_queue_units") == total(after, "bicross_queue_tokens") == 0


def test_collections_and_models_are_told_as_they_are_now(served: Door) -> None:
    found = numbers(served)
    assert total(found, "bicross_collection_documents", collection=MINE) == 10
    models = [dict(labels) for (name, labels), value in found.items() if name == "bicross_model_info" and value == 1]
    assert len(models) == 1 and models[0]["collection"] == MINE and models[0]["encoder"] and models[0]["dimensions"].isdigit()


def test_stages_of_other_names_make_no_series(served: Door) -> None:
    metrics.stages({"queue": 0.5, "recall": 0.25, "invented": 1.0})
    found = numbers(served)
    stages = {dict(labels)["stage"] for name, labels in found if name == "bicross_stage_duration_seconds_count"}
    assert {"queue", "recall"} <= stages <= set(metrics.STAGES)


def test_a_restart_of_the_worker_is_counted(served: Door) -> None:
    before = total(numbers(served), "bicross_worker_restarts_total")
    supervisor = served.app.state.served.engine._supervisor
    killed = supervisor.pid
    os.kill(killed, signal.SIGKILL)
    limit = time.monotonic() + 60
    while supervisor.pid in (killed, None) or tell(served.port, head("GET", "/readyz")).status != 200:
        assert time.monotonic() < limit
        time.sleep(0.05)
    assert total(numbers(served), "bicross_worker_restarts_total") == before + 1


def test_spans_of_a_search_lie_in_each_other_and_follow_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(kept))
    monkeypatch.setattr(trace, "get_tracer", provider.get_tracer)
    tracing.retrieved(MINE, 5, {"queue": 0.5, "recall": 0.25, "rerank": 0.25})
    with tracing.embedding(MINE):
        pass
    queue, recall, rerank, whole, embedding = kept.get_finished_spans()
    assert whole.name == "retrieval manual" and whole.attributes is not None
    assert dict(whole.attributes) == {"gen_ai.operation.name": "retrieval", "gen_ai.data_source.id": "manual", "gen_ai.retrieval.top_k": 5}
    assert queue.parent == recall.parent == whole.context
    assert (queue.start_time, queue.end_time, rerank.end_time) == (whole.start_time, recall.start_time, whole.end_time)
    assert embedding.name == "embeddings manual" and embedding.attributes is not None
    assert embedding.attributes["gen_ai.operation.name"] == "embeddings"
    assert whole.end_time is not None and whole.start_time is not None and whole.end_time - whole.start_time == 10**9


def test_without_a_tracer_nothing_is_recorded() -> None:
    kept = trace.get_current_span()
    with tracing.embedding(MINE):
        assert not trace.get_current_span().is_recording()
        tracing.retrieved(MINE, 5, {"recall": 1.0})
    assert trace.get_current_span() is kept and not kept.is_recording()
