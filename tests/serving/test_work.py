"""What the model process does, without a process."""

from __future__ import annotations

import json
import multiprocessing
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import bicross
from bicross import pipeline
from bicross.collection.store import Collection, Facts
from bicross.errors import InputError, Locked, StoreError
from bicross.models import registry
from bicross.models.hashed import HashedEncoder, HashedScorer
from bicross.serving import work as work_module
from bicross.serving.frames import unpacked
from bicross.serving.work import LANES, Overdue, Work
from bicross.settings import SearchSettings
from tests.serving.conftest import DOCUMENTS, HASHED


@pytest.fixture
def work(fresh_collection: Path) -> Work:
    return Work({"manual": fresh_collection})


def first(work: Work, question: str, **settings: Any) -> str | None:
    (answer,) = work.search("manual", [question], settings)
    return answer["hits"][0]["id"] if answer["hits"] else None


def test_every_operation_has_a_lane() -> None:
    assert all(callable(getattr(Work, op)) for op in LANES)
    assert set(LANES.values()) == {"models", "writes", "reads"}


def test_what_is_no_operation_is_refused(work: Work) -> None:
    for op, name in (("settle", "manual"), ("__init__", "manual"), ("search", "other"), ("_live", "manual")):
        with pytest.raises(InputError, match="no operation"):
            work.do(op, name, {})


def test_errors_tell_the_collections_name_and_not_its_folder(work: Work, fresh_collection: Path) -> None:
    with pytest.raises(InputError) as refused:
        work.search("manual", ["a"], {"min_probability": 0.5})
    assert str(fresh_collection) in str(refused.value)
    told = work.told("manual", refused.value)
    assert str(fresh_collection) not in told and "search of manual gives none" in told
    assert work.told("other", refused.value) == str(refused.value)


@pytest.mark.parametrize("settings", [{}, {"k": 3, "depth": 2}, {"stage": "lexical"}, {"stage": "dense"}, {"depth": 0}, {"explain": True}])
def test_a_search_is_what_an_opened_collection_finds(work: Work, fresh_collection: Path, settings: dict[str, Any]) -> None:
    questions = ["How do I reset it?", "电池能用多久？", "reset"]
    with bicross.open(fresh_collection) as opened:
        expected = opened.search(questions, SearchSettings(**settings)).as_json()["queries"]
    found = work.do("search", "manual", {"texts": questions, "settings": settings, "where": None, "seconds_left": None})
    assert json.loads(json.dumps(found)) == found
    for answer, wanted in zip(found, expected, strict=True):
        assert answer["degraded"] is False
        assert answer.pop("seconds").keys() == wanted.pop("seconds").keys()
        assert answer == wanted


def test_a_filter_is_applied(work: Work) -> None:
    (answer,) = work.search("manual", ["reset 重置"], {"k": 10}, where={"lang": "zh"})
    assert answer["hits"] and all(hit["id"] in {row["id"] for row in DOCUMENTS if row["lang"] == "zh"} for hit in answer["hits"])


def test_where_time_is_short_fewer_candidates_are_reranked(work: Work, fresh_collection: Path) -> None:
    work.warm()
    (answer,) = work.search("manual", ["reset the device"], {}, seconds_left=1e-9)
    assert answer["degraded"] and answer["reranked"] == 0
    with bicross.open(fresh_collection) as opened:
        fused = opened.search("reset the device", SearchSettings(depth=0)).as_json()["queries"][0]
    assert answer["hits"] == fused["hits"]
    (answer,) = work.search("manual", ["reset the device"], {}, seconds_left=3600)
    assert not answer["degraded"] and answer["reranked"] == len(DOCUMENTS)


def test_a_probability_needs_something_reranked_however_short_the_time_is(work: Work, fresh_collection: Path) -> None:
    curve = {"offset": 0.0, "terms": {"rerank": {"slope": 4.0, "absent": None}}, "knots": []}
    weights = {"calibration": {"both": curve}}
    with Collection.write(fresh_collection) as writer:
        writer.set_facts(Facts(HASHED, HASHED, 256, weights))
    work.warm()
    (answer,) = work.search("manual", ["reset the device"], {"min_probability": 0.5}, seconds_left=1e-9)
    assert answer["degraded"] and answer["reranked"] == 1 and [hit["id"] for hit in answer["hits"]] == ["reset"]


