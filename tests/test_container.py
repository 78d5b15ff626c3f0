"""What the image is made of and what it runs, as far as that can be known without a container engine."""

from __future__ import annotations

import configparser
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tarfile
import threading
import time
import urllib.error
import urllib.request
import venv
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from bicross import pipeline
from bicross.cli.main import app
from bicross.errors import InputError
from bicross.models.registry import HASHED
from bicross.serving.access import find
from bicross.serving.container import arguments_of
from bicross.settings import IndexSettings

ROOT = Path(__file__).parent.parent
SNAPSHOT = [sys.executable, str(ROOT / "deploy" / "snapshot.py")]
CLOSED = {"BICROSS_CLOSED_NETWORK": "1"}
Instruction = tuple[str, str]


def instructions() -> list[Instruction]:
    """The Dockerfile's, lines joined and comments gone."""
    lines = [line for line in (ROOT / "Dockerfile").read_text("utf-8").splitlines() if not line.startswith("#")]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines))
    return [(word, rest.strip()) for word, _, rest in (line.partition(" ") for line in joined.splitlines() if line.strip())]


def stages() -> dict[str, list[Instruction]]:
    """Name of a stage -> its instructions and, before them, those of the stage that it is made from."""
    found: dict[str, list[Instruction]] = {}
    current: list[Instruction] = []
    for word, rest in instructions():
        if word == "FROM":
            source, _, name = rest.partition(" AS ")
            current = found[name] = list(found.get(source, [(word, source)]))
        else:
            current.append((word, rest))
    return found


def last(stage: str, word: str) -> str:
    return [rest for found, rest in stages()[stage] if found == word][-1]


@pytest.fixture(scope="module")
def collection(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("container")
    rows = [{"id": "reset", "text": "Hold the power button for ten seconds."}, {"id": "重置", "text": "按住电源键十秒即可重置设备。"}]
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    pipeline.index([folder / "rows.jsonl"], folder / "manual", IndexSettings(encoder=HASHED, reranker=HASHED))
    return folder / "manual"


# --- the files -----------------------------------------------------------------------------------------------------


def test_images_come_from_a_slim_python_of_a_stated_release() -> None:
    assert {rest.partition(" ")[0] for word, rest in instructions() if word == "FROM"} == {"python:3.11-slim-bookworm", "base"}


def test_the_last_stage_is_what_is_built_and_is_not_root() -> None:
    *_, name = stages()
    assert last(name, "USER") == "10001:10001"
    assert last("sagemaker", "USER") == "0"  # SageMaker expects it


def test_commands_are_in_exec_form_so_that_signals_reach_the_server() -> None:
    for word in ("ENTRYPOINT", "CMD"):
        assert isinstance(json.loads(last("server", word)), list)
    health = last("server", "HEALTHCHECK")
    assert isinstance(json.loads(health[health.index("[") :]), list)
    assert json.loads(last("server", "ENTRYPOINT"))[-1] == "bicross.serving.container" and json.loads(last("server", "CMD")) == ["serve"]


def test_only_the_sagemaker_image_says_that_its_network_is_closed() -> None:
    said = {name: any("BICROSS_CLOSED_NETWORK" in rest for _, rest in stages()[name]) for name in ("server", "sagemaker")}
    assert said == {"server": False, "sagemaker": True}


def test_nothing_is_fetched_but_packages_at_the_versions_that_are_tested() -> None:
    for word, rest in instructions():
        assert word != "ADD" and not re.search(r"\b(curl|wget|apt-get|git)\b", rest)
        if word == "RUN" and "pip install" in rest:
            assert "--constraint constraints.txt" in rest and "[serve]" in rest


def test_no_secret_is_in_the_image() -> None:
    for word, rest in instructions():
        assert word != "ARG" and not (word == "ENV" and re.search(r"(?i)(key|token|password|secret)\w*=", rest))


def test_what_the_build_copies_is_there_and_is_sent_and_nothing_else_is() -> None:
    copied = {name for word, rest in instructions() if word == "COPY" and "--from" not in rest for name in rest.split()[:-1]}
    patterns = [line for line in (ROOT / ".dockerignore").read_text("utf-8").splitlines() if line and not line.startswith("#")]
    assert patterns[0] == "*" and {pattern[1:] for pattern in patterns if pattern.startswith("!")} == copied
    assert all((ROOT / name).exists() for name in copied)
    assert all(any(fnmatch(name, pattern) for pattern in patterns[1:]) for name in ("src/__pycache__", "**/x.pyc"))


def test_kubernetes_asks_routes_that_are_open_and_starts_what_the_image_runs() -> None:
    parts = list(yaml.safe_load_all((ROOT / "deploy" / "kubernetes.yaml").read_text("utf-8")))
    deployments = {part["metadata"]["name"]: part["spec"] for part in parts if part["kind"] == "Deployment"}
    assert deployments["bicross-writer"]["replicas"] == 1 and deployments["bicross-writer"]["strategy"]["type"] == "Recreate"
    for spec in deployments.values():
        pod = spec["template"]["spec"]
        (container,) = pod["containers"]
        assert spec["selector"]["matchLabels"].items() <= spec["template"]["metadata"]["labels"].items()
        assert pod["securityContext"]["runAsUser"] == 10001 and container["securityContext"]["readOnlyRootFilesystem"]
        for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
            access, _ = find("GET", container[probe]["httpGet"]["path"])
            assert access is not None and access.scope == "open"
        flags = accepted(container["args"])
        assert str(flags["port"]) == str(container["ports"][0]["containerPort"]) == last("server", "EXPOSE")
        waited = float(container["lifecycle"]["preStop"]["exec"]["command"][1]) + flags["drain"]
        assert pod["terminationGracePeriodSeconds"] >= waited + 5
        mounts = {mount["mountPath"] for mount in container["volumeMounts"]}
        assert {mount["name"] for mount in container["volumeMounts"]} == {volume["name"] for volume in pod["volumes"]}
        assert all(any(path.startswith(mount) for mount in mounts) for path in map(str, (*flags["collections"], flags["keys"])))
    for service in (part["spec"] for part in parts if part["kind"] == "Service"):
        assert any(service["selector"].items() <= spec["template"]["metadata"]["labels"].items() for spec in deployments.values())


def test_systemd_gives_the_server_the_time_that_its_drain_takes() -> None:
    unit = configparser.RawConfigParser(strict=False)
    unit.optionxform = str  # type: ignore[assignment,method-assign]  # as its documentation says
    unit.read(ROOT / "deploy" / "bicross.service", "utf-8")
    service = unit["Service"]
    _, *words = service["ExecStart"].split()
    assert accepted(words)["host"] == "127.0.0.1" and service["User"] != "root" and service["KillMode"] == "mixed"
    assert float(service["TimeoutStopSec"]) >= accepted(words)["drain"] + 5


def accepted(words: list[str]) -> dict[str, Any]:
    """What the command line makes of words that begin with `serve`, which is not run."""
    serve = typer.main.get_command(app).commands[words[0]]  # type: ignore[attr-defined]  # it is a group
    return dict(serve.make_context(words[0], words[1:]).params)


# --- what it runs --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("environment", "port", "entrance"),
    [
        (CLOSED, "8080", ["--closed-network"]),
        ({**CLOSED, "SAGEMAKER_BIND_TO_PORT": "9123"}, "9123", ["--closed-network"]),
        ({"BICROSS_KEYS": "/keys/keys.json"}, "8080", ["--keys", "/keys/keys.json"]),
        ({**CLOSED, "BICROSS_KEYS": "/keys/keys.json"}, "8080", ["--keys", "/keys/keys.json"]),
    ],
)
def test_serve_alone_finds_the_collection_the_port_and_who_may_come_in(
    environment: Mapping[str, str], port: str, entrance: list[str], collection: Path
) -> None:
    found = arguments_of(["serve"], {"BICROSS_COLLECTIONS": str(collection), **environment})
    assert found == ["serve", str(collection), "--host", "0.0.0.0", "--port", port, *entrance] and accepted(found)


