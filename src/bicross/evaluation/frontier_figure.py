"""Quality against latency, as inline SVG: a point a way to search, and the line of those that no other beats."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from typing import NamedTuple

from bicross.evaluation.figures import BLUE, GREY, INK, LEFT, PALE, RIGHT, WIDTH, Scale, line, number, scale, svg, text, ticks

TOP, BOTTOM = 26, 214
ROUND = (1, 2, 5)  # times powers of ten: labels of the axis of time


class Mark(NamedTuple):
    """A way to search: its 95th percentile in seconds, its quality, whether it is on the frontier, and whether it was chosen."""

    name: str
    p95: float
    quality: float
    best: bool
    chosen: bool


def figure(marks: Sequence[Mark], budget: float, measure: str) -> str:
    """The frontier over a logarithmic axis of milliseconds; a dashed line at the budget, a ring around the point that was chosen."""
    times = [1000 * mark.p95 for mark in marks] + [1000 * budget]
    across = Scale(math.log10(min(times) / 1.3), math.log10(max(times) * 1.3), LEFT + 8, WIDTH - RIGHT)
    up = scale([mark.quality for mark in marks], BOTTOM, TOP, 4)
    parts = _grid(across, up, measure)
    x = across(math.log10(1000 * budget))
    parts += [line(x, TOP - 6, x, BOTTOM, INK, dashes="4 3"), text(x + 4, TOP - 8, f"{1000 * budget:g} ms")]
    best = [mark for mark in marks if mark.best]
    places = [(across(math.log10(1000 * mark.p95)), up(mark.quality)) for mark in best]
    steps = [step for (x, y), (after, _) in zip(places, [*places[1:], (across.end, 0.0)], strict=True) for step in ((x, y), (after, y))]
    parts.append(f'<polyline points="{" ".join(f"{x:.1f},{y:.1f}" for x, y in steps)}" fill="none" stroke="{BLUE}" stroke-width="1.5"/>')
    return svg(
        WIDTH, BOTTOM + 34, f"{measure} against the 95th percentile of latency", [*parts, *(_mark(mark, across, up) for mark in marks)]
    )


def _mark(mark: Mark, across: Scale, up: Scale) -> str:
    x, y = across(math.log10(1000 * mark.p95)), up(mark.quality)
    said = f"{mark.name}: {1000 * mark.p95:.1f} ms, {mark.quality:.4f}"
    ring = f'<circle cx="{x:.1f}" cy="{y:.1f}" r="8" fill="none" stroke="{INK}" stroke-width="1.5"/>' if mark.chosen else ""
    fill, edge = (BLUE, BLUE) if mark.best else ("#fff", GREY)
    named = text(x, y - 12, mark.name, "end" if x > WIDTH / 2 else "start") if mark.chosen else ""
    dot = f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{fill}" stroke="{edge}"><title>{escape(said)}</title></circle>'
    return ring + dot + named


def _grid(across: Scale, up: Scale, measure: str) -> list[str]:
    parts = []
    for value in ticks(up.low, up.high, 4):
        parts += [line(across.start, up(value), across.end, up(value), PALE), text(across.start - 4, up(value) + 4, number(value), "end")]
    powers = range(math.floor(across.low), math.ceil(across.high) + 1)
    for value in (step * 10.0**power for power in powers for step in ROUND):
        if across.low <= math.log10(value) <= across.high:
            x = across(math.log10(value))
            parts += [line(x, BOTTOM, x, BOTTOM + 3, GREY), text(x, BOTTOM + 14, number(value), "middle")]
    parts.append(line(across.start, BOTTOM, across.end, BOTTOM, GREY))
    parts.append(text((across.start + across.end) / 2, BOTTOM + 29, "p95, milliseconds", "middle"))
    return [*parts, text(2, TOP - 14, measure)]
