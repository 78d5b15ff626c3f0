"""Which pairs are drawn, seen by eye; and that what they estimate is right on average."""

from __future__ import annotations

import numpy as np
import pytest

from bicross.evaluation.compare import bootstrap_interval
from bicross.judging.draw import SHARE, Pair, discount, draw, order, probabilities, weights
from bicross.judging.estimate import dcg
from bicross.records import Query, Ranking
from tests.judging.world import ranking, total

QUERY = Query("q", "which one?")
COMPARED = ("fused", "reranked")
STAGES = ["lexical", "fused", "reranked"]


def test_what_stands_high_in_one_ranking_only_tells_most() -> None:
    ranks = {"up": {"reranked": 1, "fused": 9}, "new": {"reranked": 2}, "same": {"fused": 3, "reranked": 3}, "other": {"lexical": 10}}
    found = weights(ranks, COMPARED)
    assert total(found) == pytest.approx(1)
    assert found["up"] > found["new"] > found["same"] > found["other"] > 0
    apart = {"up": 1 - discount(9), "new": discount(2)}
    high = {"up": 1 + discount(9), "new": discount(2), "same": 2 * discount(3), "other": discount(10)}
    for document in ranks:
        share = (1 - SHARE) * apart.get(document, 0) / total(apart) + SHARE * high[document] / total(high)
        assert found[document] == pytest.approx(share)


def test_where_both_rankings_are_the_same_what_stands_high_tells_most() -> None:
    found = weights({"a": {"fused": 1, "reranked": 1}, "b": {"fused": 2, "reranked": 2}, "c": {"lexical": 1}}, COMPARED)
    assert total(found) == pytest.approx(1)
    assert found["a"] > found["b"] > found["c"] > 0


def test_a_pool_no_larger_than_asked_is_judged_whole() -> None:
    pairs = draw(QUERY, {"fused": ranking("abc"), "reranked": ranking("cba")}, COMPARED, {"a": "Title"}, 5, 0)
    assert {pair.doc_id: pair.probability for pair in pairs} == {"a": 1, "b": 1, "c": 1}
    first = next(pair for pair in pairs if pair.doc_id == "a")
    assert (first.title, first.passages, first.ranks, first.question) == ("Title", ("text of a",), {"fused": 1, "reranked": 3}, QUERY.text)
    assert draw(QUERY, {"fused": (), "reranked": ()}, COMPARED, {}, 5, 0) == []


def test_the_pool_is_the_first_ten_of_each_stage() -> None:
    long = [f"d{number:02}" for number in range(30)]
    pairs = draw(QUERY, {"lexical": ranking(long), "fused": ranking(long[5:]), "reranked": ranking(long[20:])}, COMPARED, {}, 100, 0)
    assert {pair.doc_id for pair in pairs} == {*long[:15], *long[20:]}


def test_the_draw_depends_on_the_seed_and_nothing_else() -> None:
    stages = {"fused": ranking("abcdefgh"), "reranked": ranking("hgfedcba")}
    drawn = {seed: draw(QUERY, stages, COMPARED, {}, 3, seed) for seed in range(40)}
    assert drawn[1] == draw(QUERY, stages, COMPARED, {}, 3, 1)
    assert all(len(pairs) == 3 for pairs in drawn.values())
    assert len({tuple(pair.doc_id for pair in pairs) for pairs in drawn.values()}) > 20
    firsts = {pairs[0].doc_id for pairs in drawn.values()}
    assert {"a", "h"} <= firsts and len(firsts) > 2  # neither by rank nor always the same: the judge learns nothing from the place


def test_questions_come_in_an_order_that_others_do_not_change() -> None:
    names = [f"q{number}" for number in range(50)]
    ordered = order(names, 0)
    assert sorted(ordered) == sorted(names) and ordered != names and ordered == order(reversed(names), 0) != order(names, 1)
    fewer = order([name for name in names if name != "q7"], 0)
    assert fewer == [name for name in ordered if name != "q7"]


def test_each_document_counts_for_one_on_average() -> None:
    weighed = weights(
        {"a": {"fused": 1}, "b": {"fused": 2, "reranked": 1}, "c": {"lexical": 9}, "d": {"reranked": 2}, "e": {"lexical": 1}}, COMPARED
    )
    counted = dict.fromkeys(weighed, 0.0)
    seeds = 6000
    for seed in range(seeds):
        for document, probability in probabilities(weighed, 2, seed, "q").items():
            counted[document] += 1 / probability / seeds
    assert counted == pytest.approx(dict.fromkeys(weighed, 1.0), abs=0.15)


def world(rng: np.random.Generator, question: int) -> tuple[dict[str, Ranking], dict[str, int]]:
    """Three rankings of 40 documents, the last a little better than the others, and the true grades."""
    grades = {f"d{number}": int(grade) for number, grade in enumerate(rng.choice(4, 40, p=[0.8, 0.1, 0.05, 0.05]))}
    noise = {"lexical": 2.0, "fused": 1.5, "reranked": 1.1}
    scores = {stage: {doc: grade + spread * rng.normal() for doc, grade in grades.items()} for stage, spread in noise.items()}
    return {stage: ranking(sorted(of, key=lambda doc: -of[doc])) for stage, of in scores.items()}, grades


def true_dcg(ranked: Ranking, grades: dict[str, int]) -> float:
    return sum(grades[hit.doc_id] / 3 * discount(rank) for rank, hit in enumerate(ranked[:10], start=1))


def test_estimates_are_right_on_average_and_their_intervals_hold_the_truth() -> None:
    rng = np.random.default_rng(0)
    worlds = {f"q{number}": world(rng, number) for number in range(300)}
    truth = {stage: np.mean([true_dcg(ranked[stage], grades) for ranked, grades in worlds.values()]) for stage in STAGES}
    found: dict[str, list[float]] = {stage: [] for stage in STAGES}
    difference, covered, seeds = truth["reranked"] - truth["fused"], 0, 120
    for seed in range(seeds):
        questions, pairs, judged = order(worlds, seed)[:40], list[Pair](), dict[tuple[str, str], int]()
        for query in questions:
            ranked, grades = worlds[query]
            pairs += draw(Query(query, ""), ranked, COMPARED, {}, 5, seed)
            judged |= {(query, doc): grade for doc, grade in grades.items()}
        rows = dcg(questions, pairs, judged, STAGES)
        for stage in STAGES:
            found[stage].append(float(np.mean([row[stage] for row in rows.values()])))
        low, high = bootstrap_interval([row["reranked"] - row["fused"] for row in rows.values()], resamples=400, seed=seed)
        covered += low <= difference <= high
    for stage in STAGES:
        error = np.std(found[stage]) / seeds**0.5
        assert abs(np.mean(found[stage]) - truth[stage]) < 3.5 * error, stage
    assert 0.88 * seeds <= covered  # 0.95 wished, 0.007 the chance of fewer than 0.90 of 120
