"""How well each stage's score tells known answers from other documents, and how far two stages differ."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

import numpy as np
from numpy.typing import NDArray

from bicross.mining.denoise import drawn
from bicross.records import Candidate, Mined

Numbers = NDArray[np.float64]


def aucs(mined: Sequence[Mined]) -> dict[str, float | None]:
    """Stage -> how often a known answer scores above another document of its question, ties half, the mean over questions.

    "rerank", "dense" and "lexical" are against what recall found and is no near-duplicate, over known answers that recall found too, so
    that the three can be compared; a document that a search did not return is below all that it did. "random" is the rerank score of
    all known answers against documents drawn at random. None where no question has both.
    """
    recalled = [(_found(row.positives), _found(row.candidates)) for row in mined]
    random = [(row.positives, [one for one in row.candidates if drawn(one) and one.kind != "duplicate"]) for row in mined]
    found = {name: _mean_auc(recalled, name) for name in ("rerank", "dense", "lexical")}
    return {**found, "random": _mean_auc(random, "rerank")}


def disagreement(mined: Sequence[Mined]) -> float | None:
    """Of the pairs of one question's candidates that dense search and cross-encoder both order, the share that they order differently."""
    differ = pairs = 0
    for row in mined:
        both = [one for one in row.candidates if {"dense", "rerank"} <= one.scores.keys()]
        dense, reranked = (_signs(_scores(both, name)) for name in ("dense", "rerank"))
        differ += int((dense * reranked < 0).sum())
        pairs += int((dense * reranked != 0).sum())
    return differ / pairs if pairs else None


def _found(several: Sequence[Candidate]) -> list[Candidate]:
    return [one for one in several if not drawn(one) and one.kind != "duplicate"]


def _mean_auc(groups: Sequence[tuple[Sequence[Candidate], Sequence[Candidate]]], name: str) -> float | None:
    """The mean over the groups that have both; None where there is none or nothing has this score."""
    if not any(name in one.scores for answers, others in groups for one in (*answers, *others)):
        return None
    found = [_auc(_scores(answers, name), _scores(others, name)) for answers, others in groups if answers and others]
    return fmean(found) if found else None


def _auc(answers: Numbers, others: Numbers) -> float:
    above = (answers[:, None] > others).mean()
    return float(above + (answers[:, None] == others).mean() / 2)


def _scores(several: Sequence[Candidate], name: str) -> Numbers:
    return np.array([one.scores.get(name, -np.inf) for one in several], dtype=np.float64)  # (several,)


def _signs(scores: Numbers) -> Numbers:
    return np.asarray(np.sign(scores[:, None] - scores))  # (scores, scores)