def test_nothing_is_begun_after_its_time(work: Work) -> None:
    for op, args in (
        ("search", {"texts": ["reset"], "settings": {}}),
        ("embed", {"texts": ["reset"], "side": "query"}),
        ("score", {"pairs": [["reset", "reset"]]}),
        ("spans", {"question": "reset", "texts": ["reset"]}),
    ):
        with pytest.raises(Overdue):
            work.do(op, "manual", {**args, "seconds_left": 0.0})


def test_vectors_and_scores_are_those_of_the_models(work: Work) -> None:
    texts = ["The battery lasts.", "电池 ok", "", "a " * 600]
    found = work.embed("manual", texts, "query")
    assert unpacked(found["vectors"], found["dim"]).tobytes() == HashedEncoder().encode_queries(texts).tobytes()
    assert found["tokens"] == [3, 3, 0, 512] and found["cut"] == [False, False, False, True]
    pairs = [["battery", "The battery lasts."], ["电池", "电池 ok"], ["a", "a " * 5000]]
    scored = work.score("manual", pairs)
    assert scored["scores"] == HashedScorer().score([(query, text) for query, text in pairs]).tolist()
    assert scored["tokens"] == [4, 5, 4097] and scored["cut"] == [False, False, True]


def test_what_was_cut_elsewhere_is_not_told_of_a_search(work: Work) -> None:
    question = "reset " * 600
    work.embed("manual", [question], "query")
    work.put("manual", [{"id": "long", "text": question}])
    (answer,) = work.search("manual", [question], {})
    assert answer["truncated"]
    (answer,) = work.search("manual", ["reset"], {})
    assert not answer["truncated"]


def test_spans_that_mattered(work: Work) -> None:
    text = "The weather is fine. Hold the power button to reset the device. Goodbye."
    (spans,) = work.spans("manual", "reset the device", [text])
    assert "reset the device" in text[spans[0]["start"] : spans[0]["end"]]


def test_a_text_that_is_none_is_refused(work: Work) -> None:
    with pytest.raises(InputError, match="lone surrogate"):
        work.search("manual", ["a \ud800"], {})
    with pytest.raises(InputError, match="lone surrogate"):
        work.embed("manual", ["a \ud800"], "query")
    with pytest.raises(InputError, match="NUL"):
        work.score("manual", [["a", "b\0"]])
    with pytest.raises(InputError, match="empty"):
        work.search("manual", ["reset", " "], {})


def test_what_was_put_is_found_at_once_and_what_was_deleted_is_not(work: Work) -> None:
    assert first(work, "How is the zeppelin filled?") != "zeppelin"
    row = {"id": "zeppelin", "title": "Zeppelin", "text": "The zeppelin is filled with helium.", "meta": {"lang": "en"}}
    assert work.put("manual", [row]) == {"changed": 1, "unchanged": 0, "documents": 11, "truncated": []}
    assert first(work, "How is the zeppelin filled?") == "zeppelin"
    assert work.put("manual", [row]) == {"changed": 0, "unchanged": 1, "documents": 11, "truncated": []}
    assert work.documents("manual", ["zeppelin", "nobody", "reset"])[0] == row
    assert work.delete("manual", ["nobody", "zeppelin"]) == {"deleted": 1, "unknown": ["nobody"], "documents": 10}
    assert first(work, "How is the zeppelin filled?") != "zeppelin"
    assert work.documents("manual", ["zeppelin"]) == []


