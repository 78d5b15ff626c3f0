"""`bicross serve` as a process of its own, with a real model process beside it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

import bicross
from bicross.collection.store import Collection
from bicross.errors import InputError
from bicross.serving import keys, server
from bicross.settings import ServeSettings

PATIENCE = 60.0  # seconds for what takes one or two


@dataclass(frozen=True)
class Running:
    """A started server; `url` is known, its models may still be loading."""

    process: subprocess.Popen[str]
    url: str
    said: dict[str, Any]
    stderr: Path

    def ready(self) -> None:
        limit = time.monotonic() + PATIENCE
        while httpx.get(f"{self.url}/readyz").status_code != 200:
            assert time.monotonic() < limit, self.stderr.read_text()
            time.sleep(0.05)

    def ends(self, *signals: signal.Signals) -> int:
        for one in signals:
            self.process.send_signal(one)
        return self.process.wait(PATIENCE)


@contextlib.contextmanager
def serving(
    folder: Path, collection: Path, *flags: str, program: Sequence[str] = ("-m", "bicross.cli.main"), paths: str = ""
) -> Iterator[Running]:
    """`bicross serve` as a process of its own. `program`: what else starts it; `paths`: where Python looks for modules first."""
    command = [sys.executable, *program, "serve", str(collection), "--port", "0", "--json", *flags]
    stderr = folder / "stderr"
    env = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, (paths, os.environ.get("PYTHONPATH"))))}
    with stderr.open("w") as log, subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True, env=env) as process:
        try:
            assert process.stdout
            line = process.stdout.readline()
            assert line, stderr.read_text()
            said = json.loads(line)
            yield Running(process, said["url"], said, stderr)
        finally:
            process.kill()


def half_a_request(url: str) -> socket.socket:
    """A client that announces a body and never sends it."""
    address = httpx.URL(url)
    line = socket.create_connection((address.host, address.port or 0), timeout=PATIENCE)
    line.sendall(b"POST /v1/search HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{")
    return line


WAITING = """
import pathlib, sys, time
if "bicross.serving.worker" in sys.orig_argv:
    while not pathlib.Path(__file__).with_name("go").exists():
        time.sleep(0.02)
