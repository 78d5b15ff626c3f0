"""`search`, and what is kept: `delete`, `status`, `verify`, `models`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bicross import pipeline
from bicross.errors import InputError
from bicross.models import registry
from bicross.models.registry import HASHED
from bicross.settings import STARTER_ENCODER, SearchSettings
from tests.pipeline.world import COUNT, vectors, write


def test_search_answers_in_the_order_asked(made: Path) -> None:
    answers = pipeline.search(
        made, ["reset the bread with button 4", "火山 button 6", "reset the bread with button 4"], SearchSettings(k=3)
    )
    assert [answer.hits[0].doc_id for answer in answers.queries] == ["d4", "d6", "d4"]
    assert all(len(answer.hits) == 3 for answer in answers.queries)
    assert answers.queries[1].titles["d6"] == "Title 6"
    assert set(answers.seconds) == {"encode", "recall", "rerank"}
    assert answers.queries[0].as_json() == answers.queries[2].as_json()


@pytest.mark.parametrize(("depth", "read"), [("auto", 20), (0, 0), (1, 1), (7, 7), (1000, COUNT)])
def test_the_number_of_candidates_that_were_read_is_told(made: Path, depth: str | int, read: int) -> None:
    (answer,) = pipeline.search(made, ["reset the bread"], SearchSettings(k=2, depth=depth)).queries  # type: ignore[arg-type]  # "auto"
    assert answer.reranked == read
    assert len(answer.hits) == 2
    assert all(("rerank" in hit.stages) == (place < read) for place, hit in enumerate(answer.hits))
    assert all(hit.probability is None for hit in answer.hits)  # nothing was calibrated


@pytest.mark.parametrize("stage", ["lexical", "dense", "fused"])
def test_a_stage_alone(made: Path, stage: Any) -> None:
    (answer,) = pipeline.search(made, ["reset the bread with button 4"], SearchSettings(stage=stage)).queries
    assert answer.hits[0].doc_id == "d4" and stage in answer.hits[0].stages
    assert answer.reranked == 0 and all("rerank" not in hit.stages for hit in answer.hits)


def test_a_question_that_is_none(made: Path) -> None:
    for question, reason in (("", "empty"), (" \n", "empty"), ("a\udcffb", "lone surrogate")):
        with pytest.raises(InputError, match=reason):
            pipeline.search(made, ["fine", question])


def test_questions_of_any_length_and_kind(made: Path) -> None:
    questions = ["reset " * 5000, "\0", "?", "🙂", "qwxzj"]
    answers = pipeline.search(made, questions).queries
    assert [answer.text for answer in answers] == questions
    assert pipeline.search(made, ["qwxzj"], SearchSettings(stage="lexical")).queries[0].hits == ()


def test_a_collection_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=f"bicross index SOURCE --into {tmp_path / 'absent'}"):
        pipeline.search(tmp_path / "absent", ["x"])
    assert not (tmp_path / "absent").exists()


def test_an_open_collection_follows_what_is_written(tmp_path: Path, made: Path) -> None:
    opened = pipeline.open_collection(str(made))
    assert "new" not in {hit.doc_id for hit in opened.search("zebra crossing").queries[0].hits}
    pipeline.index([write(tmp_path / "new.jsonl", [{"_id": "new", "text": "A zebra crossing."}])], made)
    assert opened.search("zebra crossing").queries[0].hits[0].doc_id == "new"
    pipeline.delete(made, ["new"])
    assert "new" not in {hit.doc_id for hit in opened.search("zebra crossing").queries[0].hits}


def test_delete_removes_and_names_what_was_not_there(made: Path, source: Path) -> None:
    done = pipeline.delete(made, ["d4", "d12", "nobody", "d4"])
    assert (done.deleted, done.documents, done.unknown) == (2, COUNT - 2, ("nobody",))
    assert "d4" not in {hit.doc_id for hit in pipeline.search(made, ["reset the bread with button 4"]).queries[0].hits}
    again = pipeline.index([source], made)
    assert (again.changed, again.documents) == (2, COUNT)


def test_when_all_is_deleted_nothing_is_found(made: Path, source: Path) -> None:
    assert pipeline.delete(made, [f"d{number}" for number in range(COUNT)]).documents == 0
    for stage in ("both", "lexical", "dense", "fused"):
        assert pipeline.search(made, ["bread"], SearchSettings(stage=stage)).queries[0].hits == ()  # type: ignore[arg-type]  # names of stages
    assert vectors(made) == 0
    assert pipeline.index([source], made).changed == COUNT


def test_status_and_verify(made: Path) -> None:
    status, found = pipeline.status(made), pipeline.verify(made)
    assert (status.documents, status.encoder, status.tail, status.unfinished, status.refused) == (COUNT, HASHED, 0, None, ())
    assert (found.documents, found.passages, found.vectors, found.problems) == (COUNT, status.passages, vectors(made), ())


def test_models() -> None:
    assert {model["name"] for model in pipeline.models_list()["models"]} == set(registry.SHIPPED)
    assert pipeline.models_show("encoder") == pipeline.models_show(STARTER_ENCODER)
