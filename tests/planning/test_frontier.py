"""The frontier and the choice, in a world that can be seen by eye."""

from __future__ import annotations

from bicross.planning.frontier import Point, Way, bought, deepest_within, marked


def point(name: str, p95: float, quality: float, way: Way) -> Point:
    return Point(name, way, quality, (quality, quality), 0.0, p95 / 2, p95, 60)


LEXICAL = point("lexical", 0.002, 0.30, Way("lexical"))
FUSED = point("fused", 0.008, 0.40, Way("fused"))
DENSE = point("dense", 0.007, 0.35, Way("dense"))
TEN = point("depth 10", 0.030, 0.45, Way("both", 10, "r"))
THIRTY = point("depth 30", 0.070, 0.47, Way("both", 30, "r"))
WORSE = point("depth 50", 0.110, 0.46, Way("both", 50, "r"))
ADAPTIVE = point("adaptive, up to 50", 0.060, 0.4695, Way("both", 50, "r", adaptive=True))
ALL = [WORSE, TEN, ADAPTIVE, FUSED, THIRTY, LEXICAL, DENSE]


def test_the_frontier_rises_with_latency() -> None:
    found = marked(ALL)
    assert [one.p95 for one in found] == sorted(one.p95 for one in ALL)
    assert [one.name for one in found if one.best] == ["lexical", "dense", "fused", "depth 10", "adaptive, up to 50", "depth 30"]


def test_a_budget_buys_the_best_within_it_and_of_those_as_good_the_fastest() -> None:
    adaptive = "adaptive, up to 50"
    for budget, name in ((0.0022, "lexical"), (0.01, "fused"), (0.05, "depth 10"), (0.065, adaptive), (1.0, adaptive)):
        found = bought(ALL, budget)
        assert found is not None and found.name == name
    assert bought(ALL, 0.002) is None, "a part of the budget is left for what was not seen"


def test_the_depth_that_takes_just_the_budget_lies_between_two() -> None:
    assert deepest_within(ALL, 0.05 / 0.95) == 20
    assert deepest_within(ALL, 0.0125 / 0.95) == 2
    assert deepest_within(ALL, 0.5) is None and deepest_within(ALL, 0.001) is None


def test_names() -> None:
    assert [way.name for way in (Way("fused"), Way("both", 7, "r"), Way("both", 50, "r", True), Way("both", 50, "r", True, "f"))] == [
        "fused",
        "depth 7",
        "adaptive, up to 50",
        "cascade, up to 50",
    ]
