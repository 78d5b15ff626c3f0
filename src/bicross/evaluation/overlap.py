"""How alike two rankings are, without a label: the documents they share at the top, whatever their order, and by rank."""

from __future__ import annotations

from collections.abc import Sequence

PERSISTENCE = 0.9  # of a reader of rank-biased overlap: the first 10 ranks then have 86 % of the weight (equation 21 of the paper)


def overlap(left: Sequence[str], right: Sequence[str], depth: int) -> float:
    """Documents that both have among their first `depth`, as a share of the longer one's first `depth`; 1 where both are empty."""
    first, other = set(left[:depth]), set(right[:depth])
    longer = max(len(first), len(other))
    return len(first & other) / longer if longer else 1.0


def rank_biased_overlap(left: Sequence[str], right: Sequence[str], persistence: float = PERSISTENCE) -> float:
    """Agreement of two rankings of any lengths, in [0, 1]: the first ranks weigh most, and a rank counts `persistence` times the one above.

    It is the extrapolated value of Webber, Moffat and Zobel, "A similarity measure for indefinite rankings", ACM TOIS 28(4), 2010,
    equation 32: what lies beyond the lists is taken to agree as what was seen. 1 where both are empty, 0 where one is. No document may
    stand in a ranking twice.
    """
    short, long = sorted((left, right), key=len)
    if not short:
        return float(not long)
    seen_short, seen_long, shared, total = set[str](), set[str](), 0, 0.0
    at_short = 0  # documents in common when the shorter list ends
    for depth, document in enumerate(long, start=1):
        seen_long.add(document)
        shared += document in seen_short
        if depth <= len(short):
            seen_short.add(short[depth - 1])
            shared += short[depth - 1] in seen_long
            at_short = shared
        beyond = at_short * max(0, depth - len(short)) / len(short)
        total += (shared + beyond) / depth * persistence**depth
    ends = (shared - at_short) / len(long) + at_short / len(short)
    return (1 - persistence) / persistence * total + ends * persistence ** len(long)