def test_what_was_put_is_there_for_everyone(work: Work, fresh_collection: Path) -> None:
    work.put("manual", [{"id": str(number), "text": f"Text number {number}.", "meta": {"n": number}} for number in range(20)])
    assert pipeline.verify(fresh_collection).problems == ()
    assert pipeline.status(fresh_collection).documents == 30


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ({"id": "a b", "text": "\ud800"}, "lone surrogate"),
        ({"id": "x", "text": "a\0b"}, "NUL"),
        ({"id": "x", "text": ""}, "text is empty"),
        ({"id": "", "text": "a"}, "id is empty"),
        ({"id": "x\n", "text": "a"}, "control character"),
        ({"id": None, "text": "a"}, "id is null"),
        ({"id": "good", "text": "again"}, "id stands twice"),
        ({"id": "x", "text": 7}, "text is a number"),
        ({"id": "x", "text": "a", "meta": {"a": "\ud800"}}, "lone surrogate"),
        ({"id": "x", "text": "a", "meta": {"a": float("nan")}}, "cannot be stored"),
    ],
)
def test_a_document_that_cannot_be_stored_refuses_all_and_is_named(work: Work, row: dict[str, Any], says: str) -> None:
    with pytest.raises(InputError, match=says):
        work.put("manual", [{"id": "good", "text": "A good one."}, row])
    assert work.documents("manual", ["good"]) == []


def test_a_row_with_a_title_alone_is_read_by_its_title(work: Work) -> None:
    work.put("manual", [{"id": 7, "title": "Zeppelin"}])
    assert work.documents("manual", ["7"]) == [{"id": "7", "title": "Zeppelin", "text": "Zeppelin", "meta": {}}]


def test_after_a_deletion_no_index_holds_words_of_it(work: Work, fresh_collection: Path) -> None:
    work.put("manual", [{"id": "secret", "text": "The password is xylophone."}])
    before = pipeline.status(fresh_collection).generation
    work.delete("manual", ["secret", "reset"])
    assert work.settle("manual") and not work.settle("manual")
    now = pipeline.status(fresh_collection)
    assert now.generation != before and len(now.generations) == 1 and now.tail == 0
    assert not any(b"xylophone" in file.read_bytes() for file in fresh_collection.rglob("*") if file.is_file())


