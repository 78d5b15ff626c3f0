"""A session that is cut off anywhere goes on where it was, asks nothing twice, and takes back what it is told to."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bicross.errors import Damaged, InputError
from bicross.judging.plan import extend_plan, read_plan, require_alike
from bicross.judging.session import LOG, Grades, progress, read_log
from tests.judging.world import PAIRS, pair, say, session, shown


def test_every_pair_is_shown_once_in_order(tmp_path: Path) -> None:
    published: list[Grades] = []
    asked = session(tmp_path, published=published)
    seen = []
    while (one := shown(asked)) is not None:
        seen.append(one)
        say(asked, len(seen) % 4)
    assert seen == [(pair.query_id, pair.doc_id) for pair in PAIRS]
    assert asked.grades == {"q1": {"a": 1, "b": 2}, "q2": {"a": 3, "c": 0}} == published[-1]
    assert len(published) == 4
    assert asked.counts == {"pairs": 4, "judged": 4, "relevant": 3, "skipped": 0, "gone": 0, "left": 0}


def test_another_session_goes_on_where_the_last_one_was(tmp_path: Path) -> None:
    say(session(tmp_path), 2)
    say(session(tmp_path), None)
    again = session(tmp_path)
    assert shown(again) == ("q2", "a")
    assert again.grades == {"q1": {"a": 2}} and again.counts["skipped"] == 1 and again.counts["left"] == 2


def test_undo_goes_back_over_sessions_and_skips(tmp_path: Path) -> None:
    first = session(tmp_path)
    for grade in (1, None, 3):
        say(first, grade)
    again = session(tmp_path)
    assert again.undo() and shown(again) == ("q2", "a")
    assert again.undo() and shown(again) == ("q1", "b")
    say(again, 0)
    assert session(tmp_path).grades == {"q1": {"a": 1, "b": 0}}
    assert again.undo() and again.undo() and not again.undo()
    assert shown(session(tmp_path)) == ("q1", "a") and session(tmp_path).grades == {}


@given(cut=st.integers(0, 200))
def test_a_torn_last_line_is_asked_again(tmp_path_factory: pytest.TempPathFactory, cut: int) -> None:
    folder = tmp_path_factory.mktemp("torn")
    asked = session(folder)
    for grade in (3, 2, 1):
        say(asked, grade)
    whole = (folder / LOG).read_bytes()
    (folder / LOG).write_bytes(whole[:cut])
    survived = whole[:cut].count(b"\n")
    again = session(folder)
    assert len(again.events) == survived
    assert shown(again) == [(pair.query_id, pair.doc_id) for pair in PAIRS][survived]
    say(again, 0)
    assert len(read_log(folder / LOG)) == survived + 1


def test_a_damaged_line_is_named(tmp_path: Path) -> None:
    asked = session(tmp_path)
    for grade in (3, 2):
        say(asked, grade)
    whole = (tmp_path / LOG).read_bytes()
    for wrong in (b"x" + whole, b"[]\n" + whole, b'{"query": "q1"}\n' + whole, b'{"query": "q1", "document": "a", "undo": true}\n' + whole):
        (tmp_path / LOG).write_bytes(wrong)
        with pytest.raises(Damaged, match=f"{LOG}:1"):
            session(tmp_path)


def test_what_is_not_shown_cannot_be_judged(tmp_path: Path) -> None:
    asked = session(tmp_path)
    for query, document, grade in (("q2", "a", 1), ("q1", "zzz", 1), ("q1", "a", 4), ("q1", "a", -1)):
        with pytest.raises(InputError):
            asked.say(query, document, grade)
    assert asked.events == [] and not (tmp_path / LOG).exists()


def test_what_is_gone_is_passed_over(tmp_path: Path) -> None:
    asked = session(tmp_path, gone=[("q1", "a"), ("q2", "c")])
    assert shown(asked) == ("q1", "b") and asked.counts["gone"] == 2 and asked.counts["left"] == 2
    say(asked, 1)
    again = session(tmp_path, gone=[("q1", "b")])  # judged before it went
    assert again.counts["gone"] == 0 and again.grades == {"q1": {"b": 1}}


def test_the_log_has_a_line_for_everything(tmp_path: Path) -> None:
    asked = session(tmp_path)
    say(asked, 2)
    asked.undo()
    say(asked, None)
    assert [json.loads(line) for line in (tmp_path / LOG).read_text("utf-8").splitlines()] == [
        {"query": "q1", "document": "a", "grade": 2},
        {"query": "q1", "document": "a", "undo": True},
        {"query": "q1", "document": "a", "grade": None},
    ]


def test_a_plan_reads_back_and_is_extended_in_the_same_way_only(tmp_path: Path) -> None:
    facts = {"seed": 0, "compared": ("fused", "reranked"), "weights": {"depth": 20}}
    empty = read_plan(tmp_path)
    assert (empty.questions, empty.pairs) == ((), ())
    first = extend_plan(tmp_path, empty, ["q1"], PAIRS[:2], facts)
    strange = pair("问\u2028题", "d\x85", 0.1 + 0.2, fused=3)
    both = extend_plan(tmp_path, first, ["q2", "问\u2028题"], [*PAIRS[2:], strange], facts)
    assert read_plan(tmp_path).pairs == both.pairs == (*PAIRS, strange)
    assert read_plan(tmp_path).questions == ("q1", "q2", "问\u2028题")
    require_alike(tmp_path, read_plan(tmp_path), facts)
    with pytest.raises(InputError, match="drawn with seed 0, and now it is 1"):
        extend_plan(tmp_path, both, ["q3"], [], {**facts, "seed": 1})
    (tmp_path / "drawn-000000" / "pairs.jsonl").write_text("")
    with pytest.raises(Damaged):
        read_plan(tmp_path)


def test_many_pairs_are_counted_in_a_moment(tmp_path: Path) -> None:
    """A set built anew for each pair would take minutes."""
    many = [pair(f"q{number // 5}", f"d{number}") for number in range(20_000)]
    rows = [{"query": one.query_id, "document": one.doc_id, "grade": 1} for one in many[:10_000]]
    (tmp_path / LOG).write_text("".join(json.dumps(row) + "\n" for row in rows))
    asked, start = session(tmp_path, many), time.perf_counter()
    counts = asked.counts
    assert (counts["left"], counts["judged"]) == (10_000, 10_000)
    assert progress(asked, counts) == "question 2001 of 4000, 10000 of 20000 pairs, 10000 relevant"
    assert time.perf_counter() - start < 5
