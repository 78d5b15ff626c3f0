"""Candidates sorted into hard negatives, suspected answers, near-duplicates and easy ones, by a cross-encoder's scores.

Method: cross-encoder denoising (Qu et al., "RocketQA", NAACL 2021), with the threshold read off the known answers' scores. The scores
should come from a model that was not trained on the question: `score`, `threshold` and `sort` are called once for each fold, since the
models of two folds need not share a scale.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from random import Random
from typing import Any

import numpy as np

from bicross.errors import InputError
from bicross.mining.seeded import seeded
from bicross.protocols import Progress, Scorer, silent
from bicross.records import Candidate, Mined
from bicross.settings import MineSettings
from bicross.vectors import check_scores

Likeness = Callable[[str, tuple[str, ...]], float]
"""How much a text has in common with the one of several that is most alike, from 0 to 1; 0 where there is none."""
RANKS = ("rank", "lexical rank", "dense rank")
PAIRS = 512  # scored in one call: many batches, which span questions, and some seconds of work, so that progress moves


def random_negatives(
    row: Mined, answers: tuple[str, ...], pool: Sequence[tuple[str, str]], settings: MineSettings, likeness: Likeness
) -> Mined:
    """The row with up to `settings.random` candidates of kind "random", drawn from `pool` by the seed and the query id alone.

    None is a known answer, alike one, or a document that recall found already. Those of an earlier call are replaced. Called before
    `score`, so that `sort` can set aside what scores like an answer, and the audit learns how often a document out of nowhere does.

    Args:
        answers: texts of all passages of the known answers, as `mining.candidates.find` gives them beside the row.
        pool: (document id, text), in any order.
    """
    recalled = tuple(one for one in row.candidates if not drawn(one))
    taken = {one.doc_id for one in (*row.positives, *recalled)} | set(row.source.get("absent", ()))
    found: list[Candidate] = []
    for doc_id, text in _shuffled(sorted(pool), seeded(settings.seed, "random", row.query.id)):
        if len(found) == settings.random:
            break
        if doc_id not in taken and likeness(text, answers) < settings.alike:
            found.append(Candidate(doc_id, text, "random"))
            taken.add(doc_id)
    return replace(row, candidates=(*recalled, *found), source=_noted(row, {"random": settings.random, "seed": settings.seed}))


def mark_duplicates(row: Mined, answers: tuple[str, ...], settings: MineSettings, likeness: Likeness) -> Mined:
    """The row with every candidate that is alike a passage of a known answer as a "duplicate". Needs no scores.

    A candidate is known by one passage, which may be the copy of any passage of the answer, not only of the one that is nearest to the
    question.

    Args:
        answers: texts of all passages of the known answers, as `mining.candidates.find` gives them beside the row.
    """
    candidates = tuple(replace(one, kind="duplicate") if likeness(one.text, answers) >= settings.alike else one for one in row.candidates)
    return replace(row, candidates=candidates, source=_noted(row, {"alike": settings.alike}))


def score(mined: Sequence[Mined], scorer: Scorer, progress: Progress = silent) -> list[Mined]:
    """The rows with the scorer's word on every known answer and candidate, as `scores["rerank"]`; a score from before is replaced.

    Raises:
        InputError: a score is not finite.
    """
    pairs = [(row.query.text, one.text) for row in mined for one in (*row.positives, *row.candidates)]
    scores: list[float] = []
    for start in range(0, len(pairs), PAIRS):
        part = pairs[start : start + PAIRS]
        values = scorer.score(part)  # (len(part),)
        check_scores(values, part)
        scores += values.tolist()
        progress("pairs", len(scores), len(pairs))
    rest = iter(scores)
    return [with_scores(row, [next(rest) for _ in (*row.positives, *row.candidates)], scorer.fingerprint) for row in mined]


def with_scores(row: Mined, scores: Sequence[float], fingerprint: str) -> Mined:
    """The row with the scores of its positives, then of its candidates, and the fingerprint of the scorer that gave them."""
    rest = iter(scores)
    positives, candidates = (tuple(_scored(one, next(rest)) for one in several) for several in (row.positives, row.candidates))
    return replace(row, positives=positives, candidates=candidates, source={**row.source, "scorer": fingerprint})


def threshold(mined: Sequence[Mined], quantile: float) -> float:
    """The highest known answer's score that at least a share 1 - `quantile` of the known answers reach.

    All known answers count, not only the best of each question: an answer that nobody marked is like any other answer, and the best
    one's score would let the rest through. Each question weighs the same, however many answers it has, because its answers' scores
    rise and fall together.

    Raises:
        InputError: no known answer is in the rows, or one has no score.
    """
    weighed = [(rerank(one, row), 1 / len(row.positives)) for row in mined for one in row.positives]
    if not weighed:
        raise InputError(f"None of the {len(mined)} mined questions has a known answer in the collection; expected some.")
    weighed.sort(reverse=True)
    reached = np.cumsum([weight for _, weight in weighed])  # (answers,)
    place = int(np.searchsorted(reached, (1 - quantile) * reached[-1] * (1 - 1e-9)))  # rounding must not pass over the one that reaches it
    return weighed[place][0]


def sort(mined: Sequence[Mined], settings: MineSettings, threshold: float) -> list[Mined]:
    """The rows with a kind for every candidate, the first that fits:

    - "duplicate": marked as one by `mark_duplicates`; never a negative.
    - "suspect": scores as high as the threshold, and nobody judged that it is not relevant; kept out.
    - "random": drawn, not recalled. Where all else of a question is kept out, the lowest of those drawn is one too, whatever it scores:
      a document out of nowhere is far more likely to be a false alarm than an answer.
    - "hard": lexical, dense or fused search has it among its first `hard_depth`.
    - "easy": the rest.

    Raises:
        InputError: a candidate has no score, or the threshold is not a number.
    """
    if not math.isfinite(threshold):
        raise InputError(f"The threshold is {threshold}; expected a number, as `mining.denoise.threshold` chooses it.")
    made = {"hard_depth": settings.hard_depth, "quantile": settings.quantile}
    rows = []
    for row in mined:
        early = recalled_early(row, settings.hard_depth)
        kinds = {one.doc_id: _kind(one, row, early, threshold) for one in row.candidates}
        if not {"random", "hard", "easy"} & set(kinds.values()):
            strays = [one for one in row.candidates if drawn(one) and one.kind != "duplicate"]
            kinds |= {one.doc_id: "random" for one in sorted(strays, key=lambda one: (one.scores["rerank"], one.doc_id))[:1]}
        candidates = tuple(replace(one, kind=kinds[one.doc_id]) for one in row.candidates)
        rows.append(replace(row, candidates=candidates, source={**_noted(row, made), "threshold": threshold}))
    return rows


def recalled_early(row: Mined, depth: int) -> frozenset[str]:
    """Documents, known answers too, that lexical, dense or fused search put among its first `depth`, whatever the row still holds."""
    every = (*row.positives, *row.candidates)
    return frozenset(one.doc_id for one in every if any(one.scores.get(name, math.inf) <= depth for name in RANKS))


def drawn(candidate: Candidate) -> bool:
    """Whether the candidate was drawn at random, whatever kind it is now. One that recall found has a rank."""
    return "rank" not in candidate.scores


def rerank(one: Candidate, row: Mined) -> float:
    """The cross-encoder's score. Raises InputError where there is none."""
    try:
        return one.scores["rerank"]
    except KeyError:
        raise InputError(f"Document {one.doc_id!r} of question {row.query.id!r} has no rerank score; score the mined rows first.") from None


def _kind(one: Candidate, row: Mined, early: frozenset[str], threshold: float) -> str:
    if one.kind == "duplicate":
        return "duplicate"
    if rerank(one, row) >= threshold and "judged" not in one.scores:
        return "suspect"
    if drawn(one):
        return "random"
    return "hard" if one.doc_id in early else "easy"


def _scored(one: Candidate, value: float) -> Candidate:
    return replace(one, scores={**one.scores, "rerank": value})


def _noted(row: Mined, settings: Mapping[str, Any]) -> dict[str, Any]:
    """The row's source, its settings being those that the steps so far have used."""
    return {**row.source, "settings": {**row.source.get("settings", {}), **settings}}


def _shuffled(items: Sequence[tuple[str, str]], random: Random) -> Iterator[tuple[str, str]]:
    """Every item once, in random order, at the cost of those that are taken (Fisher and Yates's shuffle, from the front)."""
    moved: dict[int, int] = {}
    for place in range(len(items)):
        other = random.randrange(place, len(items))
        yield items[moved.get(other, other)]
        moved[other] = moved.get(place, place)
