"""The model process as the server sees it: a real one, which dies, hangs and ends. Its models need no weights."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

import bicross
from bicross import pipeline
from bicross.collection.store import Collection
from bicross.errors import InputError, Locked
from bicross.models.hashed import HashedEncoder
from bicross.records import Document
from bicross.serving import supervisor as supervisor_module
from bicross.serving.engine import Engine
from bicross.serving.refusals import Late, Refused, Unavailable
from bicross.serving.supervisor import Supervisor
from bicross.settings import SearchSettings
from tests.serving.test_worker import alive

pytestmark = pytest.mark.anyio
PATIENCE = 60
RESET = {"texts": ["reset the device"], "settings": {"k": 1}}


@asynccontextmanager
async def running(folder: Path, **settings: float) -> AsyncIterator[Supervisor]:
    """A supervisor whose process is ready, and afterwards is gone."""
    one = Supervisor({"manual": folder}, **settings)
    await one.start()
    assert await one.loaded(PATIENCE)
    try:
        yield one
    finally:
        pid = one.pid
        await one.close()
        assert not one.ready and one.pid is None and (pid is None or not alive(pid))


async def search(one: Supervisor) -> str:
    (answer,) = await one.call("models", "search", "manual", RESET)
    return str(answer["hits"][0]["id"])


async def test_a_search_is_what_an_opened_collection_finds(direct: Engine, collection: Path) -> None:
    questions = ["How do I reset it?", "电池能用多久？"]
    found = await direct.search("manual", questions, SearchSettings(k=5))
    with bicross.open(collection) as opened:
        expected = opened.search(questions, SearchSettings(k=5)).as_json()["queries"]
    for answer, wanted in zip(found, expected, strict=True):
        assert answer["degraded"] is False
        assert set(answer.pop("seconds")) >= set(wanted.pop("seconds"))
        assert answer == wanted


async def test_vectors_are_those_of_the_encoder_byte_for_byte(engine: Engine) -> None:
    texts = ["A short text.", "一段短文", ""]
    found = await engine.embed("manual", texts, "document")
    assert found.vectors.tobytes() == HashedEncoder().encode_documents(texts).tobytes()
    assert found.tokens == (3, 4, 0) and found.cut == (False, False, False)


async def test_what_was_put_is_found_and_what_was_deleted_is_not(engine: Engine) -> None:
    row = Document("zeppelin", "The zeppelin is filled with helium.", "Zeppelin", {"lang": "en"})
    assert (await engine.put("manual", [row]))["changed"] == 1
    (answer,) = await engine.search("manual", ["zeppelin helium"], SearchSettings(k=1))
    assert answer["hits"][0]["id"] == "zeppelin"
    assert (await engine.delete("manual", ["zeppelin"]))["deleted"] == 1
    (answer,) = await engine.search("manual", ["zeppelin helium"], SearchSettings(k=10))
    assert "zeppelin" not in {hit["id"] for hit in answer["hits"]}


async def test_a_write_beside_another_writer_is_refused_as_locked(fresh_collection: Path) -> None:
    async with running(fresh_collection) as one:
        with Collection.write(fresh_collection), pytest.raises(Locked, match="is being written by process"):
            await one.call("writes", "delete", "manual", {"ids": ["reset"]})
        assert (await one.call("writes", "delete", "manual", {"ids": ["reset"]}))["deleted"] == 1


async def test_errors_of_the_process_are_raised_as_what_they_are(supervisor: Supervisor) -> None:
    with pytest.raises(InputError, match="empty"):
        await supervisor.call("models", "search", "manual", {"texts": [" "], "settings": {}})
    with pytest.raises(Late):
        await supervisor.call("models", "search", "manual", {**RESET, "seconds_left": 0.0})
    with pytest.raises(Refused, match="not foreseen") as caught:
        await supervisor.call("models", "search", "manual", {"what": 1})
    assert caught.value.status == 500
    with pytest.raises(InputError, match="cannot be handed on"):
        await supervisor.call("models", "search", "manual", {"texts": [object()]})


async def test_many_calls_at_once_get_their_own_answers(supervisor: Supervisor) -> None:
    texts = [f"text number {number}" * (1 + number % 3) for number in range(50)]
    calls = [supervisor.call("models", "embed", "manual", {"texts": [text], "side": "query"}) for text in texts]
    reads = [supervisor.call("reads", "documents", "manual", {"ids": [name]}) for name in ("reset", "电池")]
    found = await asyncio.gather(*calls, *reads)
    alone = await supervisor.call("models", "embed", "manual", {"texts": texts, "side": "query"})
    assert [one["tokens"] for one in found[:50]] == [[count] for count in alone["tokens"]]
    assert [rows[0]["id"] for rows in found[50:]] == ["reset", "电池"]


async def test_a_process_that_is_killed_fails_what_it_had_and_comes_back(fresh_collection: Path) -> None:
    async with running(fresh_collection, patience=PATIENCE) as one:
        pid = one.pid
        assert pid is not None
        os.kill(pid, signal.SIGSTOP)  # so that the calls are in flight for sure
        calls = [asyncio.create_task(search(one)) for _ in range(8)]
        abandoned = asyncio.create_task(search(one))
        await asyncio.sleep(0.1)
        abandoned.cancel()
        os.kill(pid, signal.SIGKILL)
        for failed in await asyncio.gather(*calls, return_exceptions=True):
            assert isinstance(failed, Unavailable) and failed.retry_after
        assert await search(one) == "reset"  # waits until another one is ready
        assert one.pid not in (None, pid) and one.restarts == 1 and not alive(pid)


async def test_it_comes_back_time_and_again_and_loses_no_acknowledged_write(fresh_collection: Path) -> None:
    acknowledged: list[str] = []
    async with running(fresh_collection, patience=PATIENCE) as one:
        for number in range(3):

            async def put(names: list[str]) -> None:
                for name in names:
                    await one.call("writes", "put", "manual", {"documents": [{"id": name, "text": f"Text of {name}."}]})
                    acknowledged.append(name)

            writing = asyncio.create_task(put([f"{number}-{place}" for place in range(500)]))
            while not any(name.startswith(f"{number}-") for name in acknowledged[-3:]):
                await asyncio.sleep(0.005)
            assert one.pid is not None
            os.kill(one.pid, signal.SIGKILL)
            with pytest.raises(Unavailable):
                await writing
        found = await one.call("reads", "documents", "manual", {"ids": acknowledged})
        assert [row["id"] for row in found] == acknowledged and one.restarts == 3
    assert pipeline.verify(fresh_collection).problems == ()


async def test_a_process_that_hangs_is_killed_and_comes_back(fresh_collection: Path) -> None:
    async with running(fresh_collection, hang=0.5, patience=PATIENCE) as one:
        pid = one.pid
        assert pid is not None
        os.kill(pid, signal.SIGSTOP)
        with pytest.raises(Unavailable):
            await search(one)
        assert await search(one) == "reset"
        assert one.pid != pid and one.restarts == 1


SLOW = """
import time
from bicross.models import progress
from bicross.serving import live, work, worker

