"""Training rows out of mined questions: for a bi-encoder's contrastive loss and for a cross-encoder's lists alike."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from random import Random
from typing import Any

from bicross.mining.seeded import seeded
from bicross.records import Candidate, Example, Mined

NEGATIVES = ("hard", "easy", "random")
"""The kinds that are negatives, in the order in which they are preferred."""
RAW = ("unsorted", "random")
"""The same before anything was scored: for the first cross-encoder."""


def examples(
    mined: Sequence[Mined],
    negatives: int,
    seed: int = 0,
    kinds: Sequence[str] = NEGATIVES,
    randoms: int = 0,
    teacher: str = "rerank",
) -> list[Example]:
    """One Example for each known answer, in the order of the rows.

    The first kind is used up before the second is touched. Inside a kind the draw is uniform: the top of recall is where the answers
    that nobody marked are most frequent, and the hard ones are all near the top already. `randoms` of the places, for which there are
    candidates drawn at random, go to these: a cross-encoder has to learn what is far off, too.

    Where a question has fewer negatives than asked, they are taken again in the same order, so that every row has `negatives` of them;
    only where it has none at all is the row's `negatives` empty. What is drawn depends on the seed, the question and the answer alone.
    `scores` are the candidates' scores of the name `teacher`, where all of them are known.
    """
    rows = []
    for row in mined:
        answers = frozenset(
            [one.doc_id for one in row.positives]
            + [one.doc_id for one in row.candidates if one.kind in {"duplicate", "suspect"}]
            + list(row.source.get("absent", ()))
        )
        source = _name(row.source)
        for positive in row.positives:
            chance = seeded(seed, "sample", row.query.id, positive.doc_id)
            chosen = _draw(row.candidates, negatives, kinds, randoms, chance)
            rows.append(_example(row, positive, chosen, answers, source, teacher))
    return rows


def _draw(candidates: Sequence[Candidate], count: int, kinds: Sequence[str], randoms: int, chance: Random) -> list[Candidate]:
    """`count` candidates of these kinds, taken again where there are fewer; none if there is none."""
    by_kind = {kind: sorted((one for one in candidates if one.kind == kind), key=lambda one: one.doc_id) for kind in kinds}
    for several in by_kind.values():
        chance.shuffle(several)
    far = by_kind.get("random", [])[: min(randoms, count)]
    others = [one for kind, several in by_kind.items() for one in several[len(far) * (kind == "random") :]]
    kept = others[: count - len(far)] + far
    return [kept[place % len(kept)] for place in range(count)] if kept else []


def _example(row: Mined, positive: Candidate, chosen: Sequence[Candidate], answers: frozenset[str], source: str, teacher: str) -> Example:
    every = (positive, *chosen)
    scores = [one.scores[teacher] for one in every if teacher in one.scores]
    return Example(
        query=row.query.text,
        positive=positive.text,
        negatives=tuple(one.text for one in chosen),
        scores=tuple(scores) if len(scores) == len(every) else (),
        source=source,
        query_id=row.query.id,
        ids=tuple(one.doc_id for one in every),
        answers=answers,
    )


def _name(source: Mapping[str, Any]) -> str:
    """A short name for what made a row: equal for rows that the same models and settings made."""
    made = {key: value for key, value in source.items() if key != "absent"}
    return "mined:" + hashlib.sha256(json.dumps(made, sort_keys=True).encode()).hexdigest()[:16]
