"""Batches for in-batch negatives: no row's texts answer another row's question.

In-batch negatives take every other row's documents for wrong answers, so a row must not meet another whose documents it knows
as answers, near-duplicates of answers, or suspects. A row that clashes goes into a later batch; none is dropped.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Sequence

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
    answers = {*row.answers, *row.ids[:1], row.positive}
    left = [("asked", row.query), *(("held", one) for one in documents), *(("answer", one) for one in answers)]
    avoided = [("asked", row.query), *(("answer", one) for one in documents), *(("held", one) for one in answers)]
    return left, avoided