"""


def test_it_answers_while_models_load_then_searches_then_ends_with_exit_code_0(collection: Path, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(WAITING)  # the model process loads when it is told to
    with serving(tmp_path, collection, paths=str(tmp_path)) as running:
        assert running.said == {"url": running.url, "collections": ["manual"]}
        assert httpx.get(f"{running.url}/livez").status_code == 200
        assert httpx.get(f"{running.url}/readyz").json()["status"] == "loading"
        early = httpx.post(f"{running.url}/v1/search", json={"question": "How do I reset it?"}, timeout=PATIENCE)
        assert early.status_code == 503 and int(early.headers["retry-after"]) >= 1
        assert early.json()["error"]["kind"] == "unavailable"
        (tmp_path / "go").touch()
        running.ready()
        found = httpx.post(f"{running.url}/v1/search", json={"question": "How do I reset it?"})
        assert found.status_code == 200
        with bicross.open(collection) as opened:
            best = opened.search("How do I reset it?").queries[0].hits[0].doc_id
        assert best in found.text
        assert running.ends(signal.SIGTERM) == 0
        assert running.process.stdout and running.process.stdout.read() == ""
    log = [json.loads(line) for line in running.stderr.read_text().splitlines()]
    assert "/v1/search" in {line.get("route") for line in log}
    assert not [line for line in log if line["level"] in {"error", "critical"}]


def test_what_was_begun_is_finished_and_what_was_acknowledged_is_kept(fresh_collection: Path, tmp_path: Path) -> None:
    """A signal in the middle of reads and writes: each gets a whole answer or none, and no write that was acknowledged is lost."""
    kept: list[str] = []
    broken: list[object] = []

    async def client(url: str, name: str, http: httpx.AsyncClient) -> None:
        for number in range(1000):
            document = {"id": f"{name}-{number}", "text": f"Document {number} of {name}."}
            asked = ("/v1/documents", {"documents": [document]}) if name[0] == "w" else ("/v1/search", {"question": "reset"})
            try:
                answer = await http.post(url + asked[0], json=asked[1])
            except httpx.TransportError:  # the connection was closed before there was an answer
                return
            if answer.status_code == 503:
                return
            if answer.status_code != 200 or not answer.json():
                broken.append(answer.text)
            if name[0] == "w":
                kept.append(document["id"])

    async def scene(running: Running) -> None:
        async with httpx.AsyncClient(timeout=PATIENCE) as http:
            clients = [asyncio.create_task(client(running.url, name, http)) for name in ("w1", "w2", "r1", "r2", "r3", "r4")]
            while len(kept) < 5:
                await asyncio.sleep(0.01)
            running.process.send_signal(signal.SIGTERM)
            await asyncio.gather(*clients)

    with serving(tmp_path, fresh_collection) as running:
        running.ready()
        asyncio.run(scene(running))
        assert running.process.wait(PATIENCE) == 0
    assert not broken
    with Collection.open(fresh_collection).view() as view:
        assert view.titles(kept).keys() == set(kept)


def test_a_client_that_never_ends_its_request_does_not_keep_the_server(collection: Path, tmp_path: Path) -> None:
    with serving(tmp_path, collection, "--drain", "1") as running, half_a_request(running.url):
        running.ready()
        assert running.ends(signal.SIGINT) == 0


def test_a_second_signal_quits_at_once_and_the_model_process_ends_too(collection: Path, tmp_path: Path) -> None:
    with serving(tmp_path, collection, "--drain", "300") as running, half_a_request(running.url):
        running.ready()
        (worker,) = [int(pid) for pid in Path(f"/proc/{running.process.pid}/task/{running.process.pid}/children").read_text().split()]
        running.process.send_signal(signal.SIGTERM)
        while "the server ends" not in running.stderr.read_text():
            time.sleep(0.02)
        assert running.ends(signal.SIGTERM) == server.QUIT
        limit = time.monotonic() + PATIENCE
        while _runs(worker):
            assert time.monotonic() < limit
            time.sleep(0.05)


def test_a_folder_that_is_no_collection_and_two_of_one_name_are_refused(collection: Path, fresh_collection: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is no collection; expected a folder"):
        server.run([tmp_path], ServeSettings(port=0), _never)
    with pytest.raises(InputError, match="same name, 'manual'"):
        server.run([collection, fresh_collection], ServeSettings(port=0), _never)


def test_another_address_than_this_machines_own_needs_keys_or_a_closed_network(collection: Path) -> None:
    with pytest.raises(InputError, match="--keys FILE; or say --closed-network"):
        server.run([collection], ServeSettings(host="0.0.0.0", port=0), _never)
    with pytest.raises(InputError, match="is no address"):
        server.run([collection], ServeSettings(host="no.such.host.invalid", port=0, closed_network=True), _never)
    with pytest.raises(InputError, match="cannot be taken"):
        server.run([collection], ServeSettings(host="192.0.2.1", port=0, closed_network=True), _never)


def test_a_port_in_use_is_one_line_and_exit_code_2(collection: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        command = [sys.executable, "-m", "bicross.cli.main", "serve", str(collection), "--port", str(port)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert done.returncode == 2
    assert done.stderr == f"bicross: 127.0.0.1 port {port} is in use; end the other program, or choose --port; 0 takes a free one.\n"
    assert done.stdout == ""


@pytest.mark.parametrize(("verb", "missing"), [("serve", "fastapi"), ("mcp", "fastapi"), ("mcp", "mcp")])
def test_without_the_extra_the_command_that_installs_it_is_said(collection: Path, verb: str, missing: str) -> None:
    script = f"import sys; sys.modules['{missing}'] = None; from bicross.cli.main import main; main()"
    command = [sys.executable, "-c", script, verb, str(collection)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert done.returncode == 2
    assert re.fullmatch(r"bicross: Serving needs [\w.]+, which is not installed: pip install 'bicross\[serve\]'\n", done.stderr)


def test_a_key_of_a_collection_that_is_not_served_is_told_in_the_log(collection: Path, tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    keys.create(file, "read", "manual")
    _, mistyped = keys.create(file, "read", "manaul")
    with serving(tmp_path, collection, "--keys", str(file)) as running:
        log = [json.loads(line) for line in running.stderr.read_text().splitlines()]
    assert [line["message"] for line in log if line["level"] == "warning"] == [
        f"the key {mistyped.id} is for 'manaul', which is not served: it gets 403"
    ]


def _never(url: str, names: object) -> None:
    raise AssertionError(f"{url} is served")


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return "zombie" not in Path(f"/proc/{pid}/status").read_text()
