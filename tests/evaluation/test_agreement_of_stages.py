"""Stages whose agreement can be counted by eye."""

from __future__ import annotations

import pytest

from bicross.evaluation.agreement_of_stages import agreements, movement
from bicross.records import Hit, Ranking, Stage


def ranking(documents: str) -> Ranking:
    return tuple(Hit(document, -float(place)) for place, document in enumerate(documents))


def reranked(ranks: list[int]) -> Ranking:
    """Hits that recall had at these ranks."""
    return tuple(Hit(f"d{rank}", 0.0, stages={"fused": Stage(rank, 0.0)}) for rank in ranks)


def test_every_two_stages_are_compared_and_nothing_found_twice_is_left_out() -> None:
    lexical = {"q1": ranking("abcdefghij"), "q2": ranking("abcdefghij"), "q3": ()}
    dense = {"q1": ranking("abcdefghij"), "q2": ranking("klmnopqrst"), "q3": ()}
    fused = {"q1": ranking("bacdefghij"), "q2": ranking("abcdeklmno"), "q3": ranking("a")}
    first, second, third = agreements({"lexical": lexical, "dense": dense, "fused": fused})
    assert [(row.a, row.b) for row in (first, second, third)] == [("lexical", "dense"), ("lexical", "fused"), ("dense", "fused")]
    assert (first.overlap.mean, first.overlap.questions, first.same_first.mean) == (0.5, 2, 0.5)
    assert (second.overlap.mean, second.overlap.questions, second.same_first.mean) == (0.5, 3, 1 / 3)
    assert first.overlap.confidence == (0, 1)
    assert first.rank_biased.mean == pytest.approx(0.5)


def test_nothing_found_at_all_is_no_agreement() -> None:
    assert agreements({"lexical": {"q": ()}, "dense": {"q": ()}}) == []
    assert movement({"q": ()}, 20) is None


def test_a_reranker_that_moves_nothing_and_one_that_turns_all_around() -> None:
    still = movement({"q1": reranked(list(range(1, 21))), "q2": ()}, 20)
    assert still is not None
    assert (still.entered.mean, still.places.mean, still.edge.mean, still.entered.questions) == (0, 0, 0, 1)
    assert still.first_from == {"p50": 1, "p95": 1, "max": 1}
    turned = movement({"q1": reranked(list(range(20, 0, -1)))}, 20)
    assert turned is not None
    assert (turned.entered.mean, turned.places.mean, turned.edge.mean) == (1, 10, 1)  # 20 to 1, 19 to 2, ... 11 to 10
    assert turned.first_from["max"] == 20
