"""Rows to train on: how many negatives, which ones, and always the same."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from bicross.mining.sampling import RAW, examples
from bicross.records import Mined
from tests.mining.world import answer, candidate, far, row, sorted_rows


def test_a_row_for_each_known_answer_with_scores_ids_and_what_must_never_be_a_negative() -> None:
    mined = sorted_rows(1)[0]
    two = Mined(mined.query, (*mined.positives, answer("p9", 0.6)), mined.candidates, {**mined.source, "absent": ["gone"]})
    first, second = examples([two], 3)
    assert (first.query, first.query_id, first.positive, second.positive) == ("question q0", "q0", "answer p0", "answer p9")
    assert first.answers == second.answers == {"p0", "p9", "s", "d", "gone"}
    assert first.ids[0] == "p0"
    assert set(first.ids[1:]) == {"h1", "h2", "e"}
    known = {one.doc_id: (one.text, one.scores["rerank"]) for one in (*two.positives, *two.candidates)}
    for one in (first, second):
        assert [known[doc_id] for doc_id in one.ids] == list(zip((one.positive, *one.negatives), one.scores, strict=True))


def test_hard_ones_are_used_up_before_easy_ones_and_these_before_random_ones() -> None:
    for count, expected in [(1, [{"h1"}, {"h2"}]), (2, [{"h1", "h2"}]), (3, [{"h1", "h2", "e"}]), (5, [{"h1", "h2", "e", "r1", "r2"}])]:
        for one in examples(sorted_rows(), count):
            assert set(one.ids[1:]) in expected
            assert len(one.negatives) == count
    assert all(set(one.ids[1:]) == {"r1", "r2"} for one in examples(sorted_rows(), 2, kinds=("random", "hard")))


def test_hard_ones_are_drawn_alike_often() -> None:
    drawn = Counter(one.ids[1] for one in examples(sorted_rows(600), 1))
    assert drawn.keys() == {"h1", "h2"}
    assert 240 < drawn["h1"] < 360  # 300, deviation 12


def test_some_places_go_to_random_ones_where_there_are_any() -> None:
    for one in examples(sorted_rows(), 3, randoms=1):
        assert {"h1", "h2"} < set(one.ids[1:])
        assert len({"r1", "r2"} & set(one.ids[1:])) == 1
    for one in examples(sorted_rows(), 3, randoms=2):
        assert {"r1", "r2"} < set(one.ids[1:])
    for one in examples(sorted_rows(), 3, kinds=("hard", "easy"), randoms=2):
        assert set(one.ids[1:]) == {"h1", "h2", "e"}


def test_a_question_with_too_few_negatives_is_kept_and_takes_them_again() -> None:
    (one,) = examples([row("q", [answer("p", 0.5)], [far("r1", 0.1), far("r2", 0.2)])], 5)
    assert sorted(Counter(one.ids[1:]).values()) == [2, 3]
    assert len(one.scores) == 6
    (none,) = examples([row("q", [answer("p", 0.5)], [])], 5)
    assert (none.negatives, none.ids, none.scores) == ((), ("p",), (0.5,))
    assert examples([row("q", [], [far("r", 0.1)])], 5) == []


def test_the_same_seed_gives_the_same_rows_whatever_the_order() -> None:
    rows = sorted_rows(8)
    first = {one.query_id: one for one in examples(rows, 1)}
    assert {one.query_id: one for one in examples(rows[::-1], 1)} == first
    shuffled = [replace(one, candidates=one.candidates[::-1]) for one in rows]
    assert {one.query_id: one for one in examples(shuffled, 1)} == first
    assert {one.query_id: one for one in examples(rows[3:4], 1)} == {"q3": first["q3"]}
    assert {one.query_id: one for one in examples(rows, 1, seed=1)} != first


def test_before_scoring_raw_candidates_serve_and_no_score_is_claimed() -> None:
    (one,) = examples([row("q", [answer("p", 0.5)], [candidate("a", 1), candidate("b", 2), far("r", 0.0)])], 3, kinds=RAW, randoms=1)
    assert set(one.ids[1:]) == {"a", "b", "r"}
    assert one.scores == ()


def test_the_source_names_what_made_the_row_and_not_which_answers_were_absent() -> None:
    first, second = sorted_rows(2)
    other = replace(second, source={**second.source, "threshold": 0.5})
    names = [examples([one], 1)[0].source for one in (first, replace(second, source={**second.source, "absent": ["x"]}), other)]
    assert names[0] == names[1] != names[2]
