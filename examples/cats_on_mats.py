"""Cats on mats, in Chinese: what is near by cosine, and what the cross-encoder makes of the same pairs.

The bi-encoder places each sentence without knowing the other; the cross-encoder reads both together, word against word.
"""

from __future__ import annotations

import bicross
from bicross.models.scores import relevance
from bicross.vectors import unit

FIRST = "一只猫坐在垫子上。"
OTHERS = [
    "猫咪正坐在垫子上。",  # the same in other words
    "地毯上趴着一只小猫。",  # nearly the same
    "垫子下面有一只老鼠。",  # another animal, another place
    "股市今天大幅下跌。",  # something else
]


def main() -> None:
    encoder, reranker = bicross.load_encoder(), bicross.load_reranker()
    vectors = unit(encoder.encode_queries([FIRST, *OTHERS]))  # (5, dim)
    cosines = vectors[1:] @ vectors[0]  # (4,)
    scores = reranker.score([(FIRST, other) for other in OTHERS])  # (4,)
    print(FIRST)
    print("cosine   cross-encoder")
    for other, cosine, score in zip(OTHERS, cosines.tolist(), scores.tolist(), strict=True):
        print(f"{cosine:.3f}    {relevance(score):.3f}           {other}")


if __name__ == "__main__":
    main()
