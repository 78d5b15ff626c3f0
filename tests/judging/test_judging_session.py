"""From a collection and questions to a table of judgements: drawing, resuming, refusing, and what is proven."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from bicross import pipeline
from bicross.collection.store import Collection
from bicross.data.questions import read_qrels
from bicross.durable import lock
from bicross.errors import InputError, Locked, StoreError
from bicross.judging.draw import Pair, discount
from bicross.judging.plan import read_plan
from bicross.judging.session import LOG, Session
from bicross.judging_session import Judged
from bicross.settings import JudgeSettings, SearchSettings
from tests.cli.world import process
from tests.pipeline.world import SETTINGS, TOPICS, row, write

QUESTIONS = [{"_id": f"q{number}", "text": f"How do I reset the {topic} number {number}?"} for number, topic in enumerate(TOPICS * 2)]


@pytest.fixture
def made(tmp_path: Path) -> Path:
    pipeline.index([write(tmp_path / "source.jsonl", [row(number) for number in range(48)])], tmp_path / "made", SETTINGS)
    return tmp_path / "made"


@pytest.fixture
def queries(tmp_path: Path) -> Path:
    return write(tmp_path / "queries.jsonl", QUESTIONS)


@pytest.fixture
def into(tmp_path: Path) -> Path:
    return tmp_path / "qrels.tsv"


def answering(most: int | None = None, grade: Callable[[Pair], int | None] = lambda pair: 0) -> Callable[[Session], None]:
    """A user who judges this many pairs, or all."""

    def ask(session: Session) -> None:
        done = 0
        while (pair := session.current) is not None and done != most:
            session.say(pair.query_id, pair.doc_id, grade(pair))
            done += 1

    return ask


def by_topic(pair: Pair) -> int:
    """3 where the document is about what the question names."""
    topic = pair.question.split(" the ")[1].split()[0]
    return 3 if topic in " ".join(pair.passages) else 0


def test_judgements_become_a_table_that_evaluate_reads(made: Path, queries: Path, into: Path) -> None:
    found = pipeline.judge(made, queries, into, JudgeSettings(pairs=60, per_question=4), answering(grade=by_topic))
    assert found.counts["judged"] == found.counts["pairs"] == 60 and found.counts["left"] == 0
    assert found.complete == 15 and found.compared == ("fused", "reranked")
    assert set(found.stages) == {"lexical", "dense", "fused", "reranked"}
    assert found.difference is not None and found.difference.questions == 15
    assert found.difference.mean == pytest.approx(found.stages["reranked"].mean - found.stages["fused"].mean)
    qrels = read_qrels(into)
    assert sum(map(len, qrels.values())) == 60 and set(found.grades) == {"0", "3"}
    measured = pipeline.evaluate(made, queries, into, SearchSettings(k=10))
    assert measured.queries == 15 and not measured.unknown


def test_an_estimate_of_pools_judged_whole_is_the_true_value(made: Path, queries: Path, into: Path) -> None:
    found = pipeline.judge(made, queries, into, JudgeSettings(pairs=1600, per_question=100), answering(grade=by_topic))
    plan = read_plan(Path(found.session))
    assert found.complete == 16 and all(pair.probability == 1 for pair in plan.pairs)
    qrels = read_qrels(into)
    with pipeline.open_collection(made) as collection:
        for stage, name in (("fused", "fused"), ("both", "reranked"), ("lexical", "lexical")):
            answers = collection.search([question["text"] for question in QUESTIONS], SearchSettings(k=10, stage=stage)).queries
            gains = [
                sum(qrels[question["_id"]][hit.doc_id] / 3 * discount(rank) for rank, hit in enumerate(answer.hits, start=1))
                for question, answer in zip(QUESTIONS, answers, strict=True)
            ]
            assert found.stages[name].mean == pytest.approx(sum(gains) / 16)


def test_a_session_goes_on_and_asks_nothing_twice(made: Path, queries: Path, into: Path) -> None:
    settings, seen = JudgeSettings(pairs=20, per_question=4), list[tuple[str, str]]()

    def once(pair: Pair) -> int:
        seen.append((pair.query_id, pair.doc_id))
        return 1

    for judged, most in ((7, 7), (12, 5), (12, 0), (20, None), (20, None)):
        found = pipeline.judge(made, queries, into, settings, answering(most, once))
        assert found.counts["judged"] == judged and found.counts["left"] == 20 - judged
    assert len(seen) == len(set(seen)) == 20


def test_more_pairs_are_drawn_alike_or_not_at_all(made: Path, queries: Path, into: Path) -> None:
    pipeline.judge(made, queries, into, JudgeSettings(pairs=8, per_question=4), answering())
    folder = into.with_name("qrels.tsv.session")
    first = read_plan(folder)
    found = pipeline.judge(made, queries, into, JudgeSettings(pairs=20, per_question=4), answering())
    assert found.counts["judged"] == 20 and found.complete == 5
    both = read_plan(folder)
    assert both.pairs[:8] == first.pairs and len(set(both.questions)) == 5
    alone = pipeline.judge(made, queries, into.with_name("other.tsv"), JudgeSettings(pairs=20, per_question=4), answering(0))
    assert read_plan(Path(alone.session)).pairs == both.pairs  # as if drawn at once
    assert pipeline.judge(made, queries, into, JudgeSettings(pairs=4, per_question=4), answering()).counts["pairs"] == 20
    for settings in (JudgeSettings(pairs=20, per_question=5), JudgeSettings(pairs=20, per_question=4, seed=1)):
        with pytest.raises(InputError, match="was drawn with"):
            pipeline.judge(made, queries, into, settings, answering())


def test_judgements_of_others_are_not_overwritten(made: Path, queries: Path, into: Path) -> None:
    into.write_text("query-id\tcorpus-id\tscore\nq1\td1\t1\n")
    with pytest.raises(InputError, match="not made here"):
        pipeline.judge(made, queries, into, JudgeSettings(pairs=8), answering())
    into.unlink()
    pipeline.judge(made, queries, into, JudgeSettings(pairs=8), answering(2))
    into.write_text(into.read_text() + "q1\td1\t1\n")
    with pytest.raises(InputError, match="changed since"):
        pipeline.judge(made, queries, into, JudgeSettings(pairs=8), answering())
    assert into.read_text().endswith("q1\td1\t1\n")


@pytest.mark.parametrize("lost", [1, None])
def test_a_kill_between_the_log_and_the_table_is_mended(made: Path, queries: Path, into: Path, lost: int | None) -> None:
    pipeline.judge(made, queries, into, JudgeSettings(pairs=8), answering(3))
    whole = into.read_text()
    if lost:
        into.write_text("".join(whole.splitlines(keepends=True)[:-lost]))
    else:
        into.unlink()
    pipeline.judge(made, queries, into, JudgeSettings(pairs=8), answering(0))
    assert into.read_text() == whole


def test_what_was_deleted_or_changed_since_is_passed_over(made: Path, queries: Path, into: Path, tmp_path: Path) -> None:
    settings = JudgeSettings(pairs=40, per_question=4)
    first = pipeline.judge(made, queries, into, settings, answering(4))
    plan = read_plan(Path(first.session))
    deleted, changed = plan.pairs[5].doc_id, plan.pairs[9].doc_id
    assert len({deleted, changed, *(pair.doc_id for pair in plan.pairs[:4])}) > 2
    pipeline.delete(made, [deleted])
    pipeline.index([write(tmp_path / "again.jsonl", [row(int(changed[1:]), " (changed)")])], made)
    gone = {place for place, pair in enumerate(plan.pairs) if pair.doc_id in (deleted, changed)}
    found = pipeline.judge(made, queries, into, settings, answering())
    assert found.counts["gone"] == len(gone - {0, 1, 2, 3}) > 0 and found.counts["left"] == 0
    assert found.counts["judged"] == 40 - found.counts["gone"]
    assert found.complete == len({pair.query_id for pair in plan.pairs} - {plan.pairs[place].query_id for place in gone - {0, 1, 2, 3}})


def test_skipped_pairs_leave_their_question_out(made: Path, queries: Path, into: Path) -> None:
    skip = iter([None])
    found = pipeline.judge(made, queries, into, JudgeSettings(pairs=20, per_question=4), answering(grade=lambda _: next(skip, 2)))
    assert (found.counts["skipped"], found.counts["judged"], found.complete) == (1, 19, 4)
    assert "Too few to say" in found.verdict


def test_a_verdict_needs_questions_and_a_difference(made: Path, queries: Path, into: Path) -> None:
    settings = JudgeSettings(pairs=64, per_question=4)
    nothing = pipeline.judge(made, queries, into, settings, answering(0))
    assert nothing.verdict == "Nothing can be said yet: fewer than two questions have all their pairs judged."
    assert nothing.difference is None and nothing.stages == {}
    assert not into.exists()
    one = pipeline.judge(made, queries, into, settings, answering(4))
    assert (one.complete, one.difference, one.p_value, one.stages) == (1, None, None, {}), "one question does not say how others vary"

    def for_recall(pair: Pair) -> int:
        return 3 if pair.ranks.get("fused", 11) < pair.ranks.get("reranked", 11) else 0

    found = pipeline.judge(made, queries, into, settings, answering(grade=for_recall))
    assert found.verdict.startswith("fused is better than reranked: DCG@10 of reranked minus fused is estimated as -")
    assert found.p_value is not None and found.p_value < 0.05 and found.needed is None
    even = pipeline.judge(made, queries, into.with_name("even.tsv"), settings, answering(grade=lambda _: 0))
    assert even.verdict.startswith("no difference shown") and even.needed is None


def test_a_collection_that_does_not_rerank_compares_words_with_both(made: Path, queries: Path, into: Path) -> None:
    def weights(session: Session) -> None:
        assert {stage for pair in session.pairs for stage in pair.ranks} == {"lexical", "dense", "fused"}

    with Collection.open(made).view() as view:
        space = view.space
    with Collection.write(made) as writer:
        writer.activate(space, replace(writer.facts, weights={"combination": {}}))
    found: Judged = pipeline.judge(made, queries, into, JudgeSettings(pairs=8), weights)
    assert found.compared == ("lexical", "fused")


def test_two_processes_are_refused(made: Path, queries: Path, into: Path) -> None:
    pipeline.judge(made, queries, into, JudgeSettings(pairs=8), answering(1))
    with lock(into.with_name("qrels.tsv.session") / "lock"), pytest.raises(Locked, match="session is being written by process"):
        pipeline.judge(made, queries, into, JudgeSettings(pairs=8), answering())


@pytest.mark.parametrize("wrong", ["folder", "nowhere"])
def test_a_place_that_cannot_be_written_is_refused(made: Path, queries: Path, tmp_path: Path, wrong: str) -> None:
    place = tmp_path / "nowhere" / "qrels.tsv" if wrong == "nowhere" else made
    with pytest.raises(InputError, match="folder that exists"):
        pipeline.judge(made, queries, place, JudgeSettings(), answering())
    (tmp_path / "qrels.tsv.session").write_text("a file")
    with pytest.raises(StoreError):
        pipeline.judge(made, queries, tmp_path / "qrels.tsv", JudgeSettings(), answering())


def test_bad_questions_are_normal(made: Path, into: Path, tmp_path: Path) -> None:
    empty = tmp_path / "empty.jsonl"
    empty.write_text("")
    with pytest.raises(InputError, match="has no query"):
        pipeline.judge(made, empty, into, JudgeSettings(), answering())
    twice = write(tmp_path / "twice.jsonl", [{"_id": "q", "text": "reset"}, {"_id": "q", "text": "printer"}, {"_id": "r", "text": " "}])
    found = pipeline.judge(made, twice, into, JudgeSettings(), answering())
    assert found.counts["pairs"] == 5 and found.skipped[0].id == "q" and len(found.skipped) == 2


def test_killed_between_judgements_it_goes_on_where_it_was(made: Path, queries: Path, into: Path) -> None:
    arguments = ["judge", str(made), "--queries", str(queries), "--into", str(into), "--pairs", "20", "--per-question", "4", "--json"]
    log = into.with_name("qrels.tsv.session") / LOG
    for round_number in range(2):
        running = subprocess.Popen([sys.executable, "-m", "bicross.cli.main", *arguments], stdin=subprocess.PIPE, stderr=subprocess.DEVNULL)
        assert running.stdin is not None
        running.stdin.write(b"123")
        running.stdin.flush()
        deadline = time.monotonic() + 50
        while not (log.exists() and log.read_bytes().count(b"\n") == 3 * (round_number + 1)):
            assert time.monotonic() < deadline and running.poll() is None
            time.sleep(0.02)
        running.send_signal(signal.SIGKILL)
        running.wait()
        running.stdin.close()
    with log.open("ab") as torn:
        torn.write(b'{"query": "q')
    done = json.loads(process(*arguments).out)  # no keys: it says what there is
    assert done["counts"]["judged"] == 6 and done["counts"]["left"] == 14
    said = [json.loads(line) for line in log.read_text("utf-8").splitlines()]
    assert [row["grade"] for row in said] == [1, 2, 3, 1, 2, 3]
    assert [(row["query"], row["document"]) for row in said] == [(pair.query_id, pair.doc_id) for pair in read_plan(log.parent).pairs[:6]]
    assert sum(map(len, read_qrels(into).values())) == 6
