"""Recall and reranking apart, in worlds whose answer is planted or can be seen by eye."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bicross.evaluation.metrics import best_orders, means, per_query
from bicross.evaluation.two_stage import BOTH, FINE, KINDS, LOST, LOW, MISSED, NONE, UNREAD, TwoStage, looked, two_stage
from bicross.records import Hit, Qrels, Ranking, Run
from bicross.settings import EvaluateSettings

SETTINGS = EvaluateSettings(measures=("RR@10", "R@100"), resamples=500)


def ranking(documents: Sequence[str]) -> Ranking:
    return tuple(Hit(doc, float(-place)) for place, doc in enumerate(documents))


def run_of(name: str, **rankings: Sequence[str]) -> Run:
    return Run(name, {query: ranking(documents) for query, documents in rankings.items()})


def apart(recalled: Run, final: Run, qrels: Qrels, settings: EvaluateSettings = SETTINGS) -> TwoStage:
    return two_stage(recalled, final, qrels, 10, 100, settings)


def world(questions: int, seed: int) -> tuple[dict[str, list[str]], Qrels]:
    """Recall that mostly puts the one relevant document `r` near the top of ten."""
    rng = random.Random(seed)
    places = [min(9, int(rng.expovariate(0.6))) for _ in range(questions)]
    orders = {f"q{n}": [f"x{at}" if at != place else "r" for at in range(10)] for n, place in enumerate(places)}
    return orders, {query: {"r": 1} for query in orders}


def test_each_question_is_of_the_kind_that_can_be_seen() -> None:
    qrels = {query: {"a": 1} for query in ("missed", "lost", "low", "fine", "gained")} | {"both": {"a": 1, "b": 1}}
    recalled = run_of("r", missed="xyz", lost="axy", low="xay", fine="axy", gained="xya", both="axy")
    final = run_of("f", missed="xyz", lost="xya", low="xay", fine="axy", gained="axy", both="xay")
    settings = EvaluateSettings(measures=("AP",), resamples=200)
    found = apart(recalled, final, qrels, settings)
    assert {one.query_id: one.kind for one in found.outcomes} == {
        "missed": MISSED,
        "lost": LOST,
        "low": LOW,
        "fine": FINE,
        "gained": FINE,
        "both": BOTH,
    }
    assert found.kinds == {MISSED: 1, LOST: 1, BOTH: 1, UNREAD: 0, LOW: 1, NONE: 0, FINE: 2} and tuple(found.kinds) == KINDS
    lost = next(one for one in found.outcomes if one.query_id == "lost")
    assert (lost.recalled, lost.final, lost.best, lost.ideal) == (1, pytest.approx(1 / 3), 1, 1)
    both = next(one for one in found.outcomes if one.query_id == "both")
    assert (both.relevant, both.found, both.recalled, both.best, both.ideal) == (2, 1, 0.5, 0.5, 1)
    assert (found.relevant, found.found) == (7, 5)


def test_the_means_are_those_of_the_measures_and_of_the_ceiling() -> None:
    orders, qrels = world(20, 1)
    recalled, final = run_of("r", **orders), run_of("f", **{query: order[::-1] for query, order in orders.items()})
    found = apart(recalled, final, qrels)
    names = list(SETTINGS.measures)
    assert found.means["recalled"] == means(per_query(names, qrels, recalled))["RR@10"]
    assert found.means["final"] == means(per_query(names, qrels, final))["RR@10"]
    assert found.ceiling == means(per_query(names, qrels, best_orders(qrels, recalled)))
    assert found.means["best"] == found.means["reach"] == found.ceiling["RR@10"] and found.means["ideal"] == 1
    assert [change.measure for change in found.changes] == names
    assert (found.changes[1].wins, found.changes[1].losses, found.changes[1].adjusted) == (0, 0, 1)


def test_a_reranker_that_only_shuffles_is_reported_as_harmful() -> None:
    for seed in range(5):
        orders, qrels = world(60, seed)
        rng = random.Random(seed)
        shuffled = {query: rng.sample(order, len(order)) for query, order in orders.items()}
        found = apart(run_of("r", **orders), run_of("shuffled", **shuffled), qrels)
        assert found.changes[0].shown == "worse"
        assert found.verdict.startswith("Reranking harms: RR@10 is ") and "over 60 questions" in found.verdict
        assert "--depth 0" in found.verdict
        assert found.kinds[LOST] > 20 and found.kinds[MISSED] == 0


def test_a_reranker_gets_no_credit_for_what_recall_never_found() -> None:
    orders, qrels = world(60, 3)
    never = {query: [f"x{place}" for place in range(10)] for query in orders}  # recall misses every answer
    magic = {query: ["r", *order] for query, order in never.items()}
    found = apart(run_of("r", **never), run_of("magic", **magic), qrels)
    assert found.means["final"] == found.means["recalled"] == found.means["best"] == 0 and found.means["ideal"] == 1
    assert (found.changes[0].wins, found.changes[0].shown) == (0, "no difference shown")
    assert found.uncredited == 60 and found.kinds[MISSED] == 60 and found.found == 0
    half = {query: ["r", *order] if number % 2 else order for number, (query, order) in enumerate(orders.items())}
    credited = apart(run_of("r", **{query: order[:3] for query, order in orders.items()}), run_of("half", **half), qrels)
    assert credited.means["final"] <= credited.means["best"]


def test_a_reranker_that_helps_and_one_that_does_nothing() -> None:
    orders, qrels = world(60, 4)
    perfect = {query: sorted(order, key=lambda doc: doc != "r") for query, order in orders.items()}
    assert apart(run_of("r", **orders), run_of("f", **perfect), qrels).verdict.startswith("Reranking helps: RR@10 is ")
    same = apart(run_of("r", **orders), run_of("f", **orders), qrels)
    assert same.verdict.startswith("No difference shown") and same.changes[0].p_value == 1
    none = two_stage(run_of("r", **orders), run_of("f", **orders), qrels, 0, 100, SETTINGS)
    assert none.verdict == "Nothing was reranked: the hits stand in the order of recall."


def test_questions_that_found_nothing_and_questions_without_an_answer() -> None:
    qrels: Qrels = {"empty": {"a": 1}, "gone": {"a": 1}, "unanswerable": {"x": 0}}
    found = apart(run_of("r", empty="", unanswerable="x"), run_of("f", empty="", unanswerable="x"), qrels)
    kinds = {one.query_id: (one.kind, one.ideal) for one in found.outcomes}
    assert kinds == {"empty": (MISSED, 1), "gone": (MISSED, 1), "unanswerable": (NONE, 0)}
    assert found.kinds[NONE] == 1 and found.kinds[FINE] == 0


@given(st.lists(st.permutations("abcdef"), min_size=2, max_size=6), st.data())
def test_no_final_order_passes_the_best_and_none_the_ideal(orders: list[list[str]], data: st.DataObject) -> None:
    grade = st.dictionaries(st.sampled_from("abcxy"), st.integers(-1, 3), min_size=1)
    qrels = {f"q{number}": data.draw(grade) for number in range(len(orders))}
    recalled = run_of("r", **{f"q{number}": "".join(order) for number, order in enumerate(orders)})
    final = run_of("f", **{f"q{number}": "".join(data.draw(st.permutations(order))) for number, order in enumerate(orders)})
    settings = EvaluateSettings(measures=("nDCG@10",), resamples=100)
    for one in apart(recalled, final, qrels, settings).outcomes:
        assert max(one.recalled, one.final) <= one.reach <= one.best <= one.ideal <= 1 + 1e-12
        assert one.read <= one.found <= one.relevant


def deep(place: int, size: int = 300) -> list[str]:
    """Recall with the one relevant document at a place, from 1."""
    return [f"x{at}" if at != place else "a" for at in range(1, size + 1)]


def test_what_is_found_and_not_read_is_no_fault_of_the_reranker() -> None:
    orders = {"read": deep(5), "unread": deep(50), "missed": deep(150), "none": deep(400)}
    qrels = {query: {"a": 1} for query in orders}
    run = run_of("r", **orders)
    found = two_stage(run, run, qrels, 20, 10, EvaluateSettings(measures=("RR@10",), resamples=100))
    assert {one.query_id: (one.kind, one.found, one.read) for one in found.outcomes} == {
        "read": (LOW, 1, 1),
        "unread": (UNREAD, 1, 0),
        "missed": (MISSED, 0, 0),
        "none": (MISSED, 0, 0),
    }
    assert (found.means["reach"], found.means["best"], found.means["ideal"]) == (1 / 4, 2 / 4, 1)
    assert (found.relevant, found.found, found.read, found.looked) == (4, 2, 1, 100)


def test_the_greater_loss_names_the_kind_where_both_lack() -> None:
    """Two relevant documents, one read and low, one not read."""
    qrels = {"order": {"a": 3, "b": 1}, "depth": {"a": 1, "b": 3}}
    orders = {query: ["x1", "x2", "x3", "x4", "a", *(f"y{at}" for at in range(20)), "b"] for query in qrels}
    run = run_of("r", **orders)
    found = two_stage(run, run, qrels, 10, 10, EvaluateSettings(measures=("nDCG@10",), resamples=100))
    assert {one.query_id: one.kind for one in found.outcomes} == {"order": LOW, "depth": UNREAD}


@pytest.mark.parametrize("measure", ["nDCG@10", "RR@10", "R@50"])
def test_how_many_hits_are_shown_changes_neither_kinds_nor_ceiling(measure: str) -> None:
    rng = random.Random(5)
    orders = {f"q{number}": deep(rng.choice([1, 3, 8, 15, 30, 70, 120, 250, 400])) for number in range(40)}
    qrels = {query: {"a": 1} for query in orders}
    recalled = run_of("r", **orders)
    final = run_of("f", **{query: [*rng.sample(order[:20], 20), *order[20:]] for query, order in orders.items()})
    settings = EvaluateSettings(measures=(measure, "AP"), resamples=100)
    few, some, many = (two_stage(recalled, final, qrels, 20, k, settings) for k in (50, 100, 300))
    assert few.kinds == some.kinds == many.kinds and few.means == some.means == many.means and few.outcomes == many.outcomes
    assert few.ceiling[measure] == some.ceiling[measure] == many.ceiling[measure] and few.looked == many.looked == 100


def test_a_measure_without_a_cutoff_is_cut_where_the_hits_end() -> None:
    """Three relevant documents, and two hits that are shown: neither what was found nor the ideal can have more."""
    qrels = {"q": {"a": 1, "b": 1, "c": 1}}
    run = run_of("r", q=["a", "b", "c"])
    found = two_stage(run, run, qrels, 3, 2, EvaluateSettings(measures=("AP",), resamples=100))
    (one,) = found.outcomes
    assert one.final == one.reach == one.best == one.ideal == pytest.approx(2 / 3) and one.kind == FINE
    assert found.ceiling["AP"] == pytest.approx(2 / 3)


def test_how_far_down_is_looked() -> None:
    assert [looked("nDCG@10", depth, k) for depth, k in ((0, 10), (20, 1000), (200, 10))] == [100, 100, 200]
    assert looked("R@500", 20, 500) == 500 and looked("AP", 20, 10) == 100 and looked("AP", 20, 300) == 300


def test_a_relevance_level_that_no_document_reaches_is_nothing_judged_relevant() -> None:
    run = run_of("r", q="ab")
    found = two_stage(run, run, {"q": {"a": 1}}, 2, 10, EvaluateSettings(measures=("P(rel=2)@5",), resamples=100))
    assert found.outcomes[0].kind == NONE
