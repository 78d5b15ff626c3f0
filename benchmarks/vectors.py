"""Nearest vectors, one thread: the index that Bicross builds beside FAISS's flat scan of the same rows in fp32.

    python benchmarks/vectors.py --data DATA --work .bench [--lines 100000] [--rows 1000000]

Rows are the starter encoder's vectors of real texts of one line (`lines.py`), and, where there are more rows than texts, vectors between
a real one and one of its 16 nearest real ones, at a random place of the first half of the way, with the difference of two other
neighbours added at a random strength of up to a half: so they lie where real ones lie, and vary as real ones vary there. Questions are
real texts that are not among the rows. Each question is asked of both, one after the other, so that both meet the same machine. The index
is measured as it is used: from its file, mapped, in a process of its own. Writes benchmarks/results/vectors.json.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"  # before numpy is loaded

import faiss
import numpy as np
from lines import embedded, lines_of, processor  # beside this script

from bicross import durable
from bicross.indexes.choose import build_index, open_index
from bicross.indexes.exact import ExactIndex
from bicross.indexes.recall import AT, READ_LATER, Probes
from bicross.records import Space
from bicross.vectors import Vectors, unit

RESULTS = Path(__file__).parent / "results" / "vectors.json"
ASKED, CHOOSING, NEAR, CHUNK, BATCH = 200, 200, 16, 8_192, 100
BASES = 30_000  # real vectors that others are made of


def more(real: Vectors, count: int, seed: int = 0) -> Vectors:
    """`count` rows that are not of texts, (count, dim)."""
    random, real, flat = np.random.default_rng(seed), real[:BASES], ExactIndex(Space("real", real.shape[1]))
    flat.add(np.arange(len(real)), real)
    made = np.empty((count, real.shape[1]), dtype=np.float32)
    neighbours = np.concatenate([flat.search(real[start : start + 256], NEAR + 1)[0] for start in range(0, len(real), 256)])  # (n, 17)
    for start in range(0, count, CHUNK):
        rows = made[start : start + CHUNK]
        base = random.integers(0, len(real), len(rows))
        other, left, right = (neighbours[base, random.integers(1, NEAR + 1, len(rows))] for _ in range(3))
        way, strength = random.uniform(0, 0.5, (2, len(rows), 1)).astype(np.float32)
        rows[:] = unit(real[base] + way * (real[other] - real[base]) + strength * (real[left] - real[right]))
    return made


def resident() -> dict[str, int]:
    """Bytes of this process: its own, and mapped from files."""
    lines = (line.split() for line in Path("/proc/self/status").read_text().splitlines())
    return {words[0].rstrip(":"): 1024 * int(words[1]) for words in lines if words[0] in ("RssAnon:", "RssFile:", "VmHWM:")}


def serve(folder: Path) -> None:
    """The other process: opens the index, then answers each question that comes as the line of a number."""
    start = time.perf_counter()
    manifest, files = durable.read_folder(folder, READ_LATER)
    index = open_index(Space(**manifest["space"]), manifest["dense_kind"], files)
    opened = time.perf_counter() - start
    queries = np.load(folder.with_suffix(".queries.npy"))
    print(json.dumps({"opened": opened, **resident()}), flush=True)
    for line in sys.stdin:
        first, last = map(int, line.split())
        begun = time.perf_counter()
        keys, _ = index.search(queries[first:last], AT)
        print(json.dumps({"seconds": time.perf_counter() - begun, "keys": keys.tolist(), **resident()}), flush=True)


def measure(rows: Vectors, questions: Vectors, work: Path) -> dict[str, Any]:
    """Both side by side."""
    space = Space("benchmark", rows.shape[1])
    start = time.perf_counter()
    index = build_index(space, np.arange(len(rows)), rows, Probes(questions[ASKED:], "questions"))
    built, files = time.perf_counter() - start, index.save()
    folder = work / "vectors-index"
    durable.remove_folder(folder)
    facts = {"space": {"fingerprint": space.fingerprint, "dim": space.dim, "similarity": space.similarity}, "dense_kind": index.kind}
    durable.write_folder(folder, files, facts)
    asked, recall = questions[:ASKED], index.recall
    np.save(folder.with_suffix(".queries.npy"), asked)
    searched = json.loads(bytes(files["facts.json"])) if "facts.json" in files else {}
    del index, files
    flat = faiss.IndexFlatIP(space.dim)
    flat.add(rows)
    other = subprocess.Popen([sys.executable, __file__, "--serve", str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)  # noqa: S603 - this script
    assert other.stdin is not None
    assert other.stdout is not None
    said = json.loads(other.stdout.readline())
    theirs, ours, found = [], [], []
    for number, question in enumerate(asked):
        begun = time.perf_counter()
        _, true = flat.search(question[None], AT)
        theirs.append(time.perf_counter() - begun)
        print(number, number + 1, file=other.stdin, flush=True)
        answer = json.loads(other.stdout.readline())
        ours.append(answer["seconds"])
        found.append(len(set(true[0].tolist()) & set(answer["keys"][0])) / AT)
    print(0, BATCH, file=other.stdin, flush=True)
    batch = json.loads(other.stdout.readline())
    other.stdin.close()
    other.wait()
    held = batch["RssAnon"] + batch["RssFile"]
    return {
        "ratio": statistics.median(theirs) / statistics.median(ours),
        "recall@100": statistics.mean(found),
        "lowest recall@100": min(found),
        "milliseconds": {"flat": spread(theirs), "bicross": spread(ours), "bicross, a query of a batch": 1e3 * batch["seconds"] / BATCH},
        "opened in seconds": said["opened"],
        "resident": {
            "share of the rows in fp32": held / rows.nbytes,
            "bytes": held,
            "of its own": batch["RssAnon"],
            "of mapped files": batch["RssFile"],
            "at most ever": batch["VmHWM"],
        },
        "built in seconds": built,
        "measured when built": recall.as_json() if recall else None,
        "searched": {name: searched[name] for name in ("width", "least", "lists", "probes") if name in searched},
    }


def spread(seconds: Sequence[float]) -> dict[str, float]:
    low, middle, high = np.percentile(1e3 * np.array(seconds), [5, 50, 95])
    return {"p50": float(middle), "p5": float(low), "p95": float(high)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--work", type=Path, default=Path(".bench"))
    parser.add_argument("--lines", type=int, default=100_000)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--out", type=Path, default=RESULTS)
    parser.add_argument("--serve", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    faiss.omp_set_num_threads(1)
    if asked.serve:
        return serve(asked.serve)
    texts = lines_of(asked.data, asked.lines)
    vectors = np.random.default_rng(0).permutation(embedded(texts, asked.work))
    questions, real = vectors[: ASKED + CHOOSING], vectors[ASKED + CHOOSING :][: asked.rows]
    rows = np.concatenate([real, more(real, asked.rows - len(real))])
    facts = {"rows": len(rows), "of texts": len(real), "dimensions": rows.shape[1], "processor": processor(), "threads": 1}
    result = {**measure(rows, questions, asked.work), **facts}
    durable.write_file(asked.out, (json.dumps(result, indent=1) + "\n").encode())
    print(json.dumps(result, indent=1))
    return None


if __name__ == "__main__":
    main()
