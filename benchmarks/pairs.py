"""Paraphrase mining: `bicross pairs` beside sentence_transformers.util.paraphrase_mining on the same embeddings, in one run.

    python benchmarks/pairs.py --data DATA --work .bench [--lines 100000] [--rounds 3] [--threads 2]

Real texts of one line (`lines.py`) with the starter encoder's vectors. Theirs is called as its documentation shows (top_k 100, 500,000
pairs), on vectors that are made already (`paraphrase_mining_embeddings`, which `paraphrase_mining` calls). Pairs count from the threshold
on that `bicross pairs` takes by itself. Where theirs lacks a pair, because a text has more than 100 close ones, that is counted apart:
every pair of either is looked up in the exact products. Rounds alternate; medians. Writes benchmarks/results/pairs.json.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from pathlib import Path

import numpy as np
import torch
from lines import embedded, lines_of, processor  # beside this script
from sentence_transformers.util import paraphrase_mining_embeddings
from threadpoolctl import threadpool_limits

from bicross import durable
from bicross.analysing.verbs import CLOSE, silent
from bicross.analysis.neighbours import pairs_above, unrelated

RESULTS = Path(__file__).parent / "results" / "pairs.json"
MOST = 500_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--work", type=Path, default=Path(".bench"))
    parser.add_argument("--lines", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--out", type=Path, default=RESULTS)
    asked = parser.parse_args()
    vectors = embedded(lines_of(asked.data, asked.lines), asked.work)
    torch.set_num_threads(asked.threads)
    tensor = torch.from_numpy(vectors.copy())
    usual = unrelated(vectors)
    threshold = usual + CLOSE["pairs"] * (1 - usual)
    seconds: dict[str, list[float]] = {"sentence_transformers": [], "bicross": []}
    with threadpool_limits(asked.threads):
        for _ in range(asked.rounds):
            start = time.perf_counter()
            theirs = paraphrase_mining_embeddings(tensor, max_pairs=MOST, top_k=100)
            seconds["sentence_transformers"].append(time.perf_counter() - start)
            start = time.perf_counter()
            unrelated(vectors)
            ours = pairs_above(vectors, threshold, MOST, silent)
            seconds["bicross"].append(time.perf_counter() - start)
    # Products of the two libraries differ in the last bits, so a pair at the threshold itself counts for whoever has it.
    expected = {(min(left, right), max(left, right)) for score, left, right in theirs if score >= threshold + 1e-5}
    found = set(zip(ours.left.tolist(), ours.right.tolist(), strict=True))
    best = list(zip(ours.left[:MOST].tolist(), ours.right[:MOST].tolist(), strict=True))
    products = np.einsum("nd,nd->n", vectors[ours.left], vectors[ours.right]) if best else np.zeros(0)
    medians = {name: statistics.median(times) for name, times in seconds.items()}
    result = {
        "ratio": medians["sentence_transformers"] / medians["bicross"],
        "recall": len(expected & found) / max(1, len(expected)),
        "recall that was measured on a sample": ours.recall,
        "seconds": {name: {"median": medians[name], "all": times} for name, times in seconds.items()},
        "texts": len(vectors),
        "threshold": threshold,
        "pairs": {"sentence_transformers": len(expected), "bicross": len(found), "bicross alone": len(found - expected)},
        "least product of a pair of ours": float(products.min()) if len(products) else None,
        "compared": ours.compared,
        "pairs a cross-encoder would have needed": len(vectors) * (len(vectors) - 1) // 2,
        "threads": asked.threads,
        "processor": processor(),
    }
    durable.write_file(asked.out, (json.dumps(result, indent=1) + "\n").encode())
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
