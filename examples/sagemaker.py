"""Deployment to SageMaker, tried here: the container's contract without the container.

SageMaker unpacks model.tar.gz to a folder, starts the image with the word `serve`, asks GET /ping until it says 200, and sends POST
/invocations. This starts what the image starts, with the same environment. docs/deployment.md has the image and the AWS commands.
Needs the extra `serve`.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from bicross import pipeline

TEXTS = {
    "reset": "Hold the power button for ten seconds to reset the device.",
    "重置": "按住电源键十秒即可重置设备。",
    "battery": "The battery lasts a day.",
}
BODIES: list[dict[str, Any]] = [
    {"question": "how do I reset it?", "k": 2},  # a search
    {"query": "怎么重置？", "texts": list(TEXTS.values())},  # texts put in order
    {"inputs": "how do I reset it?"},  # a vector
]
COMMAND = [sys.executable, "-m", "bicross.serving.container", "serve"]  # the image's entry point, and the only word that SageMaker says


def asked(port: int, method: str, path: str, body: Any = None) -> tuple[int, str]:
    """Status and answer."""
    with closing(HTTPConnection("127.0.0.1", port, timeout=60)) as connection:
        connection.request(method, path, body and json.dumps(body), {"Content-Type": "application/json"})
        answer = connection.getresponse()
        return answer.status, answer.read().decode()


def ready(port: int, server: subprocess.Popen[bytes]) -> int:
    """The status of /ping when it is first 200, as SageMaker waits for it."""
    while server.poll() is None:
        try:
            if (status := asked(port, "GET", "/ping")[0]) == 200:
                return status
        except ConnectionError:
            pass
        time.sleep(0.2)
    raise SystemExit(f"The server ended with {server.returncode}.")


def main() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with TemporaryDirectory() as folder:
        rows = "".join(json.dumps({"id": name, "text": text}) + "\n" for name, text in TEXTS.items())
        (Path(folder) / "texts.jsonl").write_text(rows, "utf-8")
        pipeline.index([Path(folder) / "texts.jsonl"], Path(folder) / "model" / "manual")
        environment = {"BICROSS_COLLECTIONS": f"{folder}/model", "BICROSS_CLOSED_NETWORK": "1", "SAGEMAKER_BIND_TO_PORT": str(port)}
        server = subprocess.Popen(COMMAND, env=os.environ | environment, stderr=subprocess.DEVNULL)  # noqa: S603 - our own words
        try:
            print(f"GET /ping -> {ready(port, server)}")
            for body in BODIES:
                status, answer = asked(port, "POST", "/invocations", body)
                print(f"POST /invocations {json.dumps(body, ensure_ascii=False)[:70]} -> {status}\n  {answer[:160]}")
        finally:
            server.terminate()
            print(f"SIGTERM -> exit {server.wait(timeout=60)}")


if __name__ == "__main__":
    main()
