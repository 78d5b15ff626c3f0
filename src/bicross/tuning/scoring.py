"""Scores of mined candidates, resumable."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from bicross.mining.denoise import score, with_scores
from bicross.protocols import Scorer
from bicross.records import Mined
from bicross.tuning.run import Run

SCORED = 50  # questions whose pairs are scored between two marks of what is done


def scored(run: Run, step: str, rows: Sequence[Mined], scorer: Scorer, progress: Callable[[str, int, int], None]) -> list[Mined]:
    """Every answer and candidate with the scorer's word on it; what was scored before an interruption is not scored again.

    Raises InputError where a score is not finite.
    """

    def part(some: Sequence[Mined]) -> list[list[float]]:
        return [[one.scores["rerank"] for one in (*row.positives, *row.candidates)] for row in score(some, scorer)]

    lists = run.pieces(step, rows, SCORED, part, lambda done: progress("scoring candidates", done, len(rows)))
    return [with_scores(row, values, scorer.fingerprint) for row, values in zip(rows, lists, strict=True)]
