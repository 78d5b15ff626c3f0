"""Batches for in-batch negatives: no row's texts answer another row's question.

In-batch negatives take every other row's documents for wrong answers, so a row must not meet another whose documents it knows
as answers, near-duplicates of answers, or suspects. Rows that clash wait for a later batch; none is dropped.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

from bicross.records import Example


def compose(rows: Sequence[Example], size: int, seed: int) -> list[list[int]]:
    """One epoch: every row's number once, in batches of at most `size`, shuffled by `seed`."""
    waiting = list(range(len(rows)))
    random.Random(seed).shuffle(waiting)
    batches: list[list[int]] = []
    while waiting:
        batch, clashing = _Batch(), list[int]()
        for place, number in enumerate(waiting):
            if len(batch.numbers) == size:
                clashing += waiting[place:]
                break
            if not batch.take(number, rows[number]):
                clashing.append(number)
        batches.append(batch.numbers)
        waiting = clashing
    return batches


class _Batch:
    """What a batch holds, and what it must not take any more."""

    def __init__(self) -> None:
        self.numbers: list[int] = []
        self._queries: set[str] = set()
        self._documents: set[str] = set()
        self._answers: set[str] = set()

    def take(self, number: int, row: Example) -> bool:
        """Add the row unless it clashes. Documents are told apart by id and by text: the same text may stand under two ids."""
        documents = {*row.ids, row.positive, *row.negatives}
        answers = {*row.answers, *row.ids[:1], row.positive}
        if row.query in self._queries or documents & self._answers or answers & self._documents:
            return False
        self.numbers.append(number)
        self._queries.add(row.query)
        self._documents |= documents
        self._answers |= answers
        return True
