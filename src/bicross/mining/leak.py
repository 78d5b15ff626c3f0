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
ENOUGH = 50  # documents of a kind from which on the false alarms are measured on them
STANDARD = "unmarked answers score like the known answers that recall found, and other documents"
ASSUMPTIONS = {
    "judged": f"Assumed: {STANDARD} like those that were judged and are not relevant.",
    "deep": (
        f"Assumed: {STANDARD} like those that recall puts later. Too high as far as early documents score higher than later ones without "
        "being answers; too low as far as later ones are answers."
    ),
    "random": f"Assumed: {STANDARD} like random ones. Rather too high: what recall finds scores higher than random ones anyway.",
}
COLUMNS = ("answers", "caught", "hard", "suspects", "others", "alarms")
Counts = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Leak:
    """`caught`: share of known answers that reach the threshold. `false_alarms`: share of other documents that do, measured on
    `measured_on`: "judged", "deep" or "random" ones. `left`: answers estimated to be among the hard negatives; `share`: of these, with
    its 95 % interval. `most`: the share by the false alarms on random documents, an upper bound; None
    without random documents. It would be 0 if every suspect were a false alarm. `hard` and `suspects` count only what recall puts early
    and nobody judged.
    """

    caught: float
    false_alarms: float
    measured_on: str
    hard: int
    suspects: int
    left: float
    share: float
    confidence: tuple[float, float]
    most: float | None
    assumptions: str


def leak(mined: Sequence[Mined], seed: int = 0) -> Leak | None:
    """The estimate; None where rows are not sorted, there are no hard negatives, or the scorer does not tell answers from others.

    False alarms are measured on documents judged not relevant, if there are 50; else on what recall puts later; else on random ones.
    """
    rows = [row for row in mined if "threshold" in row.source]
    if not rows:
        return None
    tables = {kind: np.array([_counts(row, kind) for row in rows], dtype=np.float64) for kind in ASSUMPTIONS}  # each (rows, COLUMNS)
    totals = {kind: table.sum(axis=0) for kind, table in tables.items()}  # each (COLUMNS,)
    measured_on = next((kind for kind, total in totals.items() if total[4] >= ENOUGH), "random")
    answers, caught, hard, suspects, others, alarms = totals[measured_on].tolist()
    if not (answers and others and hard) or caught / answers <= alarms / others:
        return None
    share, most = (float(_share(totals[kind][None])[0]) for kind in (measured_on, "random"))
    return Leak(
        caught=caught / answers,
        false_alarms=alarms / others,
        measured_on=measured_on,
        hard=int(hard),
        suspects=int(suspects),
        left=share * hard,
        share=share,
        confidence=_interval(tables[measured_on], np.random.default_rng(seed)),
        most=most if totals["random"][4] else None,
        assumptions=ASSUMPTIONS[measured_on],
    )


def _interval(counts: Counts, chance: np.random.Generator) -> tuple[float, float]:
    """The wider ends of two 95 % intervals, of (rows, COLUMNS): the bootstrap over questions, whose documents are alike, and Jeffreys's
    posterior of the three shares (Brown, Cai and DasGupta 2001), because the bootstrap of a count of 0 has no width.
    """
    rows = len(counts)
    resampled = np.stack([np.bincount(chance.integers(0, rows, rows), minlength=rows) @ counts for _ in range(RESAMPLES)])
    answers, caught, hard, suspects, others, alarms = counts.sum(axis=0)
    c = chance.beta(caught + 0.5, answers - caught + 0.5, RESAMPLES)  # (RESAMPLES,)
    s = chance.beta(suspects + 0.5, hard + 0.5, RESAMPLES)  # (RESAMPLES,)
    f = chance.beta(alarms + 0.5, others - alarms + 0.5, RESAMPLES)  # (RESAMPLES,)
    ones = np.ones(RESAMPLES)
    posterior = np.stack([ones, c, 1 - s, s, ones, f], axis=1)  # (RESAMPLES, COLUMNS)
    ends = np.quantile(np.stack([_share(resampled), _share(posterior)]), [0.025, 0.975], axis=1)  # (2, 2)
    return float(ends[0].min()), float(ends[1].max())


def _counts(row: Mined, measured_on: str) -> list[int]:
    """COLUMNS of one question."""
    bar = row.source["threshold"]
    early = recalled_early(row, row.source["settings"]["hard_depth"])
    known = [one for one in row.positives if not drawn(one)]
    found = [one for one in row.candidates if one.doc_id in early and "judged" not in one.scores]
    others = [one for one in row.candidates if one.kind != "duplicate" and "rerank" in one.scores and _group(one, early) == measured_on]
    return [
        len(known),
        sum(one.scores["rerank"] >= bar for one in known),
        sum(one.kind == "hard" for one in found),
        sum(one.kind == "suspect" for one in found),
        len(others),
        sum(one.scores["rerank"] >= bar for one in others),
    ]


def _group(one: Candidate, early: frozenset[str]) -> str:
    """Which documents this one stands for when false alarms are counted."""
    if "judged" in one.scores:
        return "judged"
    if drawn(one):
        return "random"
    return "early" if one.doc_id in early else "deep"


def _share(counts: Counts) -> Counts:
    """Of the hard negatives, the share that are answers, (n,) of (n, COLUMNS); 1 where a resample tells nothing."""
    answers, caught, hard, suspects, others, alarms = counts.T  # each (n,)
    with np.errstate(divide="ignore", invalid="ignore"):
        c, f = caught / answers, alarms / others
        among = np.clip((suspects - f * (hard + suspects)) / (c - f), 0, hard + suspects)
        share = np.clip((1 - c) * among / hard, 0, 1)
    return np.where((c > f) & (hard > 0), share, 1.0)
