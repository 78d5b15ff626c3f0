"""The report in headless Chromium, where there is one: nothing is fetched, nothing complained of, nothing wider than the screen."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from html import unescape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from bicross.evaluation.page import page
from tests.evaluation.report_world import evaluated

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable"))), None)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")
OF_THE_BROWSER = re.compile(r"(^|\.)(google|googleapis|gstatic|gvt1|googleusercontent)\.com(:\d+)?$")
FRAME = """<!doctype html><title>frame</title><body style="margin:0"><pre id="found"></pre><iframe id="f" src="/report.html"
style="border:0;width:{width}px;height:800px"></iframe><script>
document.getElementById("f").onload = event => {{
  const page = event.target.contentDocument, worst = [...page.querySelectorAll("a[href^='#worst-']")].slice(0, 3);
  page.querySelectorAll("details").forEach(part => {{ part.open = true; }});
  document.getElementById("found").textContent = JSON.stringify({{
    wide: page.documentElement.scrollWidth, bottom: Math.max(...worst.map(a => a.getBoundingClientRect().bottom)), links: worst.length,
    small: Math.min(...[...page.querySelectorAll("svg.figure text")].map(t => t.getBoundingClientRect().height))}});
}};</script>"""


class Seen(NamedTuple):
    """What the page measured itself as, what was asked of the network, and what the console said."""

    facts: dict[str, Any]
    requests: list[str]
    console: list[str]


@contextmanager
def proxy(pages: dict[str, str], requests: list[str]) -> Iterator[int]:
    """A proxy that knows these pages and no other, and remembers what it was asked for; its port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            requests.append(self.path)
            name = re.sub(r"^http://report\.test", "", self.path)
            self.send_response(200 if name in pages else 404)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.end_headers()
            self.wfile.write(pages.get(name, "").encode())

        def do_CONNECT(self) -> None:
            requests.append(self.path)
            self.send_error(502)

        do_POST = do_CONNECT  # noqa: N815 - the name that the base class looks for

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()


def opened(folder: Path, report: str, width: int) -> Seen:
    """Open a report in a frame of this width. Everything that is fetched goes through the proxy."""
    assert CHROMIUM is not None
    requests: list[str] = []
    with proxy({"/frame.html": FRAME.format(width=width), "/report.html": report}, requests) as port:
        flags = ["--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-sync"]
        flags += ["--disable-component-update", f"--user-data-dir={folder / str(width)}", f"--proxy-server=http://127.0.0.1:{port}"]
        flags += ["--enable-logging=stderr", "--window-size=1280,800", "--virtual-time-budget=5000", "--dump-dom"]
        command = [CHROMIUM, *flags, "http://report.test/frame.html"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True, env={**os.environ, "HOME": str(folder)})
    found = re.search(r'<pre id="found">(.*?)</pre>', done.stdout)
    assert found is not None and found[1], done.stderr
    ours = [address for address in requests if not address.endswith(("/frame.html", "/report.html", "report.test/favicon.ico"))]
    foreign = [address for address in ours if not OF_THE_BROWSER.search(re.sub(r"^\w+://|/.*", "", address))]
    return Seen(json.loads(unescape(found[1])), foreign, [line for line in done.stderr.splitlines() if "CONSOLE" in line])


@pytest.mark.parametrize("width", [390, 1280])
def test_nothing_is_fetched_or_complained_of_and_nothing_is_too_wide(tmp_path: Path, width: int) -> None:
    seen = opened(tmp_path, page(evaluated()), width)
    assert (seen.requests, seen.console) == ([], [])
    assert seen.facts["wide"] <= width
    assert seen.facts["small"] >= 10, "pixels that a line of a figure's text is high"


@pytest.mark.parametrize("width", [390, 1280])
def test_the_three_worst_questions_are_within_the_first_screen(tmp_path: Path, width: int) -> None:
    usual = replace(evaluated(), made_by={"collection": "manual"}, checks=())
    facts = opened(tmp_path, page(usual), width).facts
    assert facts["links"] == 3 and facts["bottom"] <= 800


def test_a_page_that_fetches_and_fails_would_be_seen(tmp_path: Path) -> None:
    bad = '<!doctype html><a href="#worst-1">x</a><svg class="figure"><text>x</text></svg><img src="http://elsewhere.test/x.png">'
    seen = opened(tmp_path, f"{bad}<div style='width:900px'>x</div><script>nothing()</script>", 390)
    assert seen.requests == ["http://elsewhere.test/x.png"] and any("nothing is not defined" in line for line in seen.console)
    assert seen.facts["wide"] > 390