def test_a_folder_of_collections_is_served_by_name_and_what_else_is_there_is_not(collection: Path, tmp_path: Path) -> None:
    for name in ("b", "a"):
        shutil.copytree(collection, tmp_path / name)
    (tmp_path / "code").mkdir()
    (tmp_path / "notes.txt").touch()
    found = arguments_of(["serve"], {"BICROSS_COLLECTIONS": str(tmp_path), **CLOSED})
    assert found[1:3] == [str(tmp_path / "a"), str(tmp_path / "b")] and found[3] == "--host"


@pytest.mark.parametrize("words", [[], ["search", "/data/manual", "x"], ["serve", "/data/manual"], ["serve", "--help"]])
def test_other_words_are_those_of_the_command_line(words: list[str]) -> None:
    assert arguments_of(words, {}) == words


def test_serve_alone_needs_to_know_who_may_come_in(collection: Path) -> None:
    for environment in ({}, {"BICROSS_CLOSED_NETWORK": "0"}, {"BICROSS_KEYS": ""}):
        with pytest.raises(InputError, match="BICROSS_KEYS"):
            arguments_of(["serve"], {"BICROSS_COLLECTIONS": str(collection), **environment})


def test_serve_alone_needs_a_collection(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "none"):
        with pytest.raises(InputError, match="no collection"):
            arguments_of(["serve"], {"BICROSS_COLLECTIONS": str(folder), **CLOSED})
    said = entered("serve", BICROSS_COLLECTIONS=str(tmp_path), **CLOSED)
    assert (said.returncode, said.stdout) == (2, "") and said.stderr.startswith("bicross: There is no collection at")


