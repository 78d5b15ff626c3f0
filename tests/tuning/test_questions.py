"""What is trained on and what is measured on never meet, and every input of a run has its hash."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from bicross import durable, pipeline
from bicross.ancestry import Ancestry, digest
from bicross.data.near_duplicates import likeness
from bicross.errors import InputError
from bicross.models.registry import HASHED
from bicross.opened import OpenCollection
from bicross.records import Query
from bicross.settings import IndexSettings, MineSettings, TuneSettings
from bicross.tuning.questions import FEWEST, inputs_of, read_questions
from bicross.tuning.run import Run
from tests.models.tiny import tiny

SETTINGS = TuneSettings(dev_share=0.25)
UNTUNED = Ancestry("", "", frozenset())


def texts(count: int) -> dict[str, str]:
    """Questions that have no shingles to speak of in common."""
    return {f"q{number}": f"{chr(0x4E00 + 97 * number) * 9} {number * 7919}" for number in range(count)}


def files(folder: Path, questions: Mapping[str, str], **qrels: Mapping[str, int]) -> dict[str, Path]:
    """queries.jsonl, and a file of qrels for each name: query id -> grade of document d1."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "queries.jsonl").write_text(
        "".join(json.dumps({"_id": key, "text": text}) + "\n" for key, text in questions.items()), "utf-8"
    )
    for name, grades in qrels.items():
        lines = "".join(f"{query}\td1\t{grade}\n" for query, grade in grades.items())
        (folder / f"{name}.tsv").write_text(f"query-id\tcorpus-id\tscore\n{lines}", "utf-8")
    return {"queries": folder / "queries.jsonl", **{name: folder / f"{name}.tsv" for name in qrels}}


def test_without_dev_a_share_is_held_out(tmp_path: Path) -> None:
    questions = texts(40)
    questions["again"] = questions["q0"] + "!"
    made = files(tmp_path, questions, train=dict.fromkeys(questions, 1))
    found = read_questions(made["queries"], made["train"], None, SETTINGS, UNTUNED)
    assert (len(found.train), len(found.dev)) == (31, 10)
    assert {query.id for query in (*found.train, *found.dev)} == set(questions)
    together = {query.id for query in found.train}
    assert ("q0" in together) == ("again" in together)
    assert read_questions(made["queries"], made["train"], None, SETTINGS, UNTUNED) == found
    other = read_questions(made["queries"], made["train"], None, SETTINGS.model_copy(update={"seed": 1}), UNTUNED)
    assert other.dev != found.dev


def test_near_duplicates_of_dev_questions_leave_the_training(tmp_path: Path) -> None:
    questions = texts(FEWEST + 4)
    questions |= {"asked": "how do I reset the red printer", "alike": "How do I reset the red printer?", "gone": "?"}
    grades = dict.fromkeys(questions, 1)
    made = files(tmp_path, questions, train={**grades, "nowhere": 1}, dev={"asked": 2, "q0": 1})
    assert likeness(questions["asked"], questions["alike"]) == 1
    found = read_questions(made["queries"], made["train"], made["dev"], SETTINGS, UNTUNED)
    assert [query.id for query in found.dev] == ["q0", "asked"]
    assert {query.id for query in found.train} == set(questions) - {"asked", "alike", "q0"}
    assert found.qrels["asked"] == {"d1": 2}  # what the development qrels say
    assert {skip.id for skip in found.skipped} == {"asked", "alike", "q0", "nowhere"}


def test_questions_without_an_answer_are_left_out(tmp_path: Path) -> None:
    questions = texts(FEWEST + 10)
    made = files(tmp_path, questions, train={name: int(number >= 4) for number, name in enumerate(questions)})
    found = read_questions(made["queries"], made["train"], None, SETTINGS, UNTUNED)
    assert {skip.id for skip in found.skipped} == {"q0", "q1", "q2", "q3"}
    assert len(found.train) + len(found.dev) == FEWEST + 6


def test_a_line_that_is_skipped_is_named_once(tmp_path: Path) -> None:
    questions = texts(FEWEST + 2)
    made = files(tmp_path, questions, train=dict.fromkeys(questions, 1), dev={"q0": 1})
    with made["queries"].open("a") as file:
        file.write("{broken\n")
    found = read_questions(made["queries"], made["train"], made["dev"], SETTINGS, UNTUNED)
    assert sum(":23" in skip.id for skip in found.skipped) == 1


def test_too_few_are_refused(tmp_path: Path) -> None:
    questions = texts(FEWEST)
    made = files(tmp_path, questions, train=dict.fromkeys(questions, 1), dev={"q0": 1})
    with pytest.raises(InputError, match=f"{FEWEST - 1} questions are left to train on; expected {FEWEST} or more"):
        read_questions(made["queries"], made["train"], made["dev"], SETTINGS, UNTUNED)


