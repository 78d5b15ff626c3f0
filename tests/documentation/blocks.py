"""The code blocks of a page, run in order in one folder, as a reader would type them.

A `console` block holds commands, each after `$ `, and what they print, which is not compared; without a `$ ` it is output alone. A `python`
block is a script, a `bash` block another, of `curl`s that have to succeed; one that only sets names sets them for those after it.
A comment before a block says what is special about it:

    <!-- not run: REASON -->     it needs what CI has not
    <!-- slow -->                it is run by `make prove`; so is all on the page that needs what it makes
    <!-- exits with 2 -->        what its last command answers

A `bicross` command that needs no shell is called in this process, as the console script calls it, so that a page of twenty commands does
not load everything twenty times; the models of all pages are loaded once. Other commands are bash's.

`bicross serve` is started on a free port and stays until the next or the end of the page; later commands that ask 127.0.0.1:8080 are sent
there. What watches (`--watch`) stays as long. Where the folder has a `key.txt`, a reader holds that key: it is `$KEY`, and stands
for `bcx_…`. `bicross judge` is answered by keys that grade 0 to 3 in turn.
"""

from __future__ import annotations

import io
import os
import re
import shlex
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import ExitStack, chdir, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

from bicross.cli import main as cli
from bicross.models import registry
from bicross.settings import STARTER_ENCODER, STARTER_RERANKER

PATIENCE = 600  # seconds for a block's command
_FENCE = re.compile(r"^```(\w*)\s*$")
_MARKER = re.compile(r"^<!-- (not run: .+|slow|exits with \d+) -->$")
_HERE = re.compile(r"<<\s*'?(\w+)'?")
_OPERATORS, _EXPANDED = "|&;<>()", "$`*~"  # what a shell is needed for
_NAMES = re.compile(r"([A-Z]+=[^;&|\n]+\n?)+")  # a script that only sets names
_CURL = 'set -e; curl() { command curl --fail-with-body "$@"; }\n'

_LOAD = {"load_encoder": registry.load_encoder, "load_reranker": registry.load_reranker}
_USUAL = {"load_encoder": STARTER_ENCODER, "load_reranker": STARTER_RERANKER}


@dataclass(frozen=True)
class Block:
    """A block of a page: `language`, text, the line of its fence (from 1), and what its comment says."""

    language: str
    text: str
    line: int
    marker: str = ""

    @property
    def commands(self) -> list[str]:
        """The commands of a console block, each whole: continued lines and here-documents included."""
        found: list[str] = []
        lines = iter(self.text.splitlines())
        for line in lines:
            if not line.startswith("$ "):
                continue
            command = line.removeprefix("$ ")
            while command.endswith("\\"):
                command += "\n" + next(lines)
            if here := _HERE.search(command):
                for more in lines:
                    command += "\n" + more
                    if more == here.group(1):
                        break
            found.append(command)
        return found

    @property
    def status(self) -> int:
        """The exit status that its last command is to have."""
        return int(self.marker.removeprefix("exits with ")) if self.marker.startswith("exits with ") else 0


def blocks(page: str) -> list[Block]:
    """The fenced blocks of a page in Markdown, in order."""
    found: list[Block] = []
    before, opened, language, inside = "", 0, "", list[str]()
    for number, line in enumerate(page.splitlines(), 1):
        fence = _FENCE.match(line)
        if fence and not opened:
            opened, language, inside = number, fence.group(1), []
        elif fence:
            marker = _MARKER.match(before)
            found.append(Block(language, "\n".join(inside), opened, marker.group(1) if marker else ""))
            opened, before = 0, ""
        elif opened:
            inside.append(line)
        elif line.strip():
            before = line.strip()
    return found


