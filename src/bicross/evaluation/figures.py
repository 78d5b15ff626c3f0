"""Figures as inline SVG: pure functions from numbers to text. No script, no outside font; shapes and places say what colours say, too.

All are drawn WIDTH units wide, the width of a phone, so that their text keeps its size there and is never smaller elsewhere. The
colours are Okabe and Ito's ("Color Universal Design", 2008), which colour-blind readers tell apart, and which differ when printed grey.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Sequence
from html import escape
from typing import NamedTuple

WIDTH = 360
BLUE, SKY, ORANGE, GREEN, RED = "#0072b2", "#56b4e9", "#e69f00", "#009e73", "#d55e00"
GREY, INK, PALE = "#8a8a8a", "#333", "#e4e4e4"
LEFT, RIGHT = 34, 10  # margins
NAMED = 8  # questions named where several stand at one point


class Scale(NamedTuple):
    """From values between low and high to places between start and end."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        return self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start)


class Span(NamedTuple):
    """A value with its interval, if it has one."""

    value: float
    interval: tuple[float, float] | None


class Dot(NamedTuple):
    """A question in a scatter."""

    name: str
    x: float
    y: float


def ticks(low: float, high: float, about: int = 5) -> list[float]:
    """Round numbers (1, 2 or 5 times a power of ten apart) between low and high, roughly `about` of them."""
    if not high > low:
        return [low]
    rough = (high - low) / max(1, about)
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough * 0.999)
    first = math.ceil(low / step - 1e-9)
    return [round(place * step, 12) for place in range(first, math.floor(high / step + 1e-9) + 1)]


def scale(values: Sequence[float], start: float, end: float, about: int = 5) -> Scale:
    """A scale that holds all values, from a round number to a round number."""
    low, high = min(values), max(values)
    if high - low < 1e-9:
        low, high = low - 0.05, high + 0.05
    marks = ticks(low, high, about)
    step = marks[1] - marks[0] if len(marks) > 1 else high - low
    return Scale(math.floor(low / step + 1e-9) * step, math.ceil(high / step - 1e-9) * step, start, end)


def number(value: float) -> str:
    """A tick's label: no more digits than it needs."""
    return f"{value:.6g}"


def span(found: Span, along: Scale, mark: float | None = None) -> str:
    """One value with its interval as a small figure for a cell of a table, and a diamond at `mark`; 120 units wide."""
    parts = [line(along.start, 9, along.end, 9, PALE)]
    if along.low < 0 < along.high:
        parts.append(line(along(0), 2, along(0), 16, GREY))
    if found.interval is not None:
        low, high = (along(min(max(end, along.low), along.high)) for end in found.interval)
        parts.append(line(low, 9, high, 9, BLUE, 3))
    if mark is not None:
        x = along(mark)
        parts.append(f'<path d="M{x:.1f} 4l5 5l-5 5l-5 -5z" fill="#fff" stroke="{INK}"/>')
    parts.append(f'<circle cx="{along(found.value):.1f}" cy="9" r="4" fill="{BLUE}"/>')
    said = number(round(found.value, 4)) + (f", from {found.interval[0]:.4f} to {found.interval[1]:.4f}" if found.interval else "")
    return svg(120, 18, said, parts, "mini")


def stacked(parts: Sequence[tuple[str, float, str]]) -> str:
    """Shares of one bar, each a name, a size and a colour, and below it their names with their sizes."""
    total, x = sum(size for _, size, _ in parts) or 1.0, 0.0
    drawn = []
    for place, (name, size, colour) in enumerate(parts):
        width, y = WIDTH * size / total, 56 + 17 * place
        drawn.append(f'<rect x="{x:.1f}" y="4" width="{width:.1f}" height="30" fill="{colour}" stroke="#fff"/>')
        drawn.append(f'<rect x="0" y="{y - 9}" width="10" height="10" fill="{colour}"/>' + text(16, y, f"{name}: {size:.4f}"))
        x += width
    return svg(WIDTH, 46 + 17 * len(parts), "; ".join(f"{name} {size:.4f}" for name, size, _ in parts), drawn)


def scatter(dots: Sequence[Dot], x_name: str, y_name: str) -> str:
    """One mark for the questions at one place, its area by their number: above the diagonal y gains (circle), below it loses (triangle)."""
    bottom, top = 314, 26
    across, up = Scale(-0.05, 1.05, LEFT, WIDTH - RIGHT), Scale(-0.05, 1.05, bottom, top)
    together = defaultdict[tuple[float, float], list[str]](list)
    for dot in dots:
        together[(round(dot.x, 2), round(dot.y, 2))].append(dot.name)
    most = max(map(len, together.values()), default=1)
    parts = [*_axes(across, up, x_name, y_name), line(across(0), up(0), across(1), up(1), GREY, dashes="4 3")]
    for (x, y), names in sorted(together.items(), key=lambda item: -len(item[1])):
        size = 3 + 11 * math.sqrt((len(names) - 1) / max(1, most - 1)) if most > 1 else 3.5
        parts.append(_mark(across(x), up(y), size, (y > x) - (y < x), _names(names, x, y)))
    parts += [text(across(0.03), up(0.95), "gained by reranking"), text(across(0.98), up(0.03), "lost by reranking", "end")]
    return svg(WIDTH, bottom + 34, f"{y_name} against {x_name}, {len(dots)} questions", parts)


