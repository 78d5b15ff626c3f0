"""The reliability diagram as inline SVG, and its numbers as a table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bicross.evaluation.figures import BLUE, GREY, PALE
from bicross.evaluation.reliability import Bin

SIDE, MARGIN = 300, 40  # of the plot, in SVG units
NOTE = (
    "Each point is a bin of equally many hits: across, the mean of their probabilities; up, the share that is relevant, with its interval. "
    "On the dashed line the probabilities are right."
)


def plot(bins: Sequence[Bin]) -> str:
    """The reliability diagram (Murphy and Winkler, Applied Statistics 26, 1977)."""
    parts = [*_axes(), f'<path d="M{_x(0)} {_y(0)}L{_x(1)} {_y(1)}" stroke="{GREY}" stroke-dasharray="4 3"/>']
    for one in bins:
        x, (low, high) = _x(one.probability), one.confidence
        said = f"{one.pairs} hits of probability {one.low:.3f} to {one.high:.3f}, {one.relevant:.3f} relevant"
        parts.append(f'<path d="M{x} {_y(low)}V{_y(high)}" stroke="{BLUE}" stroke-width="1.5"/>')
        parts.append(f'<circle cx="{x}" cy="{_y(one.relevant)}" r="3.5" fill="{BLUE}"><title>{said}</title></circle>')
    wide, high = SIDE + MARGIN + 12, SIDE + MARGIN + 8
    drawn = "".join(parts)
    return f'<svg class="reliability" viewBox="0 0 {wide} {high}" role="img" aria-label="reliability diagram">{drawn}</svg>'


def bin_table(bins: Sequence[Bin]) -> str:
    """The bins as a table that scrolls by itself where it is too wide."""
    head = "<tr><th>hits</th><th>from</th><th>to</th><th>mean probability</th><th>relevant</th><th>interval</th></tr>"
    rows = (
        f"<tr><td>{one.pairs}</td><td>{one.low:.3f}</td><td>{one.high:.3f}</td><td>{one.probability:.3f}</td><td>{one.relevant:.3f}</td>"
        f"<td>{one.confidence[0]:.3f} to {one.confidence[1]:.3f}</td></tr>"
        for one in bins
    )
    return f'<div class="scroll"><table class="bins">{head}{"".join(rows)}</table></div>'


def _axes() -> Iterator[str]:
    for tenth in range(0, 11, 2):
        share = tenth / 10
        yield f'<path d="M{_x(0)} {_y(share)}H{_x(1)}M{_x(share)} {_y(0)}V{_y(1)}" stroke="{PALE}"/>'
        yield f'<text x="{_x(0) - 5}" y="{_y(share) + 4}" text-anchor="end">{share:g}</text>'
        yield f'<text x="{_x(share)}" y="{_y(0) + 14}" text-anchor="middle">{share:g}</text>'
    yield f'<text x="{_x(0.5)}" y="{_y(0) + 30}" text-anchor="middle">probability</text>'
    yield f'<text transform="translate(10 {_y(0.5)}) rotate(-90)" text-anchor="middle">share that is relevant</text>'


def _x(share: float) -> float:
    return round(MARGIN + share * SIDE, 1)


def _y(share: float) -> float:
    return round(8 + (1 - share) * SIDE, 1)