worker.SIGN = live.SIGN = 0.1
def slowly(self, collection, texts, *rest, **more):
    for _ in range(20):
        time.sleep(0.1)
        progress.made()  # as a model does after each batch
    return []
def loading(self):
    time.sleep(2)
    return load(self)
load, live.Live._load = live.Live._load, loading
work.Work.warm = lambda self: None
work.Work.embed = slowly
worker.main()
"""


async def test_what_is_slow_or_loads_but_gets_further_is_not_killed(fresh_collection: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor_module, "COMMAND", (sys.executable, "-c", SLOW))
    async with running(fresh_collection, hang=1.0) as one:
        assert await search(one) == "reset", "the first question waits for its models"
        assert await one.call("models", "embed", "manual", {"texts": ["a"], "side": "query"}) == []
        assert one.restarts == 0


async def test_a_process_that_nobody_asks_anything_does_not_hang(fresh_collection: Path) -> None:
    async with running(fresh_collection, hang=0.3) as one:
        pid = one.pid
        await asyncio.sleep(1.0)
        assert await search(one) == "reset" and one.pid == pid and one.restarts == 0


async def test_a_hang_of_which_nobody_awaits_the_answer_is_noticed_too(fresh_collection: Path) -> None:
    async with running(fresh_collection, hang=0.5, patience=PATIENCE) as one:
        pid = one.pid
        assert pid is not None
        os.kill(pid, signal.SIGSTOP)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(search(one), 0.1)
        while one.pid == pid:
            await asyncio.sleep(0.05)
        assert await search(one) == "reset"


async def test_while_it_loads_calls_wait_and_then_are_refused(fresh_collection: Path) -> None:
    one = Supervisor({"manual": fresh_collection}, patience=0.0)
    await one.start()
    assert not one.ready
    with pytest.raises(Unavailable, match="loading"):
        await search(one)
    assert await one.loaded(PATIENCE)
    assert await search(one) == "reset"
    await one.close()


async def test_closing_while_it_loads_leaves_no_process(fresh_collection: Path) -> None:
    one = Supervisor({"manual": fresh_collection})
    await one.start()
    while (pid := one.pid) is None:
        await asyncio.sleep(0.01)
    await one.close()
    assert not alive(pid) and one.pid is None
    with pytest.raises(Unavailable, match="ending"):
        await search(one)


async def test_closing_what_was_never_started_is_nothing(fresh_collection: Path) -> None:
    await Supervisor({"manual": fresh_collection}).close()


async def test_closing_lets_the_write_finish_and_fails_what_was_not_begun(fresh_collection: Path) -> None:
    one = Supervisor({"manual": fresh_collection})
    await one.start()
    assert await one.loaded(PATIENCE)

    def put(part: int) -> Any:
        rows = [{"id": f"{part}-{number}", "text": f"Text {number} of {part}."} for number in range(300)]
        return asyncio.create_task(one.call("writes", "put", "manual", {"documents": rows}))

    first, others = put(0), [put(part) for part in range(1, 20)]
    await first
    await one.close(within=PATIENCE)
    answers = await asyncio.gather(*others, return_exceptions=True)
    done = 1 + sum(isinstance(answer, dict) for answer in answers)
    assert all(isinstance(answer, dict | Unavailable) for answer in answers) and done < 20
    assert pipeline.status(fresh_collection).documents == 10 + 300 * done


async def test_a_process_that_does_not_end_in_time_is_killed(fresh_collection: Path) -> None:
    one = Supervisor({"manual": fresh_collection})
    await one.start()
    assert await one.loaded(PATIENCE)
    pid = one.pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    call = asyncio.create_task(search(one))
    await asyncio.sleep(0)
    await one.close(within=0.2)
    assert not alive(pid)
    with pytest.raises(Unavailable, match="ending"):
        await call


@pytest.mark.parametrize("script", ["raise SystemExit(3)", "print('no frame at all, but words on stdout', flush=True); input()"])
async def test_what_dies_before_it_is_ready_is_started_again_with_pauses(
    fresh_collection: Path, monkeypatch: pytest.MonkeyPatch, script: str
) -> None:
    monkeypatch.setattr(supervisor_module, "COMMAND", (sys.executable, "-c", script))
    one = Supervisor({"manual": fresh_collection}, patience=0.0)
    await one.start()
    while one.restarts < 2:
        with pytest.raises(Unavailable):
            await search(one)
        await asyncio.sleep(0.05)
    monkeypatch.undo()
    assert await one.loaded(PATIENCE)
    assert await search(one) == "reset"
    await one.close()


async def test_a_program_that_cannot_be_started_is_tried_again(fresh_collection: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor_module, "COMMAND", ("/nowhere/python",))
    one = Supervisor({"manual": fresh_collection})
    await one.start()
    while one.restarts < 1:
        await asyncio.sleep(0.02)
    monkeypatch.undo()
    assert await one.loaded(PATIENCE)
    await one.close()
