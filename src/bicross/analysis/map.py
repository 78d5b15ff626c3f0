"""A map of groups as one SVG file: a circle a group, a dot a text, groups that are alike near each other. No script, no outside font."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

from bicross.analysis.groups import Groups, layout
from bicross.vectors import Vectors

WIDTH, MARGIN, NAMED, SHOWN, LETTERS = 960, 20, 40, 200, 34
COLOURS = ("#0072b2", "#e69f00", "#009e73", "#d55e00", "#56b4e9", "#8a8a8a")  # Okabe and Ito's, which colour-blind readers tell apart
GOLDEN = math.pi * (
    3 - math.sqrt(5)
)  # radians: dots of a sunflower stand apart (Vogel, "A better way to construct the sunflower head", 1979)


def cluster_map(vectors: Vectors, groups: Groups, titles: Sequence[str], texts: Sequence[str]) -> str:
    """The map. `titles` (groups,) name the circles, the largest in the picture and all where one points; `texts` (n,) name the dots."""
    if not groups:
        return f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} 60"><text x="20" y="35">No group was found.</text></svg>\n'
    shown = groups[:SHOWN]
    circles = list(layout(vectors, shown))
    left, right = min(x - r for x, _, r in circles), max(x + r for x, _, r in circles)
    top, bottom = min(y - r for _, y, r in circles), max(y + r for _, y, r in circles)
    scale = (WIDTH - 2 * MARGIN) / (right - left)
    height = round((bottom - top) * scale + 2 * MARGIN)
    parts, labels = [], []
    for number, ((x, y, radius), group, title) in enumerate(zip(circles, shown, titles, strict=False)):
        x, y, radius = (x - left) * scale + MARGIN, (y - top) * scale + MARGIN, radius * scale
        colour = COLOURS[number % len(COLOURS)]
        dots = "".join(_dot(x, y, radius, place, len(group), texts[row]) for place, row in enumerate(group))
        circle = f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius:.1f}" fill-opacity=".12" stroke="{colour}"/>'
        parts.append(f'<g fill="{colour}"><title>{escape(title)} ({len(group)})</title>{circle}{dots}</g>')
        if number < NAMED:
            size = max(7.0, min(16.0, radius / 4))
            labels.append(
                f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size:.1f}"><tspan>{escape(_short(title))}</tspan>'
                f'<tspan x="{x:.1f}" dy="1.2em">{len(group)}</tspan></text>'
            )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" font-family="system-ui, sans-serif" '
        f'text-anchor="middle"><title>{len(groups)} groups of texts</title><rect width="{WIDTH}" height="{height}" fill="#fff"/>\n'
        + "\n".join(parts)
        + '\n<g fill="#222" stroke="#fff" stroke-width="3" paint-order="stroke" stroke-linejoin="round">'
        + "".join(labels)
        + "</g>\n</svg>\n"
    )


def _dot(x: float, y: float, radius: float, place: int, count: int, text: str) -> str:
    """The most typical text in the middle, the least at the rim."""
    away = 0.92 * radius * math.sqrt((place + 0.5) / count)
    size = min(3.0, 0.4 * radius / math.sqrt(count))
    across, down = x + away * math.cos(place * GOLDEN), y + away * math.sin(place * GOLDEN)
    return f'<circle cx="{across:.1f}" cy="{down:.1f}" r="{size:.2f}"><title>{escape(text)}</title></circle>'


def _short(title: str) -> str:
    return title if len(title) <= LETTERS else title[: LETTERS - 1].rstrip() + "…"
