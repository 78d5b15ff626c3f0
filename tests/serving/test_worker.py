"""The model process by itself: spoken to in frames, over its own pipes."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bicross import pipeline
from bicross.serving.frames import encoded, read_frame

COMMAND = [sys.executable, "-P", "-m", "bicross.serving.worker"]
PATIENCE = 60


class Speaking:
    """A model process and the two ends of its pipes."""

    def __init__(self, folder: Path, **others: Path) -> None:
        self.process = subprocess.Popen(COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.say({"collections": {name: str(path) for name, path in {"manual": folder, **others}.items()}})
        assert self.hear()["event"] == "ready"

    def say(self, frame: dict[str, Any]) -> None:
        self.write(encoded(frame))

    def write(self, content: bytes) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(content)
        self.process.stdin.flush()

    def hear(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        frame = read_frame(self.process.stdout)  # type: ignore[arg-type]  # a buffered reader is a BinaryIO
        assert frame is not None
        return self.hear() if frame.get("event") == "alive" else frame  # a busy machine may take a second to load

    def ask(self, lane: str, op: str, **args: Any) -> dict[str, Any]:
        self.say({"id": 1, "lane": lane, "op": op, "collection": "manual", "args": args})
        return self.hear()

    def end(self) -> tuple[int, bytes, str]:
        """Close stdin; the exit code, what is left on stdout, and the log."""
        out, log = self.process.communicate(timeout=PATIENCE)
        return self.process.returncode, out, log.decode()


@pytest.fixture
def worker(fresh_collection: Path) -> Iterator[Speaking]:
    speaking = Speaking(fresh_collection)
    yield speaking
    speaking.process.kill()
    speaking.process.communicate()


def test_it_answers_in_three_lanes_and_ends_when_stdin_does(worker: Speaking) -> None:
    assert worker.ask("models", "search", texts=["reset the device"], settings={})["ok"][0]["hits"][0]["id"] == "reset"
    assert worker.ask("reads", "documents", ids=["电池"])["ok"][0]["title"] == "电池"
    assert worker.ask("writes", "delete", ids=["reset"])["ok"]["deleted"] == 1
    code, out, _ = worker.end()
    assert (code, out) == (0, b"")


NONSENSE: tuple[tuple[dict[str, Any], str], ...] = (
    ({"lane": "nowhere", "op": "search", "collection": "manual"}, "Internal"),
    ({"lane": ["models"], "op": "search", "collection": "manual"}, "Internal"),
    ({"op": "search", "collection": "manual"}, "Internal"),
    ({"lane": "models", "op": "__init__", "collection": "manual"}, "InputError"),
    ({"lane": "models", "op": "search", "collection": "other"}, "InputError"),
    ({"lane": "models"}, "Internal"),
    ({"lane": "models", "op": "search", "collection": "manual", "args": {"what": 1}}, "Internal"),
    ({"lane": "models", "op": "search", "collection": "manual", "args": [1]}, "Internal"),
    ({"lane": "models", "op": "embed", "collection": "manual", "args": {"texts": [1], "side": "query"}}, "InputError"),
    ({"lane": "reads", "op": "documents", "collection": "manual", "args": {"ids": [{}]}}, "Internal"),
    ({"lane": "models", "op": "search", "collection": "manual", "args": {"texts": ["a"], "settings": {"k": 0}}}, "Internal"),
)


def test_what_makes_no_sense_is_answered_and_the_next_call_too(worker: Speaking) -> None:
    for frame, kind in NONSENSE:
        worker.say({"id": 7, **frame})
        answer = worker.hear()
        assert answer["id"] == 7 and answer["error"]["kind"] == kind, frame
        assert worker.ask("models", "search", texts=["reset"], settings={})["ok"]


def test_what_is_not_foreseen_is_in_the_log_and_not_in_the_answer(worker: Speaking) -> None:
    answer = worker.ask("reads", "documents", ids=[{"private": "words"}])
    assert "private" not in str(answer)
    _, _, log = worker.end()
    assert "documents failed" in log and "traceback" in log and "private" not in log


@pytest.mark.parametrize(
    "content", [b"\xff\xff\xff\xff", b"\x00\x00\x00\x04ab", b"\x00\x00\x00\x02[]", b"\x00\x00\x00\x04{\xff\xfe}", b"\x00"]
)
def test_after_what_is_no_frame_it_ends(worker: Speaking, content: bytes) -> None:
    worker.write(content)
    code, out, log = worker.end()
    assert (code, out) == (1, b"") and "no frame" in log


def test_a_megabyte_of_text_and_any_character(worker: Speaking) -> None:
    text = "电池 \U0001f50b reset " * 80_000
    assert len(text.encode()) > 1_000_000
    answer = worker.ask("models", "score", pairs=[["reset", text]])
    assert answer["ok"]["cut"] == [True]
    assert worker.ask("writes", "put", documents=[{"id": "long", "text": text}])["ok"]["changed"] == 1
    assert worker.ask("reads", "documents", ids=["long"])["ok"][0]["text"] == text
    assert "lone surrogate" in worker.ask("models", "embed", texts=["\ud800"], side="query")["error"]["message"]


def test_it_finishes_the_write_that_it_is_at_and_begins_no_other(worker: Speaking, fresh_collection: Path) -> None:
    rows = [[{"id": f"{part}-{number}", "text": f"Text {number} of part {part}."} for number in range(500)] for part in range(30)]
    for number, documents in enumerate(rows):
        worker.say({"id": number, "lane": "writes", "op": "put", "collection": "manual", "args": {"documents": documents}})
    assert worker.hear()["id"] == 0
    code, out, _ = worker.end()
    assert code == 0
    answered = 1
    while out:
        size = 4 + int.from_bytes(out[:4], "big")
        answered, out = answered + 1, out[size:]
    assert answered < len(rows)
    assert pipeline.status(fresh_collection).documents == 10 + 500 * answered  # what was answered, and nothing else
    assert pipeline.verify(fresh_collection).problems == ()


def test_after_a_deletion_the_words_are_soon_in_no_file(worker: Speaking, fresh_collection: Path) -> None:
    worker.ask("writes", "put", documents=[{"id": "secret", "text": "The password is xylophone."}])
    assert worker.ask("writes", "delete", ids=["secret"])["ok"]["deleted"] == 1

    def told() -> bool:
        with contextlib.suppress(FileNotFoundError):  # generations are removed while we look
            return any(b"xylophone" in file.read_bytes() for file in fresh_collection.rglob("*") if file.is_file())
        return True

    deadline = time.monotonic() + PATIENCE
    while told():
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert worker.ask("models", "search", texts=["reset the device"], settings={})["ok"][0]["hits"][0]["id"] == "reset"


def test_signals_to_the_whole_group_do_not_end_it(worker: Speaking) -> None:
    worker.process.send_signal(signal.SIGINT)
    worker.process.send_signal(signal.SIGTERM)
    assert worker.ask("models", "search", texts=["reset"], settings={})["ok"]


PARENT = """
import asyncio, sys
from pathlib import Path
from bicross.serving.supervisor import Supervisor