def run(page: str, folder: Path, slow: bool, light: bool = False) -> list[str]:
    """Run a page's blocks in `folder`: what went wrong, a command each; nothing if all is well.

    With `slow` the slow ones too; with `light` what is called in this process has models of no weights for those that ship with Bicross.
    """
    wrong: list[str] = []
    key = (folder / "key.txt").read_text("utf-8") if (folder / "key.txt").exists() else "bcx_…"
    names = f'KEY="{key}"\n'
    with ExitStack() as watching, ExitStack() as serving:
        port = _free_port()
        for block in blocks(page):
            if block.marker.startswith("not run") or (block.marker == "slow" and not slow):
                continue
            commands = block.commands if block.language == "console" else []
            if block.language == "python":
                (folder / "block.py").write_text(block.text.replace("bcx_…", key).replace("127.0.0.1:8080", f"127.0.0.1:{port}"), "utf-8")
                commands = ["python block.py"]
            if block.language == "bash":
                names += f"{block.text}\n" if _NAMES.fullmatch(block.text) else ""
                commands = [_CURL + names + block.text]
            for place, command in enumerate(commands):
                expected = block.status if place == len(commands) - 1 else 0
                trouble = _done(command, folder, expected, port, watching, serving, light)
                first = (block.text if block.language == "bash" else command).splitlines()[0]
                wrong += [f"line {block.line}: {first}\n{trouble}"] if trouble else []
    return wrong


def _done(command: str, folder: Path, expected: int, port: int, watching: ExitStack, serving: ExitStack, light: bool) -> str:
    """Run one command; what is wrong with how it ended, or nothing."""
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    if command.startswith("bicross ") and " --watch" in command.partition("#")[0]:
        words = [sys.executable, "-m", "bicross.cli.main", *command.partition("#")[0].split()[1:]]
        watching.callback(_ended, subprocess.Popen(words, cwd=folder, env=environment))
        return ""
    if command.startswith("bicross serve "):
        serving.close()
        words = [sys.executable, "-m", "bicross.cli.main", *command.partition("#")[0].split()[1:], "--port", str(port)]
        server = subprocess.Popen(words, cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        serving.callback(_ended, server)
        return "" if _ready(f"http://127.0.0.1:{port}/readyz", server) else f"not ready; the server ended with {server.poll()}"
    command = command.replace("127.0.0.1:8080", f"127.0.0.1:{port}")
    if words := plain(command):
        status, said = _called(words, folder, light)
        return "" if status == expected else f"exit {status}, expected {expected}: {said[-600:]}"
    try:
        done = subprocess.run(
            ["bash", "-o", "pipefail", "-c", command],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=PATIENCE,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"was not done after {PATIENCE} s"
    return "" if done.returncode == expected else f"exit {done.returncode}, expected {expected}: {(done.stderr or done.stdout)[-600:]}"


def plain(command: str) -> list[str]:
    """The words of a `bicross` command that needs no shell; none of another."""
    if not command.startswith("bicross ") or set(command) & set(_EXPANDED):
        return []
    words = shlex.shlex(command.replace("\\\n", " "), posix=True, punctuation_chars=_OPERATORS)
    words.wordchars += "".join(set(command) - set(words.wordchars) - set(_OPERATORS + " \t\n'\"#\\"))
    found = list(words)
    return [] if any(set(word) <= set(_OPERATORS) for word in found if word) else found


def _called(words: list[str], folder: Path, light: bool) -> tuple[int, str]:
    """The exit status of the command line called with these words, and what it said."""
    said, status = io.StringIO(), 0
    keys = patch.object(sys, "stdin", io.StringIO("0123" * 50 if words[1] == "judge" else ""))
    with ExitStack() as around:
        for context in (chdir(folder), redirect_stdout(said), redirect_stderr(said), patch.object(sys, "argv", words), keys):
            around.enter_context(context)
        for load in _LOAD:
            around.enter_context(patch.object(registry, load, partial(_loaded, load, light)))
        try:
            cli.main()
        except SystemExit as end:
            status = end.code if isinstance(end.code, int) else int(end.code is not None)
    return status, said.getvalue()


def _loaded(load: str, light: bool, name: str | None = None, *precision: str | None, **more: str | None) -> Any:
    """A model as `registry` loads it. What comes with Bicross, which no page changes, is loaded once, or where all is to be `light` without
    weights."""
    if name is None or name in registry.SHIPPED:
        name = registry.HASHED if light else name or _USUAL[load]
        if not precision and not more:
            return _shipped(load, name)
    return _LOAD[load](name, *precision, **more)


@cache
def _shipped(load: str, name: str) -> Any:
    return _LOAD[load](name)


def _free_port() -> int:
    with socket.socket() as asked:
        asked.bind(("127.0.0.1", 0))
        port: int = asked.getsockname()[1]
        return port


def _ready(url: str, server: subprocess.Popen[bytes]) -> bool:
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end and server.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return True
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.2)
    return False


def _ended(server: subprocess.Popen[bytes]) -> None:
    server.terminate()
    server.wait(timeout=60)
