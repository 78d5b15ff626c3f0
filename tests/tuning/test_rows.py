"""Teachers, folds and the first candidates, in worlds where it can be seen who is right."""

from __future__ import annotations

import math
import random
from statistics import NormalDist

import numpy as np
import pytest

from bicross.mining.agreement import aucs
from bicross.records import Candidate, Mined, Query
from bicross.tuning.rows import TEACHER, first_candidates, hits, of_folds, taught_by, teach


def planted(questions: int, candidates: int, told: dict[str, float], seed: int = 0) -> list[Mined]:
    """One answer a question; each score is noise, and for the answer higher by what `told` says."""
    rng = random.Random(seed)

    def one(name: str, kind: str, rank: int) -> Candidate:
        scores = {stage: rng.gauss(told[stage] * (kind == "positive"), 1) for stage in told}
        return Candidate(name, f"text {name}", kind, {**scores, "rank": float(rank)})

    rows = []
    for number in range(questions):
        ranks = rng.sample(range(1, candidates + 2), candidates + 1)
        others = tuple(one(f"d{place}", "hard", ranks[place]) for place in range(candidates))
        rows.append(Mined(Query(f"q{number}", f"question {number}"), (one("p", "positive", ranks[-1]),), others))
    return rows


def auc(rows: list[Mined], name: str) -> float:
    above = [answer.scores[name] > other.scores[name] for row in rows for answer in row.positives for other in row.candidates]
    return float(np.mean(above))


def test_the_teacher_knows_better_than_each_stage() -> None:
    rows = planted(300, 12, {"lexical": 0.8, "dense": 1.2, "rerank": 1.2})
    taught, weights = teach(rows)
    best = max(auc(rows, name) for name in ("lexical", "dense", "rerank"))
    assert auc(taught, TEACHER) > best + 0.04
    # No sum of three independent normal scores can do better than the one whose weights are the gains.
    gain = math.hypot(0.8, 1.2, 1.2)
    assert auc(taught, TEACHER) == pytest.approx(NormalDist().cdf(gain / math.sqrt(2)), abs=0.015)
    assert weights["dense"] == pytest.approx(weights["rerank"], rel=0.2)
    assert weights["lexical"] < weights["dense"]


def test_a_cross_encoder_that_knows_nothing_teaches_nothing() -> None:
    taught, weights = teach(planted(300, 12, {"dense": 2.0, "rerank": 0.0}))
    assert weights["rerank"] < 0.1 * weights["dense"]
    assert auc(taught, TEACHER) == pytest.approx(auc(taught, "dense"), abs=0.01)


def test_teaching_changes_no_other_score_and_no_order() -> None:
    rows = planted(20, 5, {"dense": 1.0, "rerank": 1.0})
    taught, _ = teach(rows)
    for before, after in zip(rows, taught, strict=True):
        for one, other in zip((*before.positives, *before.candidates), (*after.positives, *after.candidates), strict=True):
            assert (one.doc_id, one.kind, one.text) == (other.doc_id, other.kind, other.text)
            assert {**one.scores, TEACHER: other.scores[TEACHER]} == other.scores


def test_what_recall_missed_stands_after_all_that_it_found() -> None:
    row = Mined(
        Query("q", "?"),
        (Candidate("missed", "", "positive", {"rerank": 3.0}),),
        (Candidate("a", "", "hard", {"rank": 2.0, "dense": 0.5}), Candidate("far", "", "random", {"rerank": 0.0})),
    )
    assert [(hit.doc_id, hit.stages["fused"].rank) for hit in hits(row)] == [("missed", 3), ("a", 2), ("far", 3)]
    assert set(hits(row)[1].stages) == {"dense", "fused"}


def test_taught_by_gives_the_scores_in_their_order() -> None:
    row = taught_by(planted(1, 2, {"dense": 1.0})[0], [3.0, 2.0, 1.0])
    assert [one.scores[TEACHER] for one in (*row.positives, *row.candidates)] == [3.0, 2.0, 1.0]


def test_the_first_candidates_are_those_of_the_fused_order_and_the_random_ones() -> None:
    found = tuple(Candidate(f"d{rank}", "", "unsorted", {"rank": float(rank)}) for rank in (1, 2, 4, 5, 7))
    drawn = (Candidate("r1", "", "random"), Candidate("r2", "", "duplicate"))
    answers = (
        Candidate("p3", "", "positive", {"rank": 3.0}),
        Candidate("p6", "", "positive", {"rank": 6.0}),
        Candidate("p", "", "positive"),
    )
    rows = [Mined(Query("q", "?"), answers, (*found, *drawn))]
    for count, kept in ((0, ""), (2, "d1 d2"), (3, "d1 d2 d4"), (9, "d1 d2 d4 d5 d7")):
        (row,) = first_candidates(rows, count)
        assert [one.doc_id for one in row.candidates] == [*kept.split(), "r1", "r2"]
        assert row.positives == answers


def test_folds_part_the_questions() -> None:
    rows = planted(6, 1, {"dense": 1.0})
    fold_of = {f"q{number}": number % 2 for number in range(6)}
    inside, outside = (of_folds(rows, fold_of, 1, inside=side) for side in (True, False))
    assert [row.query.id for row in inside] == ["q1", "q3", "q5"]
    assert [row.query.id for row in outside] == ["q0", "q2", "q4"]
    assert aucs(inside)["rerank"] is None  # nothing was scored by a cross-encoder here
