"""Batches of similar length under a budget of padded tokens.

Padding is what a naive batch wastes: sorted by length and cut at 1,024 to 2,048 padded tokens, real text pads 4 to 9 %,
which is within 5 % of what true packing could buy. Larger batches are slower.

Lengths are padded to steps, because the runtime keeps about 1 MB of machine code for every new length, for each stream and model, for good:
what has seen any length up to 512 tokens would hold half a gigabyte a stream, what has seen 56 steps a tenth of that.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

TOKEN_BUDGET = 2048


def padded(length: int) -> int:
    """The next of eight steps between one power of two and the next, of each number up to 16: at most an eighth is added."""
    step = 1 << max(0, (length - 1).bit_length() - 4)
    return max(1, -(-length // step) * step)


def token_batches(lengths: Sequence[int], streams: int = 1, budget: int = TOKEN_BUDGET) -> list[list[int]]:
    """Positions 0..n-1 in batches: longest first, each padded to the step of its longest within `budget` tokens.

    Little work is cut finer, so that each of `streams` has some. A text longer than the budget is a batch of its own.
    """
    order = np.argsort(-np.asarray(lengths, dtype=np.int64), kind="stable").tolist()
    if order:
        budget = min(budget, max(padded(lengths[order[0]]), -(-sum(lengths) // streams)))
    batches: list[list[int]] = []
    room = 0
    for position in order:
        if room == 0:
            batches.append([])
            room = max(1, budget // padded(lengths[position]))  # rows that fit, all padded to this first, longest one
        batches[-1].append(position)
        room -= 1
    return batches
