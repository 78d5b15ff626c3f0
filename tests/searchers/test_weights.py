"""How a collection joins its stages: what is assumed, and what is stored."""

from __future__ import annotations

import json

from bicross.records import Calibration, Term
from bicross.searchers.foresight import Foresight, Line
from bicross.searchers.weights import Weights


def test_of_an_unknown_pair_both_searches_count_alike_and_the_reranker_as_much_as_the_order() -> None:
    weights = Weights.of({})
    assert weights == Weights()
    assert weights.fusion == {"lexical": 1.0, "dense": 1.0}
    assert weights.combination == {"rank": 1.0, "rerank": 1.0}
    assert (weights.depth, weights.calibration) == (20, {})  # a logit of which nothing is known is no probability


def test_through_json_and_back() -> None:
    curved = Calibration(-1.5, {"dense": Term(3.0, -0.2), "rerank": Term(0.5)}, ((-2.0, 0.1), (1.0, 0.8)), "0123abcd")
    calibration = {"both": curved, "lexical": Calibration(-0.4, {"lexical": Term(1.7, 0.0)})}
    before, after = Line({"dense": 1.5}, -3.0, 1.2, 0.9), Line({"dense": 0.5, "fast": 0.5}, -1.0, 0.7, 0.6)
    foresight = Foresight({"rerank": before}, 0.1, {"rerank": after})
    weights = Weights({"lexical": 0.2, "dense": 0.8}, {"late": 0.7}, 35, calibration, "both", foresight, "a/fast")
    assert Weights.of(json.loads(json.dumps(weights.as_json()))) == weights


def test_a_cascade_of_an_older_layout_is_full_depth_until_it_is_planned_again() -> None:
    line = {"slopes": {"dense": 1.5, "fast": 0.5}, "level": -3.0, "scatter": 1.2, "noise": 0.9}
    weights = Weights.of({"depth": 50, "fast": "a/fast", "foresight": {"lines": {"rerank": line}, "limit": 0.1}})
    assert weights == Weights(depth=50)


def test_what_is_not_stored_is_the_default_and_other_notes_are_left_aside() -> None:
    weights = Weights.of({"depth": 7, "encoder": "some/encoder", "made": "yesterday"})
    assert weights == Weights(depth=7)


def test_the_scale_and_offset_of_older_weights_were_of_the_models_and_are_no_calibration_of_a_collection() -> None:
    assert Weights.of({"calibration": [3.0, -1.0]}) == Weights()


def test_older_calibrations_do_not_say_what_they_were_fitted_to() -> None:
    stored = {"both": {"offset": -1.0, "terms": {"rerank": {"slope": 3.0, "absent": None}}, "knots": [[0.0, 0.1], [1.0, 0.2]]}}
    expected = Calibration(-1.0, {"rerank": Term(3.0)}, ((0.0, 0.1), (1.0, 0.2)))
    assert Weights.of({"calibration": stored}).calibration == {"both": expected} and not expected.fitted_to
