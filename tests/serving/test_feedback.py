"""What people say of hits is kept, survives a kill, and is read by the verbs that learn from it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bicross import durable, pipeline
from bicross.data.click_log import read_clicks
from bicross.data.questions import read_qrels, read_queries
from bicross.errors import InputError, Locked, StoreError
from bicross.serving import feedback
from bicross.serving.feedback import Judgement, Shown
from bicross.settings import QuestionSettings


def graded(folder: Path) -> dict[str, dict[str, int]]:
    """Question -> document -> grade, as `tune` reads them."""
    queries, skipped = read_queries(folder / "feedback" / "queries.jsonl")
    qrels = read_qrels(folder / "feedback" / "qrels.tsv")
    assert not skipped and {query.id for query in queries} == qrels.keys()
    return {query.text: qrels[query.id] for query in queries}


def test_judgements_are_what_tune_and_evaluate_read_and_the_last_one_holds(tmp_path: Path) -> None:
    feedback.add(tmp_path, [Judgement("How long is the warranty?", "guides/a b", 1), Judgement("保修期多久？", "保修", 3)], [])
    feedback.judge(tmp_path, "how  long is the WARRANTY?", "guides/a b", 2)
    feedback.judge(tmp_path, "How long is the warranty?", '"quoted"', 0)
    assert graded(tmp_path) == {"How long is the warranty?": {"guides/a b": 2, '"quoted"': 0}, "保修期多久？": {"保修": 3}}
    assert feedback.grades(tmp_path, "HOW LONG IS THE WARRANTY?") == {"guides/a b": 2, '"quoted"': 0}
    assert feedback.grades(tmp_path, "never asked") == {}


def test_a_judgement_can_be_taken_back_and_a_question_without_one_goes(tmp_path: Path) -> None:
    feedback.add(tmp_path, [Judgement("one", "d", 1), Judgement("two", "d", 1), Judgement("two", "e", 2)], [])
    feedback.add(tmp_path, [Judgement("two", "d", None), Judgement("one", "d", None), Judgement("none", "d", None)], [])
    assert graded(tmp_path) == {"two": {"e": 2}}


def test_clicks_are_what_questions_reads(tmp_path: Path) -> None:
    moment = datetime(2026, 11, 25, 9, 0, tzinfo=UTC)
    shown = [Shown("how long\nis it", f"d{place}", place, place == 1, moment) for place in (1, 2)]
    feedback.add(tmp_path, [], [*shown, Shown("保修", "保修", 3, True)])
    log = read_clicks([tmp_path / "feedback" / "clicks.jsonl"], {}, lambda *_: None)
    assert (log.queries, log.documents) == (("how long is it", "保修"), ("d1", "d2", "保修"))
    assert (log.position.tolist(), log.clicked.tolist(), log.shown.tolist()) == ([1, 2, 3], [1, 0, 1], [1, 1, 1])
    assert log.time[:2].tolist() == [moment.timestamp()] * 2 and log.time[2] > moment.timestamp() - 1e9
    assert log.positions and log.impressions and not log.skipped and not log.left_out


def test_questions_are_made_of_the_clicks(tmp_path: Path) -> None:
    """`bicross questions feedback/clicks.jsonl --from clicks`."""
    rows = [Shown(f"question {of}", f"d{of if place == 1 else of + 100}", place, place == 1) for of in range(3) for place in (1, 2)]
    for _ in range(40):
        feedback.add(tmp_path, [], rows)
    made = pipeline.questions([tmp_path / "feedback" / "clicks.jsonl"], tmp_path / "made", QuestionSettings(source="clicks", dev_share=0.0))
    assert made.questions == {"train": 3}
    assert read_qrels(tmp_path / "made" / "qrels" / "train.tsv")


@pytest.mark.parametrize("name", ["judgements.jsonl", "clicks.jsonl"])
@pytest.mark.parametrize(
    "torn", [b'{"query": "torn', '{"query": "断'.encode()[:-1], b"\n", b"null\n", b'{"query": 3, "doc_id": "d", "grade": 1}\n']
)
def test_a_torn_end_takes_no_other_line_with_it(tmp_path: Path, name: str, torn: bytes) -> None:
    said, shown = [Judgement("before", "d", 1)], [Shown("before", "d", 1, True)]
    feedback.add(tmp_path, said, shown)
    feedback._books.clear()  # as a new process finds it
    with (tmp_path / "feedback" / name).open("ab") as handle:
        handle.write(torn)
    assert feedback.grades(tmp_path, "before") == {"d": 1}
    feedback.add(tmp_path, [Judgement("after", "d", 2)], [Shown("after", "d", 1, True)])
    assert graded(tmp_path) == {"before": {"d": 1}, "after": {"d": 2}}
    log = read_clicks([tmp_path / "feedback" / "clicks.jsonl"], {}, lambda *_: None)
    assert log.queries[-1] == "after" and log.queries[0] == "before"


KILLED = """
import sys
from pathlib import Path
from bicross.serving import feedback
number = 0
while True:
    feedback.add(Path(sys.argv[1]), [feedback.Judgement(f"q{number}", "d", 1)], [feedback.Shown(f"q{number}", "d", 1, True)])
    print(number, flush=True)
    number += 1
