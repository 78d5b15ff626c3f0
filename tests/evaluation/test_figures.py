"""Figures: round ticks, marks where they belong, and text that is well-formed whatever it says."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bicross.evaluation.figures import Dot, Scale, Span, bars, curve, scale, scatter, span, stacked, ticks


def elements(svg: str, tag: str) -> list[ET.Element]:
    return list(ET.fromstring(svg).iter(tag))


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0, 1, [0, 0.2, 0.4, 0.6, 0.8, 1]),
        (0, 30, [0, 10, 20, 30]),
        (0.41, 0.47, [0.42, 0.44, 0.46]),
        (-1, 1, [-1, -0.5, 0, 0.5, 1]),
        (3, 3, [3]),
    ],
)
def test_ticks_are_round(low: float, high: float, expected: list[float]) -> None:
    assert ticks(low, high) == expected


@given(st.floats(-1e6, 1e6), st.floats(1e-6, 1e6), st.integers(1, 10))
def test_ticks_lie_between_and_are_few(low: float, width: float, about: int) -> None:
    found = ticks(low, low + width, about)
    assert len(found) <= 2 * about + 2 and found == sorted(found)
    assert all(low - 1e-6 * width - 1e-9 <= tick <= low + width * (1 + 1e-6) + 1e-9 for tick in found)


@given(st.lists(st.floats(-10, 10), min_size=1, max_size=8))
def test_a_scale_holds_all_its_values(values: list[float]) -> None:
    along = scale(values, 0, 100)
    assert all(-1e-6 <= along(value) <= 100 + 1e-6 for value in values)


def test_scales_may_point_down() -> None:
    up = Scale(0, 1, 300, 12)
    assert (up(0), up(1), up(0.5)) == (300, 12, 156)


def test_a_scatter_has_a_mark_for_each_place_and_its_shape_tells_gain_from_loss() -> None:
    dots = [Dot("q1", 0, 1), Dot("q2", 0, 1), Dot("<q3>", 1, 0), Dot("q4", 0.5, 0.5)]
    drawn = scatter(dots, "recalled", "final")
    circles, triangles = elements(drawn, "circle"), elements(drawn, "path")
    assert len(circles) == 2 and len(triangles) == 1
    assert float(circles[0].attrib["r"]) > float(circles[1].attrib["r"]), "two questions make a larger mark than one"
    said = [title.text for title in elements(drawn, "title")]
    assert said == ["2 from 0 to 1: q1, q2", "1 from 1 to 0: <q3>", "1 from 0.5 to 0.5: q4"]


def test_a_curve_has_its_points_intervals_and_the_marked_depth() -> None:
    points = [(0, Span(0.4, (0.38, 0.42))), (10, Span(0.5, (0.49, 0.51))), (20, Span(0.5, None))]
    drawn = curve(points, "depth", "nDCG@10", 10, hollow=[0])
    assert len(elements(drawn, "circle")) == 3 and len(elements(drawn, "polyline")[0].attrib["points"].split()) == 3
    assert [circle.attrib["fill"] for circle in elements(drawn, "circle")] == ["#fff", "#0072b2", "#0072b2"]
    assert sum("stroke-dasharray" in line.attrib for line in elements(drawn, "line")) == 1
    assert elements(curve([(0, Span(0.4, None))], "depth", "y"), "circle"), "one point is drawn, too"


def test_shares_and_bars_are_as_long_as_they_say() -> None:
    first, second = [float(bar.attrib["width"]) for bar in elements(stacked([("a", 0.25, "#000"), ("b", 0.75, "#fff")]), "rect")][::2]
    assert (first, second) == (90, 270)
    drawn = bars([("encode", 0.1, 0.2), ("total", 0.4, 0.8)], lambda value: f"{value:g} s")
    widths = [float(bar.attrib["width"]) for bar in elements(drawn, "rect")]
    assert widths[1] == pytest.approx(4 * widths[0], abs=0.3) and "0.4 s (0.8 s)" in [text.text for text in elements(drawn, "text")]
    assert not elements(bars([], str), "rect") and elements(stacked([("nothing", 0.0, "#000")]), "svg") is not None


def test_an_interval_is_kept_inside_its_scale() -> None:
    drawn = span(Span(0.9, (-1, 2)), Scale(0, 1, 4, 116), 0.95)
    interval = elements(drawn, "line")[1]
    assert (interval.attrib["x1"], interval.attrib["x2"]) == ("4.0", "116.0") and len(elements(drawn, "path")) == 1
    assert not elements(span(Span(0.9, None), Scale(0, 1, 4, 116)), "path")
