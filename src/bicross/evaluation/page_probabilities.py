"""The section of the probabilities that search shows: how far they can be believed."""

from __future__ import annotations

from html import escape

from bicross.evaluation.evaluated import Evaluated
from bicross.evaluation.reliability_figure import NOTE, bin_table, plot


def probabilities(found: Evaluated) -> str:
    """The calibration error, the reliability diagram, and what makes them look better or worse than they are."""
    seen = found.probabilities
    if seen is None:
        return ""
    low, high = seen.reliability.confidence
    text = (
        f"Expected calibration error {seen.reliability.error:.4f} (95% interval {low:.4f} to {high:.4f}); right probabilities would show "
        f"{seen.reliability.by_chance:.4f} here. Of {seen.hits} hits, the first {seen.shown} of each of {seen.questions} questions as far "
        "as they have a probability."
    )
    notes = [NOTE, _fitted(seen.fitted)]
    if seen.unjudged:
        notes.append(
            f"{seen.unjudged} of the hits were not judged and count as not relevant: where some of them are, the probabilities are better "
            "than they look here."
        )
    told = "".join(f'<p class="note">{escape(note)}</p>' for note in notes if note)
    bins = f"<details><summary>The bins</summary>{bin_table(seen.reliability.bins)}</details>"
    return f"<p>{escape(text)}</p>{plot(seen.reliability.bins)}{told}{bins}"


def _fitted(questions: int | None) -> str:
    if questions is None:
        return (
            "It is not known to which questions the calibration was fitted. If these were among them, it looks better here than it is: "
            "`bicross calibrate` tells how good it is on others."
        )
    return f"{questions} questions are left out, because the calibration was fitted to them." if questions else ""
