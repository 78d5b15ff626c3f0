"""From passages to documents: a document's score is its best passage's."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from bicross.protocols import Corpus
from bicross.records import Hit, Passage, Query, Ranking, Stage
from bicross.vectors import Keys, Scores, best_first

Propose = Callable[[Sequence[int], int], tuple[Keys, Scores]]
"""(rows of the queries, k) -> passage keys and scores, each (rows, k), key -1 where there is none."""


def rank_documents(propose: Propose, corpus: Corpus, queries: Sequence[Query], k: int, stage: str) -> dict[str, Ranking]:
    """The k best documents of each query by their best passages, asking for more passages until k documents are found."""
    found: dict[str, Ranking] = {}
    rows, wanted = list(range(len(queries))), 2 * k
    while rows:
        keys, scores = propose(rows, wanted)  # each (rows, wanted)
        passages = corpus.passages(np.unique(keys[keys >= 0]).tolist())  # each once, however many queries found it
        rankings = [_documents(row, values, passages, k, stage) for row, values in zip(keys.tolist(), scores.tolist(), strict=True)]
        short = []
        for row, row_keys, ranking in zip(rows, keys, rankings, strict=True):
            found[queries[row].id] = ranking
            if len(ranking) < k and len(row_keys) and row_keys[-1] >= 0:  # there may be more
                short.append(row)
        rows, wanted = short, 4 * wanted
    return found


def _documents(keys: Sequence[int], scores: Sequence[float], passages: Mapping[int, Passage], k: int, stage: str) -> Ranking:
    best: dict[str, Hit] = {}
    for key, score in zip(keys, scores, strict=True):
        passage = passages.get(key)
        if passage is not None and passage.doc_id not in best:  # keys come best first
            best[passage.doc_id] = Hit(passage.doc_id, score, passage)
    ranked = best_first(best.values())[:k]
    return tuple(Hit(hit.doc_id, hit.score, hit.passage, {stage: Stage(rank, hit.score)}) for rank, hit in enumerate(ranked, start=1))
