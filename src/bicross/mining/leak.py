"""How many answers that nobody marked are probably left among the hard negatives.

Of the documents that recall puts early, n are unjudged, and A of these are answers. The cross-encoder suspects a share c of answers
and a share f of the others, so it suspects S = c A + f (n - A). Hence A = (S - f n) / (c - f), and (1 - c) A of them are among the hard
negatives. (Rogan and Gladen, "Estimating prevalence from the results of a screening test", American Journal of Epidemiology, 1978.)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bicross.mining.denoise import drawn, recalled_early
from bicross.records import Candidate, Mined

RESAMPLES = 1000
ENOUGH = 50  # judged documents from which on the false alarms are measured on them
ASSUMPTIONS = {
    "judged": "Assumed: unmarked answers score like the known answers that recall found, other documents like those judged not relevant.",
    "random": (
        "Assumed: unmarked answers score like the known answers that recall found, other documents like random ones. "
        "Documents that recall puts early score higher than random ones without being answers, so the estimate is rather too high."
    ),
}
COLUMNS = ("answers", "caught", "others", "alarms", "hard", "suspects")
Counts = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Leak:
    """`caught`: share of known answers that reach the threshold. `false_alarms`: share of other documents that do, measured on
    `measured_on`, "judged" or "random" ones. `left`: answers estimated to be among the hard negatives; `share`: of these, with its
    95 % interval by the bootstrap over questions. `hard` and `suspects` count only what recall puts early and nobody judged.
    """

    caught: float
    false_alarms: float
    measured_on: str
    hard: int
    suspects: int
    left: float
    share: float
    confidence: tuple[float, float]
    assumptions: str


def leak(mined: Sequence[Mined], seed: int = 0) -> Leak | None:
    """The estimate; None where rows are not sorted, there are no hard negatives, or the scorer does not tell answers from others."""
    rows = [row for row in mined if "threshold" in row.source]
    judged = sum(_judged(one) for row in rows for one in row.candidates)
    measured_on = "judged" if judged >= ENOUGH else "random"
    if not rows:
        return None
    counts = np.array([_counts(row, measured_on) for row in rows], dtype=np.float64)  # (rows, COLUMNS)
    answers, caught, others, alarms, hard, suspects = counts.sum(axis=0)
    if not (answers and others and hard) or caught / answers <= alarms / others:
        return None
    chance = np.random.default_rng(seed)
    resampled = [np.bincount(chance.integers(0, len(rows), len(rows)), minlength=len(rows)) @ counts for _ in range(RESAMPLES)]
    low, high = np.quantile(_share(np.stack(resampled)), [0.025, 0.975])
    share = float(_share(counts.sum(axis=0)[None])[0])
    return Leak(
        caught=float(caught / answers),
        false_alarms=float(alarms / others),
        measured_on=measured_on,
        hard=int(hard),
        suspects=int(suspects),
        left=share * float(hard),
        share=share,
        confidence=(float(low), float(high)),
        assumptions=ASSUMPTIONS[measured_on],
    )


def _counts(row: Mined, measured_on: str) -> list[int]:
    """COLUMNS of one question."""
    bar = row.source["threshold"]
    early = recalled_early(row, row.source["settings"]["hard_depth"])
    known = [one for one in row.positives if not drawn(one)]
    unjudged = [one for one in row.candidates if one.doc_id in early and "judged" not in one.scores]
    others = [one for one in row.candidates if (_judged(one) if measured_on == "judged" else _random(one))]
    return [
        len(known),
        sum(one.scores["rerank"] >= bar for one in known),
        len(others),
        sum(one.scores["rerank"] >= bar for one in others),
        sum(one.kind == "hard" for one in unjudged),
        sum(one.kind == "suspect" for one in unjudged),
    ]


def _judged(one: Candidate) -> bool:
    return "judged" in one.scores and one.kind != "duplicate"


def _random(one: Candidate) -> bool:
    """Drawn at random, and before the scores, so that it has one."""
    return drawn(one) and one.kind != "duplicate" and "rerank" in one.scores


def _share(counts: Counts) -> Counts:
    """Of the hard negatives, the share that are answers, (n,) of (n, COLUMNS); 1 where a resample tells nothing."""
    answers, caught, others, alarms, hard, suspects = counts.T  # each (n,)
    with np.errstate(divide="ignore", invalid="ignore"):
        c, f = caught / answers, alarms / others
        among = np.clip((suspects - f * (hard + suspects)) / (c - f), 0, hard + suspects)
        share = np.clip((1 - c) * among / hard, 0, 1)
    return np.where((c > f) & (hard > 0), share, 1.0)
