"""Spans of a server that was started with an OpenTelemetry SDK, as an operator would."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.serving.test_server import Running, serving

SET_UP = """
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import ConsoleSpanExporter, SimpleSpanProcessor
from bicross.cli.main import main

kept = ConsoleSpanExporter(out=open({spans!r}, "w"), formatter=lambda span: span.to_json(indent=None) + "\\n")
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(kept))
trace.set_tracer_provider(provider)
main()
"""
TRACE, CALLER = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
SECRET = "zanzibar"


@pytest.fixture(scope="module")
def traced(collection: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("traced")
    with serving(folder, collection, program=("-c", SET_UP.format(spans=str(folder / "spans")))) as running:
        running.ready()
        yield running


def spans(running: Running) -> list[dict[str, Any]]:
    return [json.loads(line) for line in running.stderr.with_name("spans").read_text().splitlines()]


def test_a_request_goes_on_the_callers_trace_with_its_search_and_stages_within(traced: Running) -> None:
    headers = {"traceparent": f"00-{TRACE}-{CALLER}-01"}
    assert httpx.post(f"{traced.url}/v1/search", json={"question": SECRET}, headers=headers).status_code == 200
    found = {one["name"]: one for one in spans(traced) if one["context"]["trace_id"] == f"0x{TRACE}"}
    request = found["POST /v1/search"]
    assert request["parent_id"] == f"0x{CALLER}"
    search = found["retrieval manual"]
    assert search["parent_id"] == request["context"]["span_id"]
    stages = [one for one in found.values() if one["parent_id"] == search["context"]["span_id"]]
    assert {"queue", "recall", "rerank"} <= {one["name"] for one in stages}


def test_no_span_holds_a_question(traced: Running) -> None:
    before = len(spans(traced))
    assert httpx.post(f"{traced.url}/v1/search", json={"question": SECRET}).status_code == 200
    assert len(spans(traced)) > before
    before = len(spans(traced))
    assert httpx.get(f"{traced.url}/", params={"q": SECRET}).status_code == 200
    assert httpx.get(f"{traced.url}/readyz").status_code == 200
    assert not [one for one in spans(traced)[before:] if one["name"].startswith("GET")]
    assert SECRET not in traced.stderr.with_name("spans").read_text()
