"""The engine that routes ask, over a real model process."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Coroutine, Sequence
from pathlib import Path
from typing import Any

import pytest

from bicross.errors import InputError
from bicross.models.hashed import HashedEncoder
from bicross.records import Document
from bicross.serving import queued
from bicross.serving.queued import LONGEST, QueuedEngine, tokens_of
from bicross.serving.refusals import Late, Overloaded, Unavailable
from bicross.serving.supervisor import Supervisor
from bicross.serving.units import Done, Group, Unit
from bicross.settings import SearchSettings, ServeSettings
from tests.serving.conftest import DOCUMENTS, DirectEngine

pytestmark = pytest.mark.anyio


@pytest.fixture
def queued_engine(supervisor: Supervisor) -> QueuedEngine:
    return QueuedEngine(supervisor, ServeSettings())


@pytest.fixture
async def own(fresh_collection: Path) -> AsyncIterator[QueuedEngine]:
    """Over a process and a collection of the test's own."""
    running = Supervisor({"manual": fresh_collection})
    await running.start()
    assert await running.loaded(60)
    yield QueuedEngine(running, ServeSettings())
    await running.close()


async def test_searches_that_meet_in_the_queue_find_what_each_finds_alone(queued_engine: QueuedEngine, direct: DirectEngine) -> None:
    questions = [row["text"] for row in DOCUMENTS]
    wished = [SearchSettings(k=3), SearchSettings(k=5), SearchSettings(stage="lexical"), SearchSettings(depth=4)]
    asked = [(question, settings) for question in questions for settings in wished]
    together = await asyncio.gather(*(queued_engine.search("manual", [question], settings) for question, settings in asked))
    for (question, settings), (answer,) in zip(asked, together, strict=True):
        (alone,) = await direct.search("manual", [question], settings)
        assert [hit["id"] for hit in answer["hits"]] == [hit["id"] for hit in alone["hits"]]
        assert [hit["score"] for hit in answer["hits"]] == pytest.approx([hit["score"] for hit in alone["hits"]])
        assert answer["seconds"].keys() == {"queue", *alone["seconds"]}


async def test_vectors_come_in_the_order_asked_whatever_the_batches(queued_engine: QueuedEngine) -> None:
    texts = [row["text"] * (1 + number % 7) for number, row in enumerate(DOCUMENTS * 20)]
    found = await queued_engine.embed("manual", texts, "document")
    assert found.vectors.tobytes() == HashedEncoder().encode_documents(texts).tobytes()
    assert len(found.tokens) == len(found.cut) == len(texts)


async def test_scores_come_in_the_order_asked(queued_engine: QueuedEngine, direct: DirectEngine) -> None:
    pairs = [(first["text"], second["text"]) for first in DOCUMENTS for second in DOCUMENTS]
    assert await queued_engine.score("manual", pairs) == await direct.score("manual", pairs)
    assert (await queued_engine.score("manual", [])).scores == ()


async def test_a_request_that_is_wrong_fails_alone(queued_engine: QueuedEngine) -> None:
    good, bad, other = await asyncio.gather(
        queued_engine.search("manual", ["reset"], SearchSettings()),
        queued_engine.search("manual", ["lone \ud800 surrogate"], SearchSettings()),
        queued_engine.search("manual", ["battery"], SearchSettings()),
        return_exceptions=True,
    )
    assert isinstance(bad, InputError)
    assert not isinstance(good, BaseException) and good[0]["hits"]
    assert not isinstance(other, BaseException) and other[0]["hits"]
    with pytest.raises(InputError, match="no text"):
        await queued_engine.embed("manual", [], "query")


async def test_a_deadline_that_has_passed_is_late_and_one_to_come_is_met(queued_engine: QueuedEngine) -> None:
    with pytest.raises(Late):
        await queued_engine.search("manual", ["reset"], SearchSettings(), deadline=time.monotonic() - 0.1)
    (answer,) = await queued_engine.search("manual", ["reset"], SearchSettings(), deadline=time.monotonic() + 60)
    assert answer["degraded"] is False


async def test_what_is_put_is_found_and_what_is_deleted_is_not(own: QueuedEngine) -> None:
    before = (await own.describe("manual"))["documents"]
    done = await own.put("manual", [Document("zebra", "The zebra crossing is striped.", "Zebra", {"lang": "en"})])
    assert (done["changed"], done["documents"]) == (1, before + 1)
    assert (await own.describe("manual"))["documents"] == before + 1
    assert (await own.search("manual", ["zebra"], SearchSettings()))[0]["hits"][0]["id"] == "zebra"
    assert await own.documents("manual", ["zebra"]) == [
        {"id": "zebra", "title": "Zebra", "text": "The zebra crossing is striped.", "meta": {"lang": "en"}}
    ]
    assert (await own.delete("manual", ["zebra", "nothing"]))["unknown"] == ["nothing"]
    assert "zebra" not in [hit["id"] for hit in (await own.search("manual", ["zebra"], SearchSettings()))[0]["hits"]]


