"""The slope picture: where each hit stood in every stage, as lines between columns.

Columns stand at shares of the width and rows at pixels, so that the picture takes any width and its numbers keep their size.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

ROW, HEAD, GAP, FOOT = 28, 34, 14, 6
"""Heights in pixels: of a row, of the columns' names, of the fold below the ranks that are shown, and of the lower edge."""


@dataclass(frozen=True, slots=True)
class Dot:
    """A hit in a column: `x` a share of the width such as "12.5%", `y` pixels, `text` its rank; "–" where the stage did not find it."""

    x: str
    y: float
    text: str


@dataclass(frozen=True, slots=True)
class Line:
    """A hit's way through the columns. `way` is what the last step did to it: "up", "down" or "same"."""

    number: int
    way: str
    dots: tuple[Dot, ...]

    @property
    def steps(self) -> tuple[tuple[Dot, Dot], ...]:
        """The pieces of the line, from left to right."""
        return tuple(zip(self.dots, self.dots[1:], strict=False))


@dataclass(frozen=True, slots=True)
class Slope:
    """The picture: `columns` of (x, name), `lines`, the height and, where some stand below the shown ranks, the fold's place in pixels."""

    columns: tuple[tuple[str, str], ...]
    lines: tuple[Line, ...]
    height: int
    fold: float | None


def slope(names: Sequence[str], ranks: Sequence[Sequence[int | None]], shown: int) -> Slope:
    """The picture of hits whose `ranks` are given column by column (hits, columns); None where a stage did not find it.

    Ranks up to `shown` stand in their own rows. Those beyond stand below a fold in their order, then those that were not found.
    """
    columns = tuple(f"{100 * (place + 0.5) / len(names):g}%" for place in range(len(names)))
    heights = [_heights([row[place] for row in ranks], shown) for place in range(len(names))]
    lines = tuple(
        Line(
            number,
            way(row[-2], row[-1]) if len(row) > 1 else "same",
            tuple(Dot(x, heights[place][number - 1], _text(row[place])) for place, x in enumerate(columns)),
        )
        for number, row in enumerate(ranks, start=1)
    )
    lowest = max((y for column in heights for y in column), default=0.0)
    bottom = HEAD + shown * ROW
    return Slope(
        columns=tuple(zip(columns, names, strict=True)),
        lines=lines,
        height=round(max(bottom, lowest + ROW / 2)) + FOOT,
        fold=bottom + GAP / 2 if lowest > bottom else None,
    )


def way(before: int | None, now: int | None) -> str:
    """What a step did to a hit; one that was not there before moved up, one that is not there now moved down."""
    first, second = (float("inf") if rank is None else rank for rank in (before, now))
    return "up" if second < first else "down" if second > first else "same"


def _heights(ranks: Sequence[int | None], shown: int) -> list[float]:
    below = sorted((rank is None, rank or 0, place) for place, rank in enumerate(ranks) if rank is None or rank > shown)
    rows = {place: shown + number for number, (_, _, place) in enumerate(below)}
    return [HEAD + ((rows[place] + 0.5) * ROW + GAP if place in rows else ((rank or 1) - 0.5) * ROW) for place, rank in enumerate(ranks)]


def _text(rank: int | None) -> str:
    return "–" if rank is None else str(rank)
