"""From questions to training rows: candidates, cross-fitted scores, kinds, and what the teacher thinks of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from bicross.mining.denoise import drawn
from bicross.mining.sampling import NEGATIVES
from bicross.protocols import Encoder
from bicross.records import Candidate, Hit, Mined, Stage
from bicross.searchers.combination import FEATURES, features, fit
from bicross.vectors import Vectors, similarities

TEACHER = "teacher"
RANKS = ("rank", "dense rank")


def hits(row: Mined) -> list[Hit]:
    """Known answers and candidates as hits with the scores of their stages; what recall missed stands after all that it found."""
    several = (*row.positives, *row.candidates)
    last = 1 + max((int(one.scores["rank"]) for one in several if "rank" in one.scores), default=0)
    return [Hit(one.doc_id, 0.0, None, _stages(one, last)) for one in several]


def teach(mined: Sequence[Mined]) -> tuple[list[Mined], dict[str, float]]:
    """The rows with `scores["teacher"]`: the fitted combination of lexical, dense and cross-encoder scores; and its weights.

    The cross-encoder alone may rank worse than recall (few labels); what all know together is the better teacher. The weights are
    those of a softmax over a question's candidates, so the scores are logits of one scale. Suspects and near-duplicates of answers,
    which may be answers themselves, get scores but fit nothing. A known answer that recall missed counts as much as the best of its
    row: what the missing scores of recall would say of it is not knowledge.
    """
    tables = [features(hits(row)) for row in mined]
    sure = [[one.kind == "positive" or one.kind in NEGATIVES for one in (*row.positives, *row.candidates)] for row in mined]
    grades = [np.array([1.0] * len(row.positives) + [0.0] * len(row.candidates)) for row in mined]
    weights = fit(
        [table[kept] for table, kept in zip(tables, sure, strict=True)],
        [grade[kept] for grade, kept in zip(grades, sure, strict=True)],
    )
    column = np.array([weights[name] for name in FEATURES])  # (F,)
    taught = []
    for row, table in zip(mined, tables, strict=True):
        scores = table @ column  # (positives + candidates,)
        missed = [place for place, one in enumerate(row.positives) if not {"lexical", "dense"} & one.scores.keys()]
        scores[missed] = scores.max(initial=0.0)
        taught.append(taught_by(row, scores.tolist()))
    return taught, weights


def unseen(mined: Sequence[Mined], encoder: Encoder) -> list[Mined]:
    """The rows with the dense scores of an encoder that was not trained on their questions, and without the ranks of one that was.

    A model that has seen a question finds its answers too well, and a teacher that believed it would teach the student what the
    student remembers.
    """
    texts = sorted({one.text for row in mined for one in (*row.positives, *row.candidates)})
    place, vectors = {text: number for number, text in enumerate(texts)}, encoder.encode_documents(texts)  # (texts, dim)
    asked = encoder.encode_queries([row.query.text for row in mined])  # (questions, dim)

    def scored(one: Candidate, question: Vectors) -> Candidate:
        score = float(similarities(question, vectors[[place[one.text]]], encoder.space)[0, 0])
        return replace(one, scores={**{name: value for name, value in one.scores.items() if name not in RANKS}, "dense": score})

    return [
        replace(
            row,
            positives=tuple(scored(one, asked[[number]]) for one in row.positives),
            candidates=tuple(scored(one, asked[[number]]) for one in row.candidates),
        )
        for number, row in enumerate(mined)
    ]


def taught_by(row: Mined, scores: Sequence[float]) -> Mined:
    """The row with a teacher's scores of its positives, then of its candidates, as `scores["teacher"]`."""
    rest = iter(scores)
    positives, candidates = (
        tuple(replace(one, scores={**one.scores, TEACHER: next(rest)}) for one in several) for several in (row.positives, row.candidates)
    )
    return replace(row, positives=positives, candidates=candidates)


def of_folds(mined: Sequence[Mined], fold_of: Mapping[str, int], fold: int, inside: bool) -> list[Mined]:
    """The rows whose question is in the fold, or those outside it."""
    return [row for row in mined if (fold_of[row.query.id] == fold) == inside]


def first_candidates(mined: Sequence[Mined], count: int) -> list[Mined]:
    """The rows with the first `count` candidates of the fused order, and those drawn at random. Known answers do not count."""
    return [
        replace(row, candidates=(*[one for one in row.candidates if not drawn(one)][:count], *filter(drawn, row.candidates)))
        for row in mined
    ]


def _stages(one: Candidate, last: int) -> dict[str, Stage]:
    known = {name: Stage(0, one.scores[name]) for name in ("lexical", "dense", "rerank") if name in one.scores}
    return {**known, "fused": Stage(int(one.scores.get("rank", last)), 0.0)}
