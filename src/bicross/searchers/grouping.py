"""From passages to documents: a document's score is its best passage's."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from bicross.protocols import Corpus
from bicross.records import Hit, Passage, Query, Ranking, Stage
from bicross.vectors import Keys, Scores, best_first

Propose = Callable[[Sequence[int], int], tuple[Keys, Scores]]
"""(rows of the queries, k) -> passage keys and scores, each (rows, k), key -1 where there is none."""


def rank_documents(propose: Propose, corpus: Corpus, queries: Sequence[Query], k: int, stage: str) -> dict[str, Ranking]:
    """The k best documents of each query by their best passages, asking for more passages until k documents are found.

    No more is read than the passages that are returned, each once, however many queries found it.
    """
    found: dict[int, tuple[Best, ...]] = {}
    rows, wanted = list(range(len(queries))), 2 * k
    while rows:
        keys, scores = propose(rows, wanted)  # each (rows, wanted)
        owners = corpus.owners(np.unique(keys[keys >= 0]).tolist())
        short = []
        for row, row_keys, row_scores in zip(rows, keys.tolist(), scores.tolist(), strict=True):
            found[row] = _documents(row_keys, row_scores, owners, k)
            if len(found[row]) < k and row_keys and row_keys[-1] >= 0:  # there may be more
                short.append(row)
        rows, wanted = short, 4 * wanted
    passages = corpus.passages(dict.fromkeys(best.key for ranking in found.values() for best in ranking))
    return {queries[row].id: _ranking(ranking, passages, stage) for row, ranking in found.items()}


class Best(NamedTuple):
    """A document by its best passage, `key`."""

    doc_id: str
    score: float
    key: int


def _documents(keys: Sequence[int], scores: Sequence[float], owners: Mapping[int, str], k: int) -> tuple[Best, ...]:
    best: dict[str, Best] = {}
    for key, score in zip(keys, scores, strict=True):
        owner = owners.get(key)
        if owner is not None and owner not in best:  # keys come best first
            best[owner] = Best(owner, score, key)
    return best_first(best.values())[:k]


def _ranking(best: Sequence[Best], passages: Mapping[int, Passage], stage: str) -> Ranking:
    there = [one for one in best if one.key in passages]  # one may be gone meanwhile, where the caller holds no snapshot
    return tuple(Hit(one.doc_id, one.score, passages[one.key], {stage: Stage(rank, one.score)}) for rank, one in enumerate(there, start=1))
