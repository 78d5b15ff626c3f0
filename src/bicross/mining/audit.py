"""What mining found, to be read before anything is trained on it: counts, scores, yield, what is probably still wrong, and samples."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from heapq import nsmallest
from statistics import fmean, median
from typing import Any

import numpy as np

from bicross.errors import InputError
from bicross.mining.agreement import aucs, disagreement
from bicross.mining.denoise import drawn
from bicross.mining.leak import Leak, leak
from bicross.mining.sampling import NEGATIVES
from bicross.mining.seeded import seeded
from bicross.records import KINDS, Candidate, Mined

BINS = 20
SAMPLE = 20
NAMED = 100  # questions that are named in a list
UNTOLD = 0.75  # an AUC against random documents below which the scorer's sorting means little
VAGUE = 0.25  # width of the leak's interval from which on it says little
FEW = 30  # known answers below which a threshold is hardly more than a guess


@dataclass(frozen=True, slots=True)
class Seen:
    """A candidate to read beside its question and the best known answer. `threshold` is its row's."""

    question_id: str
    question: str
    answer: str
    doc_id: str
    candidate: str
    kind: str
    scores: Mapping[str, float]
    threshold: float | None


@dataclass(frozen=True, slots=True)
class Audit:
    """`dataclasses.asdict` makes JSON of it.

    `kinds`: kind -> how many. `histograms`: kind -> counts of rerank scores between the 21 `edges`, the same for all kinds.
    `hard`: mean, median, min of hard negatives a question. `without_hard` and `without_negatives` count questions; `named` lists the
    first 100 of the former. `absent`: known answers that the collection does not hold; `missed`: those that recall did not find.
    `auc`: how often a known answer scores above another document of its question, ties half: "rerank", "dense" and "lexical"
    against the recalled candidates, "random" the rerank score against documents drawn at random.
    `disagreement`: the share of pairs of a question's candidates that dense search and cross-encoder order differently; 0.5 is chance.
    `sources`: what made the rows.
    """

    questions: int
    positives: int
    absent: int
    missed: int
    kinds: Mapping[str, int]
    thresholds: tuple[float, ...]
    edges: tuple[float, ...]
    histograms: Mapping[str, tuple[int, ...]]
    hard: Mapping[str, float]
    without_hard: int
    named: tuple[str, ...]
    without_negatives: int
    leak: Leak | None
    auc: Mapping[str, float | None]
    disagreement: float | None
    suspects: tuple[Seen, ...]
    borderline: tuple[Seen, ...]
    duplicates: tuple[Seen, ...]
    sources: tuple[Mapping[str, Any], ...]
    remarks: tuple[str, ...]


def audit(mined: Sequence[Mined], seed: int = 0) -> Audit:
    """Look at mined rows: counts, estimates, 20 random suspects and near-duplicates, and the 20 hard negatives next to the threshold.

    Raises:
        InputError: there are no rows.
    """
    if not mined:
        raise InputError("Found no mined question; expected at least one to audit.")
    hard = [sum(one.kind == "hard" for one in row.candidates) for row in mined]
    without = [row.query.id for row, count in zip(mined, hard, strict=True) if not count]
    edges, histograms = _histograms(mined)
    found, auc = leak(mined, seed), aucs(mined)
    return Audit(
        questions=len(mined),
        positives=sum(len(row.positives) for row in mined),
        absent=sum(len(row.source.get("absent", ())) for row in mined),
        missed=sum(drawn(one) for row in mined for one in row.positives),
        kinds=_kinds(mined),
        thresholds=tuple(sorted({row.source["threshold"] for row in mined if "threshold" in row.source})),
        edges=edges,
        histograms=histograms,
        hard={"mean": fmean(hard), "median": float(median(hard)), "min": float(min(hard))},
        without_hard=len(without),
        named=tuple(sorted(without)[:NAMED]),
        without_negatives=sum(all(one.kind not in NEGATIVES for one in row.candidates) for row in mined),
        leak=found,
        auc=auc,
        disagreement=disagreement(mined),
        suspects=_sample(mined, "suspect", seed),
        borderline=_borderline(mined),
        duplicates=_sample(mined, "duplicate", seed),
        sources=_sources(mined),
        remarks=_remarks(mined, auc, found),
    )


