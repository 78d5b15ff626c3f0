"""How a collection joins its stages: what is assumed, and what is stored."""

from __future__ import annotations

import json

from bicross.searchers.weights import Weights


def test_of_an_unknown_pair_both_searches_count_alike_and_the_reranker_as_much_as_the_order() -> None:
    weights = Weights.of({})
    assert weights == Weights()
    assert weights.fusion == {"lexical": 1.0, "dense": 1.0}
    assert weights.combination == {"rank": 1.0, "rerank": 1.0}
    assert (weights.depth, weights.calibration) == (20, (1.0, 0.0))


def test_through_json_and_back() -> None:
    weights = Weights({"lexical": 0.2, "dense": 0.8}, {"late": 0.7}, 35, (1.7, -0.4))
    assert Weights.of(json.loads(json.dumps(weights.as_json()))) == weights


def test_what_is_not_stored_is_the_default_and_other_notes_are_left_aside() -> None:
    weights = Weights.of({"depth": 7, "encoder": "some/encoder", "made": "yesterday"})
    assert weights == Weights(depth=7)