async def test_writes_beyond_the_bound_are_refused_and_the_others_done(own: QueuedEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queued, "WRITES", 3)
    engine = QueuedEngine(own._supervisor, ServeSettings())
    documents = [Document(f"d{number}", f"Document number {number}.") for number in range(8)]
    done = await asyncio.gather(*(engine.put("manual", [document]) for document in documents), return_exceptions=True)
    refused = [isinstance(one, Overloaded) for one in done]
    assert refused == [False] * 3 + [True] * 5
    assert len(await engine.documents("manual", [document.id for document in documents])) == 3


async def test_a_write_goes_on_when_its_caller_is_gone_and_closing_waits_for_it(own: QueuedEngine) -> None:
    writing = asyncio.create_task(own.put("manual", [Document("kept", "This is kept.")]))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    writing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await writing
    await own.close(30)
    assert [one["id"] for one in await DirectEngine(own._supervisor).documents("manual", ["kept"])] == ["kept"]


async def test_writes_that_cannot_be_done_before_the_end_are_told_so(own: QueuedEngine) -> None:
    assert own._supervisor.pid is not None
    os.kill(own._supervisor.pid, signal.SIGSTOP)
    writing = [asyncio.create_task(own.put("manual", [Document(f"d{number}", "Text.")])) for number in range(3)]
    await asyncio.sleep(0.05)
    await own.close(0.1)
    for told in await asyncio.wait_for(asyncio.gather(*writing, return_exceptions=True), 20):
        assert isinstance(told, Unavailable) and "send it again" in told.message
    os.kill(own._supervisor.pid, signal.SIGCONT)


async def test_what_a_write_holds_in_meta_counts(own: QueuedEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queued, "WRITTEN", 1000)
    engine = QueuedEngine(own._supervisor, ServeSettings())
    documents = [Document(f"d{number}", "Text.", meta={"long": "x" * 900}) for number in range(2)]
    done = await asyncio.gather(*(engine.put("manual", [document]) for document in documents), return_exceptions=True)
    assert [isinstance(one, Overloaded) for one in done] == [False, True]


async def charged(engine: QueuedEngine, asking: Coroutine[Any, Any, Any], monkeypatch: pytest.MonkeyPatch) -> int:
    """The tokens for which a request queues."""
    counted = list[int]()
    ask = engine._batcher.ask

    async def noting(group: Group, units: Sequence[Unit], deadline: float | None = None) -> Done:
        counted.append(sum(unit.tokens for unit in units))
        return await ask(group, units, deadline)

    with monkeypatch.context() as patch:
        patch.setattr(engine._batcher, "ask", noting)
        await asking
    return sum(counted)


async def test_spans_are_charged_for_as_often_as_the_text_is_read(queued_engine: QueuedEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "".join(f"This is sentence number {number} of the text. " for number in range(450))
    read = min(LONGEST, tokens_of("reset", text))
    tokens = await charged(queued_engine, queued_engine.spans("manual", "reset", [text]), monkeypatch)
    assert 25 * read <= tokens <= 1.2 * 25 * read
    assert await charged(queued_engine, queued_engine.spans("manual", "reset", ["short"]), monkeypatch) == tokens_of("reset", "short")


async def test_a_deep_search_is_charged_for_what_there_is_to_rerank(queued_engine: QueuedEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    deep, deeper = SearchSettings(depth=500), SearchSettings(depth=1000)
    first = await charged(queued_engine, queued_engine.search("manual", ["reset"], deep), monkeypatch)
    assert first > 500 * 100
    for settings in (deep, deeper):
        assert await charged(queued_engine, queued_engine.search("manual", ["reset"], settings), monkeypatch) < first / 25
    narrow = queued_engine.search("manual", ["reset"], deep, {"lang": "none"})
    assert await charged(queued_engine, narrow, monkeypatch) == await charged(
        queued_engine, queued_engine.search("manual", ["reset"], deep), monkeypatch
    ), "a filter's few say nothing of all"


async def test_a_closed_engine_is_not_ready_and_takes_nothing(own: QueuedEngine) -> None:
    assert own.ready
    waiting = asyncio.create_task(own.search("manual", ["reset"], SearchSettings()))
    await asyncio.sleep(0)
    await own.close(30)
    assert waiting.done() and waiting.result()[0]["hits"]
    assert not own.ready
    for asking in (own.search("manual", ["reset"], SearchSettings()), own.put("manual", [Document("x", "y")])):
        with pytest.raises(Unavailable):
            await asking


async def test_while_models_load_all_is_refused_at_once(fresh_collection: Path) -> None:
    engine = QueuedEngine(Supervisor({"manual": fresh_collection}), ServeSettings())
    assert not engine.ready
    for asking in (engine.search("manual", ["reset"], SearchSettings()), engine.describe("manual")):
        with pytest.raises(Unavailable, match="loading"):
            await asking


def test_tokens_are_estimated_in_both_languages() -> None:
    assert tokens_of("") == 2
    assert tokens_of("How do I reset the device?") == 8
    assert tokens_of("如何重置设备？") == 9
    assert tokens_of("x" * 1_000_000) == 512 + 2500
    assert tokens_of("x" * 1_000_000, "x" * 1_000_000) == 512 + 5000, "together they are read once, and both are cut"