def _kinds(mined: Sequence[Mined]) -> dict[str, int]:
    counts = Counter(one.kind for row in mined for one in (*row.positives, *row.candidates))
    return {kind: counts[kind] for kind in KINDS}


def _histograms(mined: Sequence[Mined]) -> tuple[tuple[float, ...], dict[str, tuple[int, ...]]]:
    by_kind: dict[str, list[float]] = {kind: [] for kind in KINDS}
    for row in mined:
        for one in (*row.positives, *row.candidates):
            if "rerank" in one.scores:
                by_kind[one.kind].append(one.scores["rerank"])
    edges = np.histogram_bin_edges([score for scores in by_kind.values() for score in scores], BINS)  # (BINS + 1,)
    counted = {kind: tuple(np.histogram(scores, edges)[0].tolist()) for kind, scores in by_kind.items() if scores}
    return tuple(edges.tolist()), counted


def _seen(row: Mined, one: Candidate) -> Seen:
    answer = max(row.positives, key=lambda positive: positive.scores.get("rerank", 0.0)).text if row.positives else ""
    return Seen(row.query.id, row.query.text, answer, one.doc_id, one.text, one.kind, one.scores, row.source.get("threshold"))


def _sample(mined: Sequence[Mined], kind: str, seed: int) -> tuple[Seen, ...]:
    """At most 20 of a kind, the same whatever the order of the rows."""
    several = [(row, one) for row in mined for one in row.candidates if one.kind == kind]
    several.sort(key=lambda both: (both[0].query.id, both[1].doc_id))
    return tuple(_seen(*both) for both in seeded(seed, "audit", kind).sample(several, min(SAMPLE, len(several))))


def _borderline(mined: Sequence[Mined]) -> tuple[Seen, ...]:
    """The 20 hard negatives nearest to their threshold."""
    hard = [(row, one) for row in mined for one in row.candidates if one.kind == "hard"]
    nearest = nsmallest(SAMPLE, hard, key=lambda both: (_distance(*both), both[0].query.id, both[1].doc_id))
    return tuple(_seen(*both) for both in nearest)


def _distance(row: Mined, one: Candidate) -> float:
    """How far below its threshold a hard negative scores; one that was judged may stand above it."""
    return float(abs(row.source["threshold"] - one.scores["rerank"]))


def _sources(mined: Sequence[Mined]) -> tuple[Mapping[str, Any], ...]:
    different: list[Mapping[str, Any]] = []
    for row in mined:
        source = {key: value for key, value in row.source.items() if key != "absent"}
        if source not in different:
            different.append(source)
    return tuple(different)


def _remarks(mined: Sequence[Mined], auc: Mapping[str, float | None], found: Leak | None) -> tuple[str, ...]:
    """What a reader should know before believing the rest."""
    remarks = []
    known = sum(len(row.positives) for row in mined)
    told, dense, scored = auc["random"], auc["dense"], auc["rerank"]
    if known < FEW:
        remarks.append(f"Only {known} known answers: a threshold chosen from fewer than {FEW} is hardly more than a guess.")
    if told is not None and told < UNTOLD:
        remarks.append(
            f"The cross-encoder hardly tells known answers from random documents (AUC {told:.2f}), so its suspects mean little: "
            "train it longer, use another one, or mine without denoising."
        )
    if scored is not None and dense is not None and scored < dense:
        remarks.append(
            f"The cross-encoder tells known answers from the other candidates less well (AUC {scored:.2f}) than dense search ({dense:.2f})."
        )
    if found is not None and found.confidence[1] - found.confidence[0] > VAGUE:
        remarks.append("The estimate of unmarked answers is so wide that it says little: the samples say more.")
    if known and found is None:
        remarks.append("Too little is scored or sorted to estimate how many unmarked answers are left among the hard negatives.")
    if none := sum(not row.positives for row in mined):
        remarks.append(f"{none} questions have no known answer in the collection: they give no training row.")
    return tuple(remarks)
