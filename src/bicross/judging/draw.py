"""Which pairs of question and document are shown, and with what chance: those that decide which ranking is better come first.

A judgement can move the difference of two rankings' DCG only by the difference of the document's two discounts, so pairs are drawn in
proportion to it (the weights of Carterette, Allan and Sitaraman, "Minimal test collections for retrieval evaluation", SIGIR 2006; as a
chance, so that nothing is biased, Schnabel, Swaminathan, Frazier and Joachims, "Unbiased comparative evaluation of ranking functions",
ICTIR 2016). A share of the chance goes to all that stands high in any stage, so that each stage can be estimated too.

Exactly so many pairs a question are drawn by priority sampling (Duffield, Lund and Thorup, "Priority sampling for estimation of arbitrary
subset sums", J. ACM 54(6), 2007): a value divided by its pair's `probability`, 0 for what was not drawn, has the right expectation.
Questions come in an order drawn at random, so that those judged up to any moment are a simple random sample.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import log2

from bicross.records import Hit, Query, Ranking

DEPTH = 10
"""Ranks of each stage that make the pool; deeper ones have no discount here, as in DCG@10."""
SHARE = 0.5  # of the chance that goes to what stands high in any stage; docs/judging.md has what other shares cost


@dataclass(frozen=True, slots=True)
class Pair:
    """A question beside a document: what is shown, the chance with which it was drawn, and the stages' ranks up to DEPTH, from 1."""

    query_id: str
    question: str
    doc_id: str
    title: str
    passages: tuple[str, ...]
    probability: float
    ranks: Mapping[str, int]


def order(names: Iterable[str], seed: int) -> list[str]:
    """The names in an order drawn at random, which does not depend on the order given; a name more or less leaves that of the others."""
    return sorted(names, key=lambda name: (_chance(seed, name), name))


def discount(rank: int | None) -> float:
    """What DCG@10 multiplies the gain at this rank by: 1 / log2(rank + 1), and 0 below DEPTH or where there is none."""
    return 1 / log2(rank + 1) if rank is not None and rank <= DEPTH else 0.0


def draw(
    query: Query, rankings: Mapping[str, Ranking], compared: tuple[str, str], titles: Mapping[str, str], count: int, seed: int
) -> list[Pair]:
    """`count` pairs of one question, or the whole pool where it is no larger, in an order drawn at random.

    Args:
        rankings: stage -> the question's ranking; their first DEPTH documents are the pool.
        compared: the two stages whose difference is in question.
        titles: document id -> title.
    """
    pool: dict[str, dict[str, Hit]] = {}
    ranks: dict[str, dict[str, int]] = {}
    for stage, ranking in rankings.items():
        for rank, hit in enumerate(ranking[:DEPTH], start=1):
            pool.setdefault(hit.doc_id, {})[stage] = hit
            ranks.setdefault(hit.doc_id, {})[stage] = rank
    chances = probabilities(weights(ranks, compared), count, seed, query.id)
    return [
        Pair(
            query.id, query.text, document, titles.get(document, ""), _passages(pool[document].values()), chances[document], ranks[document]
        )
        for document in order(chances, seed)
    ]


def weights(ranks: Mapping[str, Mapping[str, int]], compared: tuple[str, str]) -> dict[str, float]:
    """What a judgement of each document can tell; they add up to 1. `ranks`: document -> stage -> rank."""
    left, right = compared
    differences = {doc: abs(discount(of.get(left)) - discount(of.get(right))) for doc, of in ranks.items()}
    heights = {doc: sum(map(discount, of.values())) for doc, of in ranks.items()}
    apart, high = sum(differences.values()), sum(heights.values())
    share = SHARE if apart else 1.0  # where both rankings are the same nothing can move their difference
    return {doc: share * heights[doc] / high + ((1 - share) * differences[doc] / apart if apart else 0.0) for doc in ranks}


def probabilities(weighed: Mapping[str, float], count: int, seed: int, name: str) -> dict[str, float]:
    """The `count` documents that priority sampling draws, each with what its value is to be divided by."""
    priorities = {doc: weight / _chance(seed, name, doc) for doc, weight in weighed.items()}
    ranked = sorted(priorities, key=lambda doc: (-priorities[doc], doc))
    threshold = priorities[ranked[count]] if len(ranked) > count else 0.0
    return {doc: min(1.0, weighed[doc] / threshold) if threshold else 1.0 for doc in ranked[:count]}


def _passages(hits: Iterable[Hit]) -> tuple[str, ...]:
    """What the stages found of a document, each passage once, in the order of its text."""
    texts = {hit.passage.start: hit.passage.text for hit in hits if hit.passage}
    return tuple(texts[start] for start in sorted(texts))


def _chance(*names: int | str) -> float:
    """A number above 0 and up to 1, even over names and seeds."""
    digest = hashlib.blake2b(json.dumps(names).encode(), digest_size=8).digest()
    return (int.from_bytes(digest, "big") + 1) / 2**64