def curve(
    points: Sequence[tuple[float, Span]],
    x_name: str,
    y_name: str,
    marked: float | None = None,
    hollow: Sequence[float] = (),
    y_number: Callable[[float], str] = number,
    from_zero: bool = False,
) -> str:
    """A line through points with their intervals; a dashed line at the `marked` x. Points at a `hollow` x lie between measured ones."""
    bottom, top = 182, 26
    ends = [end for _, found in points for end in (found.value, *(found.interval or ()))]
    across = Scale(0, max(x for x, _ in points) or 1, LEFT + 8, WIDTH - RIGHT - 4)
    up = scale([*ends, *([0.0] if from_zero else [])], bottom, top, 4)
    parts = _axes(across, up, x_name, y_name, y_number)
    if marked is not None:
        parts.append(line(across(marked), top, across(marked), bottom, INK, dashes="4 3"))
    path = " ".join(f"{across(x):.1f},{up(found.value):.1f}" for x, found in points)
    parts.append(f'<polyline points="{path}" fill="none" stroke="{BLUE}" stroke-width="1.5"/>')
    for x, found in points:
        place = across(x)
        if found.interval:
            parts.append(line(place, up(found.interval[0]), place, up(found.interval[1]), BLUE, 1.5))
        fill = "#fff" if x in hollow else BLUE
        said = f"<title>{escape(x_name)} {number(x)}: {escape(y_number(found.value))}</title>"
        parts.append(f'<circle cx="{place:.1f}" cy="{up(found.value):.1f}" r="3.5" fill="{fill}" stroke="{BLUE}">{said}</circle>')
    return svg(WIDTH, bottom + 34, f"{y_name} against {x_name}", parts)


def bars(rows: Sequence[tuple[str, float, float]], say: Callable[[float], str]) -> str:
    """A bar for each row of a name, a usual value and a high one: the bar ends at the usual, a thin line at the high value."""
    most, wide = max((high for _, _, high in rows), default=0.0) or 1.0, WIDTH - 170
    drawn = []
    for place, (name, usual, high) in enumerate(rows):
        y, x = 22 * place + 6, 58.0
        drawn.append(text(x - 6, y + 11, name, "end"))
        drawn.append(f'<rect x="{x}" y="{y + 1}" width="{wide * usual / most:.1f}" height="12" fill="{BLUE}"/>')
        reach = x + wide * high / most
        drawn += [line(x + wide * usual / most, y + 7, reach, y + 7, INK), line(reach, y + 3, reach, y + 11, INK)]
        drawn.append(text(reach + 6, y + 11, f"{say(usual)} ({say(high)})"))
    return svg(WIDTH, 22 * len(rows) + 8, "; ".join(f"{name} {say(usual)}, high {say(high)}" for name, usual, high in rows), drawn)


def _axes(across: Scale, up: Scale, x_name: str, y_name: str, y_number: Callable[[float], str] = number) -> list[str]:
    """Grid lines at round numbers, and what the axes are."""
    parts = []
    for value in ticks(up.low, up.high, 4):
        parts += [
            line(across.start, up(value), across.end, up(value), PALE),
            text(across.start - 4, up(value) + 4, y_number(value), "end"),
        ]
    for value in ticks(across.low, across.high, 6):
        x = across(value)
        parts += [line(x, up.start, x, up.start + 3, GREY), text(x, up.start + 14, number(value), "middle")]
    parts.append(line(across.start, up.start, across.end, up.start, GREY))
    parts.append(text((across.start + across.end) / 2, up.start + 29, x_name, "middle"))
    return [*parts, text(2, up.end - 14, y_name)]


def _mark(x: float, y: float, size: float, moved: int, said: str) -> str:
    """A circle where something was gained or stayed, a triangle that points down where something was lost."""
    colour = {1: BLUE, 0: GREY, -1: RED}[moved]
    title = f"<title>{escape(said)}</title>"
    look = f'fill="{colour}" fill-opacity=".65" stroke="#fff" stroke-width=".7"'
    if moved < 0:
        reach = size * 1.15
        return f'<path d="M{x - reach:.1f} {y - reach * 0.75:.1f}h{2 * reach:.1f}l{-reach:.1f} {reach * 1.6:.1f}z" {look}>{title}</path>'
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{size:.1f}" {look}>{title}</circle>'


def _names(names: Sequence[str], x: float, y: float) -> str:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return f"{len(names)} from {x:g} to {y:g}: {', '.join(names[:NAMED])}{more}"


def line(x1: float, y1: float, x2: float, y2: float, colour: str, width: float = 1, dashes: str = "") -> str:
    """A straight line."""
    dashed = f' stroke-dasharray="{dashes}"' if dashes else ""
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}" stroke-width="{width}"{dashed}/>'


def text(x: float, y: float, said: str, anchor: str = "start") -> str:
    """Words on the figure, escaped."""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(said)}</text>'


def svg(width: float, height: float, said: str, parts: Sequence[str], kind: str = "figure") -> str:
    """A whole figure; `said` is what it shows, for who cannot see it."""
    return f'<svg class="{kind}" viewBox="0 0 {width:g} {height:g}" role="img" aria-label="{escape(said)}">{"".join(parts)}</svg>'
