"""What `calibrate` found as one page: for each kind of search how far its probabilities can be believed, and the threshold asked for."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from bicross.evaluation.calibrated import Calibrated
from bicross.evaluation.reliability_figure import NOTE, bin_table, plot
from bicross.html_page import document, section, table

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
TOLD = {"fitted": "was fitted now", "stored": "is stored"}


def page(kinds: Sequence[Calibrated], questions: int, shown: int, remarks: Sequence[str]) -> str:
    """The whole page, as HTML in one string."""
    intro = (
        f"<p>{questions} judged questions; the first {shown} hits of each, which is what a search shows. Every figure is of probabilities "
        "from a calibration that the question had no part in. Intervals are 95 %, by bootstrap over questions.</p>"
    )
    notes = [f'<p class="remark">{escape(remark)}</p>' for remark in remarks]
    parts = [section(WHAT[one.kind], _kind(one)) for one in kinds]
    return document("Calibration", ["<h1>Calibration</h1>", intro, *notes, *parts], STYLE)


def _kind(found: Calibrated) -> str:
    low, high = found.reliability.confidence
    gain = f"{found.difference:+.4f} [{found.confidence[0]:+.4f}, {found.confidence[1]:+.4f}], p = {found.p_value:.4f}"
    before = "the share of relevant hits, without any score" if found.against == "base" else "the calibration stored before"
    rows = [
        ("pairs of a question and a hit", f"{found.pairs}"),
        ("relevant, not judged", f"{found.relevant}, {found.unjudged}"),
        (f"expected calibration error of what {TOLD[found.told]}", f"{found.reliability.error:.4f} [{low:.4f}, {high:.4f}]"),
        ("  what right probabilities would show", f"{found.reliability.by_chance:.4f}"),
        *([("  of the calibration stored before", f"{found.error_before:.4f}")] if found.error_before is not None else []),
        (f"log loss of what was fitted now, on {found.compared} questions", f"{found.log_loss:.4f} nats"),
        (f"  of {before}", f"{found.before:.4f}"),
        ("  gained", f"{gain}: {found.verdict}"),
        ("fitted", f"{found.method}, on {', '.join(found.calibration.terms) or 'nothing'}"),
    ]
    verdicts = "".join(f'<p class="verdict">{escape(one.verdict)}</p>' for one in (found.threshold, found.best_hit))
    return f'{verdicts}{plot(found.reliability.bins)}<p class="note">{escape(NOTE)}</p>{table(rows)}{bin_table(found.reliability.bins)}'
