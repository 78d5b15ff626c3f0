"""Four sentences, each with each: a bi-encoder reads four texts, a cross-encoder six pairs.

For n texts that is n readings against n (n - 1) / 2: what makes the first fit for millions, and the second for the best hundred.
"""

from __future__ import annotations

from itertools import combinations

import bicross
from bicross.models.scores import relevance
from bicross.vectors import unit

SENTENCES = [
    "The new film was praised by the critics.",
    "Reviewers liked the movie a lot.",
    "Tomorrow it will rain in the north.",
    "Northern regions expect showers the next day.",
]


def main() -> None:
    pairs = list(combinations(range(len(SENTENCES)), 2))
    vectors = unit(bicross.load_encoder().encode_queries(SENTENCES))  # (4, dim)
    scores = bicross.load_reranker().score([(SENTENCES[a], SENTENCES[b]) for a, b in pairs])  # (6,)
    for number, sentence in enumerate(SENTENCES, 1):
        print(f"{number}. {sentence}")
    print("\npair   cosine   cross-encoder")
    for (a, b), score in zip(pairs, scores.tolist(), strict=True):
        print(f"{a + 1}-{b + 1}    {float(vectors[a] @ vectors[b]):.3f}    {relevance(score):.3f}")
    print(f"\nbi-encoder: {len(SENTENCES)} encodings; cross-encoder: {len(pairs)} pairs read")
    for count in (100, 10_000, 1_000_000):
        print(f"with {count:>9,} sentences: {count:>9,} encodings against {count * (count - 1) // 2:>15,} pairs")


if __name__ == "__main__":
    main()