def test_it_answers_as_sagemaker_asks_and_ends_when_it_is_told(collection: Path) -> None:
    model = collection.parent / "model"  # as SageMaker unpacks it
    if not model.exists():
        assert subprocess.run([*SNAPSHOT, collection, model.with_suffix(".tar.gz")], check=True, env=environment()).returncode == 0
        with tarfile.open(model.with_suffix(".tar.gz")) as archive:
            archive.extractall(model, filter="data")
    with serving(BICROSS_COLLECTIONS=str(model), **CLOSED) as (base, process):
        body = {"query": "reset", "texts": ["sound", "reset the device"]}
        status, found = ask(f"{base}/invocations", body)
        assert status == 200 and [one["index"] for one in found] == [1, 0]
        port = base.rpartition(":")[2]
        assert entered("healthy", SAGEMAKER_BIND_TO_PORT=port).returncode == 0
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
        assert entered("healthy", SAGEMAKER_BIND_TO_PORT=port).returncode == 1


def test_a_snapshot_of_a_collection_that_is_written_to_is_whole(collection: Path, tmp_path: Path) -> None:
    live = Path(shutil.copytree(collection, tmp_path / "live"))
    stop = threading.Event()

    def write() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            (tmp_path / "more.jsonl").write_text(json.dumps({"id": f"more {number}", "text": f"Text {number}."}) + "\n", "utf-8")
            pipeline.index([tmp_path / "more.jsonl"], live)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for number in range(3):
            subprocess.run([*SNAPSHOT, live, tmp_path / f"copy {number}"], check=True, env=environment(), stdout=subprocess.DEVNULL)
    finally:
        stop.set()
        writer.join()
    for number in range(3):
        copy = tmp_path / f"copy {number}"
        assert not pipeline.verify(copy).problems and pipeline.status(copy).generation and not list(copy.glob("*.new"))
        assert pipeline.search(copy, ["reset"]).queries[0].hits
    assert not list(tmp_path.glob(".copy*"))


def test_a_snapshot_replaces_nothing_and_needs_a_collection(collection: Path, tmp_path: Path) -> None:
    for source, into in ((collection, tmp_path), (tmp_path / "none", tmp_path / "copy"), (collection, tmp_path / "none" / "copy")):
        said = subprocess.run([*SNAPSHOT, source, into], capture_output=True, text=True, check=False, env=environment())
        assert said.returncode == 1 and said.stderr.startswith("snapshot: ")


@pytest.mark.slow
def test_a_wheel_with_the_extra_serve_has_all_that_it_serves_and_no_torch(collection: Path, tmp_path: Path) -> None:
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    subprocess.run([*pip, "wheel", "--no-deps", "--wheel-dir", tmp_path, ROOT], check=True)
    (wheel,) = tmp_path.glob("*.whl")
    venv.create(tmp_path / "venv", with_pip=True)
    python = tmp_path / "venv" / "bin" / "python"
    install = ["install", "--quiet", "--disable-pip-version-check", "--constraint", ROOT / "constraints.txt"]
    subprocess.run([python, "-m", "pip", *install, f"{wheel}[serve]"], check=True)
    listed = subprocess.run([python, "-m", "pip", "list", "--format", "json"], capture_output=True, text=True, check=True).stdout
    assert not {"torch", "transformers", "sentence-transformers"} & {one["name"].lower() for one in json.loads(listed)}
    clean = {"PYTHONPATH": "", "BICROSS_CACHE": str(tmp_path / "cache")}
    with serving(python, BICROSS_COLLECTIONS=str(collection), **CLOSED, **clean) as (base, _):
        for path in ("/", "/collection", "/livez", "/openapi.json"):
            assert fetched(base + path)
        files = {file.read_bytes() for file in (ROOT / "src" / "bicross" / "serving" / "web" / "static").iterdir()}
        linked = set(re.findall(r'"(/static/[^"]+)"', fetched(f"{base}/").decode()))
        assert len(linked) >= 3 and all(fetched(base + path) in files for path in linked)
        assert ask(f"{base}/v1/search", {"question": "如何重置设备？"})[0] == 200


def environment(**more: str) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("BICROSS_", "SAGEMAKER_"))}
    return {**inherited, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path), **more}


def entered(*words: str, **more: str) -> subprocess.CompletedProcess[str]:
    """The image's entry point with the words after the image's name."""
    command = [sys.executable, *json.loads(last("server", "ENTRYPOINT"))[1:], *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=environment(**more))


@contextmanager
def serving(python: str | Path = sys.executable, **more: str) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """The entry point with `serve` alone, ready: its address and its process."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [str(python), *json.loads(last("server", "ENTRYPOINT"))[1:], "serve"]
    process = subprocess.Popen(command, env=environment(SAGEMAKER_BIND_TO_PORT=str(port), **more), stderr=subprocess.DEVNULL)
    base = f"http://127.0.0.1:{port}"
    try:
        for _ in range(600):
            assert process.poll() is None, "the server ended"
            if _ping(base):
                break
            time.sleep(0.1)
        yield base, process
    finally:
        if process.poll() is None:
            process.terminate()
        process.wait(30)


def _ping(base: str) -> bool:
    try:
        with urllib.request.urlopen(f"{base}/ping", timeout=2) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, TimeoutError):
        return False


def fetched(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=10) as answer:
        assert answer.status == 200
        return bytes(answer.read())


def ask(url: str, body: Any) -> tuple[int, Any]:
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return answer.status, json.load(answer)