def test_what_trained_the_models_that_answer_measures_nothing(tmp_path: Path) -> None:
    questions = texts(FEWEST + 20)
    questions["again"] = questions["q0"] + "!"
    made = files(tmp_path, questions, train=dict.fromkeys(questions, 1), dev={"q1": 1, "q2": 1})
    first = read_questions(made["queries"], made["train"], None, SETTINGS, UNTUNED)
    known = Ancestry("", "", frozenset(digest(query) for query in first.train))
    for seed in range(1, 9):
        settings = SETTINGS.model_copy(update={"seed": seed})
        dev = {query.id for query in read_questions(made["queries"], made["train"], None, settings, known).dev}
        assert dev and dev <= {query.id for query in first.dev}
    for seen, left in (({"q1"}, ["q2"]), ({"q1", "q2"}, None)):
        known = Ancestry("", "", frozenset(digest(Query(name, questions[name])) for name in seen))
        if left is None:
            with pytest.raises(InputError, match="have trained the models that answer now; name others"):
                read_questions(made["queries"], made["train"], made["dev"], SETTINGS, known)
        else:
            found = read_questions(made["queries"], made["train"], made["dev"], SETTINGS, known)
            assert [query.id for query in found.dev] == left
            assert "q1" in {skip.id for skip in found.skipped}
    everything = Ancestry("", "", frozenset(digest(query) for query in (*first.train, *first.dev)))
    with pytest.raises(InputError, match="nothing can be measured"):
        read_questions(made["queries"], made["train"], None, SETTINGS, everything)


def test_a_question_of_development_without_an_answer_measures_nothing(tmp_path: Path) -> None:
    questions = texts(FEWEST + 5)
    made = files(tmp_path, questions, train=dict.fromkeys(questions, 1), dev={"q0": 0, "q1": 1})
    found = read_questions(made["queries"], made["train"], made["dev"], SETTINGS, UNTUNED)
    assert [query.id for query in found.dev] == ["q1"]


@pytest.fixture
def collection(tmp_path: Path) -> Path:
    for seed, name in enumerate(("encoder", "reranker")):
        durable.write_folder(tmp_path / name, tiny(seed, reranker=name == "reranker"), {})
    (tmp_path / "docs.jsonl").write_text('{"_id": "d1", "text": "the printer"}\n', "utf-8")
    settings = IndexSettings(encoder=str(tmp_path / "encoder"), reranker=str(tmp_path / "reranker"), passage_tokens=16)
    pipeline.index([tmp_path / "docs.jsonl"], tmp_path / "c", settings)
    return tmp_path / "c"


def _rewrite(path: Path, files_: Mapping[str, bytes]) -> None:
    durable.remove_folder(path)
    durable.write_folder(path, files_, {})


def _index(collection: Path) -> None:
    (collection.parent / "more.jsonl").write_text('{"_id": "d2", "text": "the red button"}\n', "utf-8")
    pipeline.index([collection.parent / "more.jsonl"], collection)


CHANGES: dict[str, Callable[[dict[str, Any]], Any]] = {
    "a question": lambda on: on["questions"].update(q1="another question"),
    "a grade": lambda on: on["grades"].update(q1=2),
    "the seed": lambda on: on.update(settings=SETTINGS.model_copy(update={"seed": 1})),
    "a setting of mining": lambda on: on.update(settings=SETTINGS.model_copy(update={"mine": MineSettings(quantile=0.4)})),
    "the budget": lambda on: on.update(settings=SETTINGS.model_copy(update={"budget": 60.0})),
    "the reranker's weights": lambda on: _rewrite(on["collection"].parent / "reranker", tiny(7, reranker=True)),
    "the documents": lambda on: _index(on["collection"]),
    "the threads": lambda on: on["patch"].setenv("OMP_NUM_THREADS", "3"),
}


@pytest.mark.parametrize("what", ["nothing", *CHANGES])
def test_another_input_is_another_run(what: str, collection: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    questions = texts(FEWEST + 10)
    on: dict[str, Any] = {
        "questions": questions,
        "grades": dict.fromkeys(questions, 1),
        "settings": SETTINGS,
        "collection": collection,
        "patch": monkeypatch,
    }

    def folder() -> Path:
        made = files(tmp_path, on["questions"], train=on["grades"])
        found = read_questions(made["queries"], made["train"], None, on["settings"], UNTUNED)
        with OpenCollection(collection) as opened:
            inputs = inputs_of(opened, found, on["settings"])
        json.dumps(inputs, allow_nan=False)
        return Run.of(tmp_path, inputs).folder

    before = folder()
    CHANGES.get(what, lambda _: None)(on)
    assert (folder() == before) == (what == "nothing")


def test_a_collection_of_models_without_weights_is_refused(tmp_path: Path) -> None:
    (tmp_path / "docs.jsonl").write_text('{"_id": "d1", "text": "the printer"}\n', "utf-8")
    pipeline.index([tmp_path / "docs.jsonl"], tmp_path / "c", IndexSettings(encoder=HASHED, reranker=HASHED))
    questions = texts(FEWEST + 10)
    made = files(tmp_path, questions, train=dict.fromkeys(questions, 1))
    found = read_questions(made["queries"], made["train"], None, SETTINGS, UNTUNED)
    with OpenCollection(tmp_path / "c") as opened, pytest.raises(InputError, match=r"bicross/hashed has no weights"):
        inputs_of(opened, found, SETTINGS)
