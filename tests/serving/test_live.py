"""Models and weights that change on the disk while a collection answers."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from bicross import pipeline
from bicross.collection.store import Collection, Facts
from bicross.durable import write_folder
from bicross.errors import ModelNotFound
from bicross.models import registry
from bicross.opened import OpenCollection
from bicross.searchers.weights import Weights
from bicross.serving import live as live_module
from bicross.serving.live import Live
from bicross.serving.work import Work
from bicross.settings import SearchSettings
from tests.models.tiny import tiny
from tests.serving.conftest import HASHED


def encoder_name(opened: OpenCollection) -> str:
    opened.search("reset the device", SearchSettings(k=3))
    return opened.facts.encoder


def until(found: Callable[[], bool]) -> None:
    """What is loaded in the background comes in a while."""
    deadline = time.monotonic() + 60
    while not found():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    write_folder(tmp_path / "encoder", tiny(1), {})
    write_folder(tmp_path / "reranker", tiny(2, reranker=True), {})
    return tmp_path


def test_other_weights_are_noticed_and_the_same_models_kept(fresh_collection: Path) -> None:
    live = Live(fresh_collection)
    encoder = live.ask(lambda opened: opened.encoder())
    weights = Weights(depth=3, combination={"rerank": 1.0})
    with Collection.write(fresh_collection) as writer:
        writer.set_facts(replace(writer.facts, weights=weights.as_json()))
    until(lambda: live.ask(lambda opened: opened.weights) == weights)
    assert live.ask(lambda opened: opened.encoder()) is encoder
    assert live.ask(lambda opened: opened.search("reset", SearchSettings())).queries[0].reranked == 3


def test_another_reranker_is_noticed_and_the_old_one_answers_until_it_is_loaded(fresh_collection: Path, model: Path) -> None:
    live = Live(fresh_collection)
    before = live.ask(lambda opened: opened.reranker())
    with Collection.write(fresh_collection) as writer:
        writer.set_facts(replace(writer.facts, reranker=str(model / "reranker")))
    assert live.ask(lambda opened: opened.reranker()) is before  # the first question after the change begins to load
    until(lambda: live.ask(lambda opened: opened.reranker()) is not before)
    assert live.ask(lambda opened: opened.facts.reranker) == str(model / "reranker")


def test_a_collection_that_moved_to_another_space_answers_from_it_at_once(fresh_collection: Path, model: Path) -> None:
    live = Live(fresh_collection)
    assert live.ask(encoder_name) == HASHED
    pipeline.reembed(fresh_collection, str(model / "encoder"))
    assert live.ask(encoder_name) == str(model / "encoder")
    pipeline.rollback(fresh_collection)
    assert live.ask(encoder_name) == HASHED


def test_a_move_in_the_middle_of_a_question_is_asked_again(fresh_collection: Path, model: Path) -> None:
    live = Live(fresh_collection)
    live.ask(encoder_name)
    asked: list[str] = []

    def question(opened: OpenCollection) -> str:
        asked.append(opened.facts.encoder)
        if len(asked) == 1:
            pipeline.reembed(fresh_collection, str(model / "encoder"))
        return encoder_name(opened)

    assert live.ask(question) == str(model / "encoder")
    assert asked == [HASHED, str(model / "encoder")]


def test_what_cannot_be_loaded_leaves_the_old_one_answering(fresh_collection: Path, model: Path) -> None:
    live = Live(fresh_collection)
    live.ask(encoder_name)
    with Collection.write(fresh_collection) as writer:
        facts = writer.facts
        writer.set_facts(replace(facts, reranker="models/gone"))
    for _ in range(20):
        assert live.ask(lambda opened: opened.facts.reranker) == HASHED
        time.sleep(0.02)
    with Collection.write(fresh_collection) as writer:
        writer.set_facts(replace(facts, reranker=str(model / "reranker")))
    until(lambda: live.ask(lambda opened: opened.facts.reranker) == str(model / "reranker"))


def test_where_neither_old_nor_new_can_answer_the_reason_is_told(
    fresh_collection: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    live = Live(fresh_collection)
    live.ask(encoder_name)
    pipeline.reembed(fresh_collection, str(model / "encoder"))
    (model / "encoder").rename(model / "elsewhere")
    for _ in range(2):
        with pytest.raises(ModelNotFound, match="no model folder"):
            live.ask(encoder_name)
    (model / "elsewhere").rename(model / "encoder")
    monkeypatch.setattr(live_module, "AGAIN", 0.0)
    assert live.ask(encoder_name) == str(model / "encoder")


def test_writes_follow_a_move_too(fresh_collection: Path, model: Path) -> None:
    work = Work({"manual": fresh_collection})
    work.warm()
    pipeline.reembed(fresh_collection, str(model / "encoder"))
    assert work.put("manual", [{"id": "zeppelin", "text": "the zeppelin"}])["changed"] == 1
    found = work.embed("manual", ["the zeppelin"], "query")
    assert found["dim"] == 16 and found["tokens"][0] > 2
    assert work.describe("manual")["encoder"] == "encoder"  # not where it lies
    assert pipeline.verify(fresh_collection).problems == ()


def loads(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The collections that are loaded from now on, one after the other."""
    begun, plain = [], Live._load
    monkeypatch.setattr(Live, "_load", lambda live: (begun.append(live.path), plain(live))[1])
    return begun


def failing(*_: object) -> None:
    raise RuntimeError("the model cannot be compiled")


def test_what_could_not_be_loaded_at_all_is_not_tried_at_every_question(fresh_collection: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begun, live = loads(monkeypatch), Live(fresh_collection)
    plain = registry.load_reranker
    monkeypatch.setattr(registry, "load_reranker", failing)
    for _ in range(20):
        with pytest.raises(RuntimeError, match="cannot be compiled"):
            live.ask(encoder_name)
    assert len(begun) == 1
    monkeypatch.setattr(registry, "load_reranker", plain)
    monkeypatch.setattr(live_module, "AGAIN", 0.0)
    assert live.ask(encoder_name) == HASHED


def test_a_model_that_fails_as_nobody_foresaw_leaves_the_old_one_answering(
    fresh_collection: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    live = Live(fresh_collection)
    live.ask(encoder_name)
    begun = loads(monkeypatch)
    monkeypatch.setattr(registry, "load_reranker", failing)
    with Collection.write(fresh_collection) as writer:
        writer.set_facts(replace(writer.facts, reranker=str(model / "reranker")))
    for _ in range(20):
        assert live.ask(lambda opened: opened.facts.reranker) == HASHED
        time.sleep(0.02)
    assert len(begun) == 1


def test_the_encoder_that_the_first_documents_were_written_with_is_the_one_that_answers(
    tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded, plain = [], registry.load_encoder
    monkeypatch.setattr(registry, "load_encoder", lambda name: (loaded.append(name), plain(name))[1])
    Collection.create(tmp_path / "new", Facts(str(model / "encoder"), HASHED, 256, {}))
    work = Work({"new": tmp_path / "new"})
    work.warm()
    for number in range(3):
        work.put("new", [{"id": str(number), "text": f"Text number {number}."}])
    assert work.search("new", ["text number"], {})[0]["hits"]
    work.put("new", [{"id": "last", "text": "The last text."}])
    assert len(loaded) == 1