async def main():
    supervisor = Supervisor({"manual": Path(sys.argv[1])})
    await supervisor.start()
    assert await supervisor.loaded(60)
    print(supervisor.pid, flush=True)
    await asyncio.sleep(600)

asyncio.run(main())
"""


def test_it_does_not_outlive_a_parent_that_is_killed(fresh_collection: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", PARENT, str(fresh_collection)], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert alive(pid)
        parent.kill()
    deadline = time.monotonic() + PATIENCE
    while alive(pid):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def alive(pid: int) -> bool:
    """Whether a process runs; one that has ended and that nobody has asked for yet does not."""
    with contextlib.suppress(OSError):
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in ("Z", "X")
    return False


def test_large_writes_to_one_collection_hold_up_no_other(fresh_collection: Path, made_collection: Path, tmp_path: Path) -> None:
    other = Path(shutil.copytree(made_collection, tmp_path / "other"))
    worker = Speaking(fresh_collection, other=other)
    for part in range(6):
        rows = [{"id": f"{part}-{number}", "text": f"Text {number} of part {part}."} for number in range(500)]
        worker.say({"id": part, "lane": "writes", "op": "put", "collection": "manual", "args": {"documents": rows}})
    small = {"documents": [{"id": "small", "text": "A small one."}]}
    worker.say({"id": "other", "lane": "writes", "op": "put", "collection": "other", "args": small})
    answers = [worker.hear() for _ in range(7)]
    assert all(answer["ok"]["changed"] for answer in answers)
    assert [answer["id"] for answer in answers].index("other") < 6
    code, out, _ = worker.end()
    assert (code, out) == (0, b"")
