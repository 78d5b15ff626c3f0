"""Search checked without labels, on a collection whose stages and questions are known."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from bicross import pipeline
from bicross.collection.store import Collection
from bicross.errors import InputError
from bicross.models.hashed import HashedEncoder
from bicross.settings import CheckSettings
from tests.pipeline.world import SETTINGS, TOPICS, row, write

QUESTIONS = [{"_id": f"q{number}", "text": f"How do I reset the {topic} number {number}?"} for number, topic in enumerate(TOPICS * 2)]


@pytest.fixture
def made(tmp_path: Path) -> Path:
    pipeline.index([write(tmp_path / "source.jsonl", [row(number) for number in range(48)])], tmp_path / "made", SETTINGS)
    return tmp_path / "made"


def test_every_stage_is_compared_and_every_change_is_asked(made: Path, tmp_path: Path) -> None:
    rows = [*QUESTIONS, {"_id": "again", "text": QUESTIONS[0]["text"] + " please"}, {"_id": "zh", "text": "请问打印机是什么？"}]
    found = pipeline.check(made, write(tmp_path / "q.jsonl", rows))
    assert (found.questions, found.asked) == (18, 18)
    assert [(row.a, row.b) for row in found.stages][-1] == ("fused", "reranked") and len(found.stages) == 6
    assert all(0 <= row.overlap.mean <= 1 and row.overlap.questions == 18 for row in found.stages)
    assert found.reranker is not None and found.reranker.depth == 20
    kinds = {row.kind: row for row in found.stability}
    assert set(kinds) == {"plain words", "punctuation", "width", "case", "typo", "near-duplicates"}
    assert kinds["width"].kept.questions == 7 and kinds["near-duplicates"].kept.questions >= 1
    assert kinds["case"].kept.mean == 1 and kinds["case"].same_first.mean == 1  # neither words nor models look at it here
    assert kinds["typo"].kept.mean < 1
    assert {row.query_id for row in found.least_stable} <= {one["_id"] for one in rows}
    assert len(found.meanings) == 6 and all(found.meanings.values())
    json.dumps(asdict(found), allow_nan=False)


def test_a_sample_is_drawn_by_the_seed(made: Path, tmp_path: Path) -> None:
    queries = write(tmp_path / "q.jsonl", QUESTIONS)
    few = [pipeline.check(made, queries, CheckSettings(sample=4, seed=seed)) for seed in (0, 0, 1)]
    assert all((found.questions, found.asked) == (16, 4) for found in few)
    assert few[0].stages == few[1].stages and few[0].least_stable == few[1].least_stable
    assert few[0].stages != few[2].stages


def test_a_collection_that_does_not_rerank_has_no_reranker_to_check(made: Path, tmp_path: Path) -> None:
    with Collection.open(made).view() as view:
        space = view.space
    with Collection.write(made) as writer:
        writer.activate(space, replace(writer.facts, weights={"combination": {}}))
    found = pipeline.check(made, write(tmp_path / "q.jsonl", QUESTIONS[:3]))
    assert found.reranker is None and [(row.a, row.b) for row in found.stages] == [
        ("lexical", "dense"),
        ("lexical", "fused"),
        ("dense", "fused"),
    ]


def test_bad_questions_are_normal(made: Path, tmp_path: Path) -> None:
    (tmp_path / "empty.jsonl").write_text("")
    with pytest.raises(InputError, match="has no query"):
        pipeline.check(made, tmp_path / "empty.jsonl")
    strange = [{"_id": "a", "text": "？？"}, {"_id": "b", "text": "吗"}, {"_id": "a", "text": "x"}, {"_id": "c", "text": "zzzz"}]
    found = pipeline.check(made, write(tmp_path / "strange.jsonl", strange))
    assert found.asked == 3 and [skip.id for skip in found.skipped] == ["a"]
    json.dumps(asdict(found), allow_nan=False)


def test_questions_that_a_model_does_not_read_whole_are_named(made: Path, tmp_path: Path) -> None:
    long = " ".join(["printer"] * (HashedEncoder().content_tokens + 1))
    found = pipeline.check(made, write(tmp_path / "q.jsonl", [*QUESTIONS[:2], {"_id": "long", "text": long}]))
    assert found.truncated == ("long",)


def test_one_question_has_intervals_that_promise_nothing(made: Path, tmp_path: Path) -> None:
    found = pipeline.check(made, write(tmp_path / "q.jsonl", QUESTIONS[:1]))
    assert {row.overlap.confidence for row in found.stages} == {(0, 1)}
    assert found.reranker is not None and found.reranker.places.confidence == (0, 20)
