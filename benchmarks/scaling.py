"""How time and memory grow with the number of passages: index, search, bytes on disk and in memory, with fitted exponents.

    python benchmarks/scaling.py [--most 1000000]

Passages are made: sentences of words drawn by Zipf's law, so that words are as rare and as common as in text. Vectors are those of the
encoder without weights (`bicross/hashed`, 64 dimensions), because encoding a million passages with a real model takes hours and grows
in proportion anyway: what is measured is everything else, from reading to the search in a new process. Each size is indexed by
`bicross index` in a process of its own, then QUESTIONS questions are searched, dense and lexical, in another. An exponent of 1 is linear.
Writes benchmarks/results/scaling.json.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from lines import processor  # beside this script

from bicross import durable, pipeline
from bicross.settings import SearchSettings

RESULTS = Path(__file__).parent / "results" / "scaling.json"
SIZES = (1_000, 10_000, 100_000, 1_000_000)
QUESTIONS, WORDS, LETTERS = 100, 50_000, "etaoinshrdlucmfwypvbgkjqxz"
HASHED = ("--encoder", "bicross/hashed", "--reranker", "bicross/hashed")


def word(number: int) -> str:
    """A different word for each number, the shorter the smaller it is."""
    letters = ""
    while True:
        number, place = divmod(number, len(LETTERS))
        letters += LETTERS[place]
        if not number:
            return f"{letters}o"


def sentences(count: int, seed: int) -> list[str]:
    """Of 8 to 24 words each."""
    random = np.random.default_rng(seed)
    lengths = random.integers(8, 25, count)
    drawn = np.minimum(random.zipf(1.2, int(lengths.sum())) - 1, WORDS - 1).tolist()
    words, made, start = [word(number) for number in range(WORDS)], [], 0
    for length in lengths.tolist():
        made.append(" ".join(words[number] for number in drawn[start : start + length]))
        start += length
    return made


def search(path: Path) -> None:
    """In a process of its own: opens the collection, asks the questions one by one, says what that took."""
    questions = sentences(QUESTIONS, 1)
    start = time.perf_counter()
    took: dict[str, Any] = {}
    with pipeline.open_collection(path) as collection:
        took["opened"] = time.perf_counter() - start
        for stage in ("dense", "lexical"):
            times = []
            for question in questions:
                begun = time.perf_counter()
                collection.search(question, SearchSettings(stage=stage, k=10))
                times.append(time.perf_counter() - begun)
            took[f"{stage}, first"], took[stage] = times[0], statistics.median(times[1:])
    lines = (line.split() for line in Path("/proc/self/status").read_text().splitlines())
    took["memory"] = {words[0].rstrip(":"): 1024 * int(words[1]) for words in lines if words[0] in ("RssAnon:", "RssFile:")}
    print(json.dumps(took))


def measured(size: int, work: Path) -> dict[str, float]:
    """Seconds and bytes of one size."""
    source, into = work / f"{size}.jsonl", work / f"{size}"
    with source.open("w", encoding="utf-8") as file:
        for number, text in enumerate(sentences(size, 0)):
            file.write(json.dumps({"_id": f"d{number}", "text": text}) + "\n")
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.perf_counter()
    command = [sys.executable, "-m", "bicross.cli.main", "index", str(source), "--into", str(into), *HASHED, "--json"]
    subprocess.run(command, check=True, capture_output=True)  # noqa: S603 - the line above
    seconds, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    said = subprocess.run([sys.executable, __file__, "--search", str(into)], check=True, capture_output=True, text=True).stdout  # noqa: S603 - this script
    took = json.loads(said)
    status = pipeline.status(into)
    return {
        "passages": status.passages,
        "index, seconds": seconds,
        "index, seconds of processor": after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
        "index, most memory of any": 1024.0 * after.ru_maxrss,
        "disk, bytes": status.bytes,
        "open, seconds": took["opened"],
        "dense, seconds": took["dense"],
        "dense, first, seconds": took["dense, first"],
        "lexical, seconds": took["lexical"],
        "lexical, first, seconds": took["lexical, first"],
        "search, memory of its own": took["memory"]["RssAnon"],
        "search, memory of mapped files": took["memory"]["RssFile"],
        "recall": status.recall["mean"] if status.recall else 1.0,
    }


def exponent(rows: Sequence[Mapping[str, float]], name: str) -> float:
    """The slope of a line through the logarithms: of all sizes."""
    return float(np.polyfit([math.log(row["passages"]) for row in rows], [math.log(max(row[name], 1e-9)) for row in rows], 1)[0])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--most", type=int, default=SIZES[-1])
    parser.add_argument("--work", type=Path, default=Path(".bench"), help="A folder with room for the collections, which are removed.")
    parser.add_argument("--out", type=Path, default=RESULTS)
    parser.add_argument("--search", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.search:
        return search(asked.search)
    asked.work.mkdir(parents=True, exist_ok=True)
    rows = []
    with TemporaryDirectory(dir=asked.work) as folder:
        for size in (size for size in SIZES if size <= asked.most):
            rows.append(measured(size, Path(folder)))
            print(json.dumps(rows[-1]), file=sys.stderr)
    names = [name for name in rows[0] if name not in ("passages", "recall")]
    result = {
        "exponents": {name: exponent(rows, name) for name in names} if len(rows) > 1 else {},
        "exponents of the last step": {name: exponent(rows[-2:], name) for name in names} if len(rows) > 1 else {},
        "sizes": rows,
        "vectors": "bicross/hashed, 64 dimensions",
        "cores": len(os.sched_getaffinity(0)),
        "processor": processor(),
    }
    durable.write_file(asked.out, (json.dumps(result, indent=1) + "\n").encode())
    print(json.dumps(result, indent=1))
    return None


if __name__ == "__main__":
    main()
