"""Measures by hand, against pytrec_eval itself, and at the border."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence

import pytest
import pytrec_eval

from bicross.errors import InputError
from bicross.evaluation.metrics import best_orders, means, per_query
from bicross.records import Hit, Run

TREC = {"nDCG@10": "ndcg_cut_10", "AP": "map", "R@100": "recall_100", "P@5": "P_5", "RR": "recip_rank", "Rprec": "Rprec"}


def run_of(**rankings: Sequence[str]) -> Run:
    """Documents, best first; in a string each letter is one."""
    hits = {query: tuple(Hit(doc, float(-place)) for place, doc in enumerate(docs)) for query, docs in rankings.items()}
    return Run("run", hits)


def world(seed: int) -> tuple[dict[str, dict[str, int]], Run]:
    """Random graded qrels, negative grades and empty rankings among them, and a run whose scores are all equal."""
    rng = random.Random(seed)
    docs = [f"d{number}" for number in range(30)]
    qrels = {f"q{query}": {doc: rng.choice([-1, 0, 0, 1, 2, 3]) for doc in rng.sample(docs, 8)} for query in range(12)}
    rankings = {query: tuple(Hit(doc, 1.0) for doc in rng.sample(docs, rng.choice([0, 1, 20]))) for query in qrels}
    return qrels, Run("run", rankings)


def test_ndcg_by_hand() -> None:
    qrels = {"q": {"a": 3, "b": 2, "c": 0, "d": 1}}
    gain = 2 / math.log2(2) + 3 / math.log2(4)  # b first, x and then a
    best = 3 / math.log2(2) + 2 / math.log2(3) + 1 / math.log2(4)
    assert per_query(["nDCG@10"], qrels, run_of(q="bxac"))["nDCG@10"]["q"] == pytest.approx((gain) / best)


def test_simple_measures_by_eye() -> None:
    values = per_query(["RR@10", "RR@2", "R@100", "P@5", "AP", "Judged@10"], {"q": {"a": 1, "b": 1, "c": 0}}, run_of(q="xcay"))
    found = {name: by_query["q"] for name, by_query in values.items()}
    assert found == pytest.approx({"RR@10": 1 / 3, "RR@2": 0, "R@100": 1 / 2, "P@5": 1 / 5, "AP": 1 / 6, "Judged@10": 1 / 2})


@pytest.mark.parametrize("seed", range(5))
def test_values_are_trec_evals(seed: int) -> None:
    qrels, run = world(seed)
    scores = {query: {hit.doc_id: float(-place) for place, hit in enumerate(hits)} for query, hits in run.rankings.items()}
    expected = pytrec_eval.RelevanceEvaluator(qrels, set(TREC.values())).evaluate(scores)
    found = per_query(list(TREC), qrels, run)
    for name, trec_name in TREC.items():
        for query in qrels:
            assert found[name][query] == pytest.approx(expected.get(query, {}).get(trec_name, 0.0), abs=1e-12)


@pytest.mark.parametrize(("docs", "ndcg", "rr"), [("ab", 1.0, 1.0), ("ba", 1 / math.log2(3), 0.5)])
def test_the_order_is_the_runs_own_even_where_scores_are_equal(docs: str, ndcg: float, rr: float) -> None:
    tied = Run("tied", {"q": tuple(Hit(doc, 0.5) for doc in docs)})
    found = means(per_query(["nDCG@10", "RR", "RR@10", "Judged@1"], {"q": {"a": 1}}, tied))
    assert found == pytest.approx({"nDCG@10": ndcg, "RR": rr, "RR@10": rr, "Judged@1": float(docs[0] == "a")})


def test_a_query_that_the_run_misses_is_zero_and_one_without_qrels_is_no_part_of_the_mean() -> None:
    qrels = {"q": {"a": 1}, "missing": {"a": 1}, "empty": {"a": 1}, "unjudged": {}}
    names = ["nDCG@10", "RR@10", "AP", "Judged@10"]
    values = per_query(names, qrels, run_of(q="ab", empty="", extra="a"))
    assert all(list(by_query) == list(qrels) for by_query in values.values())
    assert means(values)["nDCG@10"] == 1 / 4
    assert means(values)["RR@10"] == 1 / 4


def test_a_grade_below_zero_gains_nothing() -> None:
    below, at = ({"q": {"a": grade, "b": 2}} for grade in (-2, 0))
    for name in ("nDCG@10", "AP", "RR@10", "P@5"):
        assert per_query([name], below, run_of(q="ab")) == per_query([name], at, run_of(q="ab"))


def test_a_measure_keeps_the_name_it_was_given() -> None:
    values = per_query(["RR@10", "MRR@10", "RR@10"], {"q": {"a": 1}}, run_of(q="ba"))
    assert values == {"RR@10": {"q": 0.5}, "MRR@10": {"q": 0.5}}


def test_ids_that_are_no_words_do_no_harm() -> None:
    odd = ["\ud800", "a b", "a\x001", "中/文", ""]
    qrels = {query: dict.fromkeys(odd, 1) for query in odd}
    run = Run("odd", {query: tuple(Hit(doc, 1.0) for doc in reversed(odd)) for query in odd})
    assert means(per_query(["nDCG@10", "RR@10"], qrels, run)) == {"nDCG@10": 1.0, "RR@10": 1.0}


@pytest.mark.parametrize(
    "name",
    [
        "nonsense",
        "nDCG@",
        "nDCG@0",
        "P@0",
        "P",
        "P@-1",
        "nDCG@1.5",
        "P@True",
        "AP(rel=0)",
        "nDCG(a=1)@3",
        "ERR@10",
        "alpha_nDCG@10",
        "NumQ",
        "Accuracy",
        "Accuracy@10",
        "",
        "\x00",
    ],
)
def test_an_unknown_measure_is_an_error_that_lists_known_ones(name: str) -> None:
    with pytest.raises(InputError, match="nDCG@10, RR@10"):
        per_query([name], {"q": {"a": 1}}, run_of(q="a"))


def test_no_qrels_and_mad_grades_are_errors() -> None:
    with pytest.raises(InputError, match="no query"):
        per_query(["AP"], {}, run_of(q="a"))
    with pytest.raises(InputError, match="1099511627776"):
        per_query(["AP"], {"q": {"a": 2**40}}, run_of(q="a"))


def test_the_best_order_is_that_of_the_grades() -> None:
    qrels = {"q": {"a": 1, "b": 3, "missed": 2, "worse": -1}, "gone": {"a": 1}}
    best = best_orders(qrels, run_of(q=["worse", "x", "a", "b"]))
    assert [hit.doc_id for hit in best.rankings["q"]] == ["b", "a", "worse", "x"] and best.rankings["gone"] == ()
    assert means(per_query(["R@100"], qrels, best))["R@100"] == pytest.approx((2 / 3) / 2)


def test_gains_of_one_measure_do_not_reach_another() -> None:
    qrels, run = {"q": {"a": 1, "b": 2, "c": 3}}, run_of(q="abc")
    names = ["nDCG@10", "nDCG(gains={1:1,2:10,3:100})@10", "nDCG(gains={1:1,2:1,3:1})@10", "AP", "P@1"]
    together = per_query(names, qrels, run)
    for order in (names, names[::-1], names[1:] + names[:1]):
        assert per_query(order, qrels, run) == together
    assert together == {name: per_query([name], qrels, run)[name] for name in names}
    assert len({together[name]["q"] for name in names[:3]}) == 3 and together["P@1"]["q"] == 1


@pytest.mark.parametrize("seed", range(3))
def test_no_order_of_the_candidates_beats_the_best(seed: int) -> None:
    qrels, run = world(seed)
    names = ["nDCG@10", "RR@10", "AP", "P@5"]
    top = means(per_query(names, qrels, best_orders(qrels, run)))
    rng = random.Random(seed)
    for _ in range(20):
        shuffled = Run("other", {query: tuple(rng.sample(hits, len(hits))) for query, hits in run.rankings.items()})
        assert all(value <= top[name] + 1e-12 for name, value in means(per_query(names, qrels, shuffled)).items())
