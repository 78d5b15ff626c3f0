"""Spans of a server that was started with an OpenTelemetry SDK, as an operator would."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.serving.test_server import PATIENCE, Running, serving

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
TRACE, PAGE, PROBE, LAST = (f"4bf92f3577b34da6a3ce929d0e0e473{end}" for end in "6789")
CALLER = "00f067aa0ba902b7"
SECRET = "zanzibar"


@pytest.fixture(scope="module")
def traced(collection: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("traced")
    with serving(folder, collection, program=("-c", SET_UP.format(spans=str(folder / "spans")))) as running:
        running.ready()
        yield running


def spans(running: Running, trace: str) -> dict[str, dict[str, Any]]:
    """Name -> span of one trace, when its request has ended, which it does after the client has the answer."""
    limit = time.monotonic() + PATIENCE
    while True:
        whole = running.stderr.with_name("spans").read_text().rpartition("\n")[0]
        found = [one for one in map(json.loads, whole.splitlines()) if one["context"]["trace_id"] == f"0x{trace}"]
        if any(one["parent_id"] == f"0x{CALLER}" for one in found):
            return {one["name"]: one for one in found}
        assert time.monotonic() < limit
        time.sleep(0.02)


def ask(running: Running, method: str, path: str, trace: str, **asked: Any) -> None:
    headers = {"traceparent": f"00-{trace}-{CALLER}-01"}
    assert httpx.request(method, f"{running.url}{path}", headers=headers, timeout=PATIENCE, **asked).status_code == 200


def test_a_request_goes_on_the_callers_trace_with_its_search_and_stages_within(traced: Running) -> None:
    ask(traced, "POST", "/v1/search", TRACE, json={"question": SECRET})
    found = spans(traced, TRACE)
    request = found["POST /v1/search"]
    assert request["parent_id"] == f"0x{CALLER}"
    search = found["retrieval manual"]
    assert search["parent_id"] == request["context"]["span_id"]
    stages = [one for one in found.values() if one["parent_id"] == search["context"]["span_id"]]
    assert {"queue", "recall", "rerank"} <= {one["name"] for one in stages}


def test_no_span_holds_a_question_and_an_address_that_would_has_none(traced: Running) -> None:
    ask(traced, "GET", "/", PAGE, params={"q": SECRET})
    ask(traced, "GET", "/readyz", PROBE)
    ask(traced, "POST", "/v1/search", LAST, json={"question": SECRET})
    assert "retrieval manual" in spans(traced, LAST)
    kept = traced.stderr.with_name("spans").read_text()
    assert SECRET not in kept and PAGE not in kept and PROBE not in kept
