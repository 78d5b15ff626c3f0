"""What `calibrate` found as one page: for each kind of search how far its probabilities can be believed, and the threshold asked for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape

from bicross.evaluation.calibrated import Calibrated
from bicross.evaluation.reliability import Bin
from bicross.html_page import document, section, table

SIDE, MARGIN = 300, 40  # of the plot, in SVG units
COLOUR, GREY = "#0072b2", "#8a8a8a"
STYLE = """
svg { max-width: 24rem; } table.bins td, table.bins th { text-align: right; font-variant-numeric: tabular-nums; }
.verdict { border-left: 3px solid #2a7f62; padding-left: .7rem; } .scroll { overflow-x: auto; margin-top: 1rem; }
"""
WHAT = {
    "both": "Two-stage search",
    "fused": "Fused search (--stage fused, or --depth 0)",
    "dense": "Dense search (--stage dense)",
    "lexical": "Lexical search (--stage lexical)",
}


def page(kinds: Sequence[Calibrated], questions: int, shown: int, remarks: Sequence[str]) -> str:
    """The whole page, as HTML in one string."""
    intro = (
        f"<p>{questions} judged questions; the first {shown} hits of each, which is what a search shows. Every figure is of probabilities "
        "from a calibration that the question, and its near-duplicates, had no part in. Intervals are 95 %, by bootstrap over "
        "questions.</p>"
    )
    notes = [f'<p class="remark">{escape(remark)}</p>' for remark in remarks]
    parts = [section(WHAT[one.kind], _kind(one)) for one in kinds]
    return document("Calibration", ["<h1>Calibration</h1>", intro, *notes, *parts], STYLE)


def _kind(found: Calibrated) -> str:
    low, high = found.reliability.confidence
    gain = f"{found.difference:+.4f} [{found.confidence[0]:+.4f}, {found.confidence[1]:+.4f}], p = {found.p_value:.4f}"
    before = "the share of relevant hits, without any score" if found.error_before is None else "the calibration stored before"
    rows = [
        ("pairs of a question and a hit", f"{found.pairs}"),
        ("relevant, not judged", f"{found.relevant}, {found.unjudged}"),
        ("expected calibration error", f"{found.reliability.error:.4f} [{low:.4f}, {high:.4f}]"),
        ("  what right probabilities would show", f"{found.reliability.by_chance:.4f}"),
        *([("  of the calibration stored before", f"{found.error_before:.4f}")] if found.error_before is not None else []),
        ("log loss", f"{found.log_loss:.4f} nats"),
        (f"  of {before}", f"{found.before:.4f}"),
        ("  gained", f"{gain}: {'better' if found.better else 'not shown to be better'}"),
        ("fitted", f"{found.method}, on {', '.join(found.calibration.terms) or 'nothing'}"),
    ]
    return (
        f'<p class="verdict">{escape(found.threshold.verdict)}</p>{_plot(found.reliability.bins)}'
        '<p class="note">Each point is a bin of equally many hits: across, the mean of their probabilities; up, the share that is '
        f"relevant, with its interval. On the dashed line the probabilities are right.</p>{table(rows)}{_bins(found.reliability.bins)}"
    )


def _plot(bins: Sequence[Bin]) -> str:
    """The reliability diagram (Murphy and Winkler, Applied Statistics 26, 1977)."""
    parts = [*_axes(), f'<path d="M{_x(0)} {_y(0)}L{_x(1)} {_y(1)}" stroke="{GREY}" stroke-dasharray="4 3"/>']
    for one in bins:
        x, (low, high) = _x(one.probability), one.confidence
        said = f"{one.pairs} hits of probability {one.low:.3f} to {one.high:.3f}, {one.relevant:.3f} relevant"
        parts.append(f'<path d="M{x} {_y(low)}V{_y(high)}" stroke="{COLOUR}" stroke-width="1.5"/>')
        parts.append(f'<circle cx="{x}" cy="{_y(one.relevant)}" r="3.5" fill="{COLOUR}"><title>{said}</title></circle>')
    wide, high = SIDE + MARGIN + 12, SIDE + MARGIN + 8
    return f'<svg viewBox="0 0 {wide} {high}" role="img" aria-label="reliability diagram">{"".join(parts)}</svg>'


def _axes() -> Iterator[str]:
    for tenth in range(0, 11, 2):
        share = tenth / 10
        yield f'<path d="M{_x(0)} {_y(share)}H{_x(1)}M{_x(share)} {_y(0)}V{_y(1)}" stroke="#e4e4e4"/>'
        yield f'<text x="{_x(0) - 5}" y="{_y(share) + 4}" text-anchor="end">{share:g}</text>'
        yield f'<text x="{_x(share)}" y="{_y(0) + 14}" text-anchor="middle">{share:g}</text>'
    yield f'<text x="{_x(0.5)}" y="{_y(0) + 30}" text-anchor="middle">probability</text>'
    yield f'<text transform="translate(10 {_y(0.5)}) rotate(-90)" text-anchor="middle">share that is relevant</text>'


def _bins(bins: Sequence[Bin]) -> str:
    head = "<tr><th>hits</th><th>from</th><th>to</th><th>mean probability</th><th>relevant</th><th>interval</th></tr>"
    rows = (
        f"<tr><td>{one.pairs}</td><td>{one.low:.3f}</td><td>{one.high:.3f}</td><td>{one.probability:.3f}</td><td>{one.relevant:.3f}</td>"
        f"<td>{one.confidence[0]:.3f} to {one.confidence[1]:.3f}</td></tr>"
        for one in bins
    )
    return f'<div class="scroll"><table class="bins">{head}{"".join(rows)}</table></div>'


def _x(share: float) -> float:
    return round(MARGIN + share * SIDE, 1)


def _y(share: float) -> float:
    return round(8 + (1 - share) * SIDE, 1)
