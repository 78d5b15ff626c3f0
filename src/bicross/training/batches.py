"""Batches for in-batch negatives: no row's texts answer another row's question; and rows that have too few negatives of their own.

In-batch negatives take every other row's documents for wrong answers, so a row must not meet another whose documents it knows
as answers, near-duplicates of answers, or suspects. A row that clashes goes into a later batch; none is dropped.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

from bicross.errors import InputError
from bicross.records import Example

Mark = tuple[str, str]
"""What a row leaves in its batch: a question asked, a document held, an answer to its question; by text or id."""


def compose(rows: Sequence[Example], size: int, seed: int) -> list[list[int]]:
    """One epoch: every row's number once, in batches of at most `size`, shuffled by `seed`.

    Each row goes into the first batch that has room and that it does not clash with. Documents are told apart by id and by text: the
    same text may stand under two ids.
    """
    order = list(range(len(rows)))
    random.Random(seed).shuffle(order)
    batches: list[list[int]] = []
    full, marked = _Batches(), defaultdict[Mark, _Batches](_Batches)
    for number in order:
        left, avoided = _marks(rows[number])
        closed = [full, *(marked[mark] for mark in avoided if mark in marked)]
        place = max(several.open_from(full) for several in closed)
        while any(place in several.numbers for several in closed):
            place += 1
        if place == len(batches):
            batches.append([])
        batches[place].append(number)
        if len(batches[place]) == size:
            full.numbers.add(place)
        for mark in left:
            marked[mark].numbers.add(place)
    return batches


def filled(rows: Sequence[Example], count: int, seed: int) -> list[Example]:
    """The rows, each with `count` negatives or more: where there are fewer, other questions' answers join them.

    None is an answer, a near-duplicate of one or a suspect of the question (`Example.answers`, by id; answers in any row, by text, too).
    Where fewer fit than lack, they are taken again. What joins is drawn by `seed`. In rows that all have a teacher's scores, a document
    that joins gets the lowest of all negatives' scores, for a missing score counts as the lowest elsewhere, too; where no negative has a
    score, the filled rows have none.

    Raises:
        InputError: a row lacks negatives, and every other answer may answer its question.
    """
    own: dict[str, set[str]] = defaultdict(set)  # by question, what answers it
    for row in rows:
        own[row.query] |= _answers(row)
    pool = list({(row.positive, row.ids[:1]): None for row in rows})
    chance = random.Random(seed)
    chance.shuffle(pool)
    scored = [min(row.scores[1:]) for row in rows if row.negatives and row.scores]
    lowest = min(scored) if scored and all(row.scores for row in rows) else None
    return [_filled(row, count, pool, own[row.query], lowest, chance) if len(row.negatives) < count else row for row in rows]


def _filled(
    row: Example, count: int, pool: Sequence[tuple[str, tuple[str, ...]]], answers: set[str], lowest: float | None, chance: random.Random
) -> Example:
    """The row with documents of the pool, each a text and its id, from a place drawn at random on."""
    lacking, start = count - len(row.negatives), chance.randrange(len(pool))
    taken = {*answers, *row.ids, *row.negatives}
    found: list[tuple[str, tuple[str, ...]]] = []
    for text, name in (pool[(start + step) % len(pool)] for step in range(len(pool))):
        if len(found) == lacking:
            break
        if bool(name) == bool(row.ids) and taken.isdisjoint((text, *name)):
            found.append((text, name))
            taken |= {text, *name}
    if not found:
        raise InputError(
            f"The question {row.query!r} has {len(row.negatives)} negatives, expected {count}, and every answer of the other questions may "
            "answer it, too; leave it out, or add questions with other answers."
        )
    joined = [found[place % len(found)] for place in range(lacking)]
    return replace(
        row,
        negatives=(*row.negatives, *(text for text, _ in joined)),
        ids=(*row.ids, *(one for _, name in joined for one in name)),
        scores=() if lowest is None else (*row.scores, *[lowest] * lacking),
    )


class _Batches:
    """Numbers of batches: those that are full, or those with one mark."""

    def __init__(self) -> None:
        self.numbers: set[int] = set()
        self._open_from = 0

    def open_from(self, full: _Batches) -> int:
        """All batches before this one are among these, or full. Batches only ever join, so it is found by going on from where it was:
        rows that share an answer with thousands of others do not look at each of them."""
        while self._open_from in self.numbers or self._open_from in full.numbers:
            self._open_from += 1
        return self._open_from


def _marks(row: Example) -> tuple[list[Mark], list[Mark]]:
    """The marks that the row leaves, and those beside which it must not stand."""
    documents = {*row.ids, row.positive, *row.negatives}
    answers = _answers(row)
    left = [("asked", row.query), *(("held", one) for one in documents), *(("answer", one) for one in answers)]
    avoided = [("asked", row.query), *(("answer", one) for one in documents), *(("held", one) for one in answers)]
    return left, avoided


def _answers(row: Example) -> set[str]:
    """What answers the row's question or may do so, by text or id."""
    return {*row.answers, *row.ids[:1], row.positive}
