"""The described API against its own description: thousands of made-up requests, none of which may meet an unforeseen error.

Schemathesis makes requests that follow the OpenAPI and others that do not, for all contracts at once, drawn by a seed.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from bicross.serving import keys
from tests.serving.test_server import serving

CASES = int(os.environ.get("BICROSS_CASES", "5000"))
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
)


@pytest.mark.slow
def test_no_request_meets_an_unforeseen_error_and_every_answer_is_as_described(made_collection: Path, tmp_path: Path) -> None:
    secret, _ = keys.create(tmp_path / "keys.json", "admin", None)
    with serving(tmp_path, made_collection, "--keys", str(tmp_path / "keys.json"), "--max-wait", "60") as server:
        server.ready()
        each = 1 + CASES // _operations(server.url)
        done = subprocess.run(
            [
                Path(sys.executable).parent / "schemathesis",
                "run",
                f"{server.url}/openapi.json",
                *("--header", f"Authorization: Bearer {secret}"),
                *("--checks", ",".join(CHECKS), "--max-examples", str(each), "--phases", "examples,coverage,fuzzing,stateful"),
                *("--seed", "0", "--request-timeout", "120", "--workers", "2", "--no-color"),
            ],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            check=False,
        )
        assert done.returncode == 0, done.stdout[-8000:]
        found = re.search(r"(\d[\d,]*) generated", done.stdout)
        assert found and int(found[1].replace(",", "")) >= CASES, done.stdout[-3000:]
        assert server.process.poll() is None
    log = [json.loads(line) for line in (tmp_path / "stderr").read_text().splitlines()]
    assert any(line["message"] == "request" for line in log)
    unforeseen = [line for line in log if line["level"] in {"error", "critical"} or "traceback" in line]
    assert not unforeseen, unforeseen[:3]


def _operations(url: str) -> int:
    described = json.loads(httpx.get(f"{url}/openapi.json").text)
    return sum(len(methods) for methods in described["paths"].values())
