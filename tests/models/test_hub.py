"""A model is sent by the real client to a hub on this machine, which keeps what it gets."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from bicross import durable, pipeline
from bicross.errors import InputError, StoreError
from tests.models.tiny import tiny


class Hub(BaseHTTPRequestHandler):
    """As much of the hub's API as a small upload takes (https://huggingface.co/docs/hub/api)."""

    sent: dict[str, bytes] = {}  # noqa: RUF012 - of the one hub of a test
    status = 200

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.status != 200:
            self.reply({"error": "no"})
        elif self.path == "/api/repos/create":
            name = json.loads(body)
            self.reply({"url": f"http://{self.headers['Host']}/{name.get('organization', 'owner')}/{name['name']}"})
        elif self.path == "/api/validate-yaml":
            self.reply({"errors": [], "warnings": []})
        elif "/preupload/" in self.path:
            files = [{"path": one["path"], "uploadMode": "regular", "shouldIgnore": False} for one in json.loads(body)["files"]]
            self.reply({"files": files})
        else:
            for line in body.splitlines():
                found = json.loads(line)
                if found["key"] == "file":
                    self.sent[found["value"]["path"]] = base64.b64decode(found["value"]["content"])
            self.reply(
                {"commitUrl": f"http://{self.headers['Host']}/owner/model/commit/{'1' * 40}", "commitOid": "1" * 40, "hookOutput": ""}
            )

    def do_GET(self) -> None:
        self.reply({"id": "owner/model", "siblings": []})

    def reply(self, value: Any) -> None:
        content = json.dumps(value).encode()
        self.send_response(self.status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Hub]]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", f"http://127.0.0.1:{server.server_address[1]}")
    monkeypatch.setenv("HF_TOKEN", "hf_token")
    Hub.sent, Hub.status = {}, 200
    yield Hub
    server.shutdown()
    server.server_close()


@pytest.fixture
def model(tmp_path: Path) -> Path:
    durable.write_folder(tmp_path / "m", {**tiny(1), "README.md": b"# card", "lineage.json": b"{}"}, {})
    return tmp_path / "m"


def test_a_model_is_sent_with_its_card_and_without_what_it_was_asked(hub: type[Hub], model: Path) -> None:
    planned = pipeline.push(str(model), "owner/model", dry_run=True)
    assert planned.address is None and not hub.sent and "lineage.json" not in planned.files
    done = pipeline.push(str(model), "owner/model")
    assert done.address is not None and done.address.endswith("/owner/model")
    assert {name: len(content) for name, content in hub.sent.items()} == done.files == planned.files
    assert hub.sent["README.md"] == b"# card" and "model.safetensors" in hub.sent


def test_a_hub_that_refuses_is_told_with_what_to_do(hub: type[Hub], model: Path) -> None:
    hub.status = 401
    with pytest.raises(InputError, match="hf auth login"):
        pipeline.push(str(model), "owner/model")
    hub.status = 400
    with pytest.raises(StoreError, match="refused owner/model"):
        pipeline.push(str(model), "owner/model")
    with pytest.raises(InputError, match="expected owner/model"):
        pipeline.push(str(model), "a/b/c")