def test_a_tail_that_has_grown_is_folded(work: Work, fresh_collection: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    work.put("manual", [{"id": str(number), "text": f"Text number {number}."} for number in range(5)])
    assert not work.settle("manual")
    monkeypatch.setattr(work_module, "TAIL", 4)
    assert pipeline.status(fresh_collection).tail == 5
    assert work.settle("manual")
    assert pipeline.status(fresh_collection).tail == 0
    assert first(work, "Text number 3") == "3"


@contextmanager
def other_writer(path: Path) -> Iterator[None]:
    """Another process that writes to the collection."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=hold, args=(path, there))
    process.start()
    try:
        assert here.recv() == "holding"
        yield
        here.send("enough")
    finally:
        process.join(30)


def hold(path: Path, pipe: Any) -> None:
    with Collection.write(path):
        pipe.send("holding")
        pipe.recv()


def test_while_another_process_writes_writes_are_refused_and_searches_answered(work: Work, fresh_collection: Path) -> None:
    with other_writer(fresh_collection):
        with pytest.raises(Locked):
            work.put("manual", [{"id": "a", "text": "b"}])
        with pytest.raises(Locked):
            work.delete("manual", ["reset"])
        assert not work.settle("manual")
        assert first(work, "reset the device") == "reset"
    assert work.put("manual", [{"id": "a", "text": "b"}])["changed"] == 1


def test_a_description(work: Work) -> None:
    work.warm()
    told = work.describe("manual")
    space = told.pop("space")
    assert space.startswith("hashed-1")
    assert told == {
        "name": "manual",
        "documents": 10,
        "passages": 10,
        "encoder": HASHED,
        "reranker": HASHED,
        "dimensions": 64,
        "max_tokens": 512,
        "matryoshka": [],
        "similarity": "cosine",
        "depth": 20,
        "stage": "both",
        "adaptive": False,
        "fast": None,
        "calibrated": [],
        "weights": {"fusion": {"lexical": 1.0, "dense": 1.0}, "combination": {"rank": 1.0, "rerank": 1.0}},
    }


def test_a_collection_without_documents_takes_its_first(tmp_path: Path) -> None:
    Collection.create(tmp_path / "new", Facts(HASHED, HASHED, 256, {}))
    work = Work({"new": tmp_path / "new"})
    work.warm()
    assert work.describe("new")["documents"] == 0 and work.describe("new")["space"] is None
    with pytest.raises(InputError, match="holds no documents yet"):
        work.search("new", ["reset"], {})
    work.put("new", [{"id": "reset", "text": "To reset, hold the button."}])
    (answer,) = work.search("new", ["reset"], {})
    assert answer["hits"][0]["id"] == "reset"


def test_a_collection_that_is_not_there_does_not_stop_the_others(fresh_collection: Path, tmp_path: Path) -> None:
    work = Work({"gone": tmp_path / "gone", "manual": fresh_collection})
    work.warm()
    assert not work.settle("gone")
    for op, args in (("search", {"texts": ["a"], "settings": {}}), ("describe", {}), ("put", {"documents": [{"id": "a", "text": "b"}]})):
        with pytest.raises((InputError, StoreError), match="does not exist"):
            work.do(op, "gone", args)
    assert first(work, "reset the device") == "reset"
    assert not (tmp_path / "gone").exists()


def test_writing_does_not_wait_for_a_search_that_goes_on(work: Work, fresh_collection: Path) -> None:
    work.warm()
    opened = work._live["manual"].opened
    assert opened is not None
    with opened.snapshot():  # as a long search holds it
        before = (fresh_collection / "truth.sqlite-wal").stat().st_size
        work.put("manual", [{"id": "zeppelin", "text": "The zeppelin is filled with helium."}])
        assert work.documents("manual", ["zeppelin"])
        assert (fresh_collection / "truth.sqlite-wal").stat().st_size > before  # nobody waited for the reader to take the log over
    work.delete("manual", ["reset"])
    assert work.settle("manual")
    assert (fresh_collection / "truth.sqlite-wal").stat().st_size == 0
    assert first(work, "zeppelin") == "zeppelin"


def test_a_filter_that_takes_too_long_is_given_up(work: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    work.warm()
    with pytest.raises(Overdue):
        work.search("manual", ["reset"], {}, where={"lang": "zh"}, seconds_left=1e-9)
    monkeypatch.setattr(work_module, "FILTERING", -1.0)
    with pytest.raises(InputError, match="filter takes longer"):
        work.search("manual", ["reset"], {}, where={"lang": "en"})
    assert first(work, "reset the device") == "reset"
    monkeypatch.undo()
    assert work.search("manual", ["reset"], {}, where={"lang": "en"})[0]["hits"]


def test_a_collection_whose_models_fail_as_nobody_foresaw_does_not_stop_the_others(
    work: Work, fresh_collection: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    plain, calls = registry.load_reranker, []

    def once(name: str) -> Any:
        calls.append(name)
        if len(calls) == 1:
            raise RuntimeError("the model cannot be compiled")
        return plain(name)

    monkeypatch.setattr(registry, "load_reranker", once)
    both = Work({"bad": fresh_collection, "manual": fresh_collection})
    both.warm()
    assert "bad cannot be searched" in caplog.text and "cannot be compiled" in caplog.text
    assert first(both, "reset the device") == "reset"


def test_a_brief_look_at_documents_gives_how_they_begin_and_where_they_are(work: Work) -> None:
    meta = {"url": "https://example.org/a", "other": "word " * 1000}
    work.put("manual", [{"id": "long", "title": "t" * 500, "text": "word " * 1000, "meta": meta}])
    work.put("manual", [{"id": "far", "text": "a", "meta": {"url": "https://example.org/" + "a" * 3000}}])
    brief, far = work.documents("manual", ["long", "far"], brief=True)
    assert brief == {"id": "long", "title": "t" * 240, "text": "word " * 48, "meta": {"url": "https://example.org/a"}}
    assert far["meta"] == {}