"""


def test_what_was_acknowledged_before_a_kill_is_there(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", KILLED, str(tmp_path)], stdout=subprocess.PIPE, text=True, env=os.environ) as process:
        assert process.stdout is not None
        acknowledged = [int(process.stdout.readline()) for _ in range(5)]
        process.kill()
    feedback.judge(tmp_path, "afterwards", "d", 1)
    assert {f"q{number}" for number in acknowledged} <= graded(tmp_path).keys()
    log = read_clicks([tmp_path / "feedback" / "clicks.jsonl"], {}, lambda *_: None)
    assert {f"q{number}" for number in acknowledged} <= set(log.queries)


def test_what_another_process_adds_is_seen(tmp_path: Path) -> None:
    feedback.judge(tmp_path, "mine", "d", 1)
    other = (
        "from bicross.serving import feedback; from pathlib import Path; import sys; feedback.judge(Path(sys.argv[1]), 'theirs', 'd', 2)"
    )
    subprocess.run([sys.executable, "-c", other, str(tmp_path)], check=True, env=os.environ)
    assert feedback.grades(tmp_path, "theirs") == {"d": 2}
    feedback.judge(tmp_path, "mine", "e", 3)
    assert graded(tmp_path) == {"mine": {"d": 1, "e": 3}, "theirs": {"d": 2}}


def test_many_threads_lose_nothing(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: feedback.judge(tmp_path, f"q{number % 4}", f"d{number}", number % 4), range(40)))
    assert sum(map(len, graded(tmp_path).values())) == 40
    rows = [json.loads(line) for line in (tmp_path / "feedback" / "judgements.jsonl").read_text("utf-8").splitlines()]
    assert len(rows) == 40 and all(datetime.fromisoformat(row["time"]).tzinfo for row in rows)


@pytest.mark.parametrize(
    ("said", "shown", "why"),
    [
        (Judgement(" ", "d", 1), None, "the question is empty"),
        (Judgement("q", "", 1), None, "the id is empty"),
        (Judgement("q", "a\tb", 1), None, "control character"),
        (Judgement("q\0", "d", 1), None, "NUL"),
        (Judgement("\ud800", "d", 1), None, "lone surrogate"),
        (Judgement("q" * 5000, "d", 1), None, "at most 4096"),
        (Judgement("q", "d", 4), None, "expected 0 to 3"),
        (None, Shown("q", "d", 0, True), "expected 1 to 9999"),
        (None, Shown("q", "d", 10_000, True), "expected 1 to 9999"),
    ],
)
def test_what_no_reader_would_take_is_refused_and_nothing_is_kept(
    tmp_path: Path, said: Judgement | None, shown: Shown | None, why: str
) -> None:
    with pytest.raises(InputError, match=why):
        feedback.add(tmp_path, [Judgement("good", "d", 1), *([said] if said else [])], [shown] if shown else [])
    assert not (tmp_path / "feedback").exists()


def test_files_are_bounded_and_two_writers_take_turns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    feedback.judge(tmp_path, "q", "d", 1)
    monkeypatch.setattr(feedback, "LARGEST", 100)
    with pytest.raises(StoreError, match="at most 100 are kept"):
        feedback.judge(tmp_path, "q", "d", 2)
    monkeypatch.setattr(feedback, "PATIENCE", 0.0)
    with durable.lock(tmp_path / "feedback" / "lock"), pytest.raises(Locked):
        feedback.judge(tmp_path, "q", "d", 3)


def test_a_collection_with_feedback_is_whole(fresh_collection: Path) -> None:
    feedback.judge(fresh_collection, "How do I reset it?", "reset", 3)
    assert not pipeline.verify(fresh_collection).problems
    assert pipeline.status(fresh_collection).documents == 10
    folder = fresh_collection / "feedback"
    found = pipeline.evaluate(fresh_collection, folder / "queries.jsonl", folder / "qrels.tsv")
    assert found.queries == 1 and not found.unknown
