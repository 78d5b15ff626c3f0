"""Real sentences clustered from raw text: `bicross cluster` as it is typed, in a process of its own, from its start to its end.

    python benchmarks/cluster.py DATA/banking77/corpus.jsonl [--texts 10000] [--rounds 3] [--label label] [--encoder FOLDER ...]

SOURCE is JSONL with a text a row; each encoder has its turn, the starter alone where none is named. Reading, loading the encoder,
encoding every text and finding the communities all count. Where the rows have labels, how well the clusters keep them apart is measured
too (V-measure, Rosenberg and Hirschberg, EMNLP 2007; over the texts that are in a cluster). How long a cross-encoder alone would take is
its rate on a sample of pairs times all pairs. Writes benchmarks/results/cluster.json.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from lines import processor  # beside this script

from bicross import durable, pipeline
from bicross.models.network import cores
from bicross.settings import STARTER_ENCODER, ClusterSettings

RESULTS = Path(__file__).parent / "results" / "cluster.json"
READ = 200  # members that the cross-encoder reads for its rate


def v_measure(labels: Sequence[str], clusters: Sequence[int]) -> float:
    """The harmonic mean of homogeneity and completeness, 0 to 1."""
    both, one, other = Counter(zip(labels, clusters, strict=True)), Counter(labels), Counter(clusters)
    count = len(labels)

    def entropy(sizes: Counter[Any]) -> float:
        return -sum(size / count * math.log(size / count) for size in sizes.values())

    shared = entropy(one) + entropy(other) - entropy(both)
    return 2 * shared / (entropy(one) + entropy(other)) if len(one) > 1 or len(other) > 1 else 1.0


def timed(source: Path, encoder: str, rounds: int) -> tuple[list[float], dict[str, Any]]:
    """Seconds of whole processes, and what the last one said."""
    command = [sys.executable, "-m", "bicross.cli.main", "cluster", str(source), "--encoder", encoder, "--json"]
    seconds, said = [], ""
    for _ in range(rounds):
        start = time.perf_counter()
        said = subprocess.run(command, capture_output=True, check=True, text=True).stdout  # noqa: S603 - the line above
        seconds.append(time.perf_counter() - start)
    return seconds, json.loads(said)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path)
    parser.add_argument("--texts", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--label", default="label")
    parser.add_argument("--encoder", action="append", metavar="FOLDER", help="Several allowed.")
    parser.add_argument("--out", type=Path, default=RESULTS)
    asked = parser.parse_args()
    with asked.source.open(encoding="utf-8") as file:
        rows = [json.loads(line) for line, _ in zip(file, range(asked.texts), strict=False)]
    texts = [{"_id": str(number), "text": row["text"]} for number, row in enumerate(rows)]
    result: dict[str, Any] = {"texts": len(texts), "cores": cores(), "processor": processor(), "encoders": {}}
    with TemporaryDirectory() as folder:
        source = Path(folder) / "texts.jsonl"
        source.write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in texts), "utf-8")
        for encoder in asked.encoder or [STARTER_ENCODER]:
            seconds, found = timed(source, encoder, asked.rounds)
            number = {member: place for place, one in enumerate(found["clusters"]) for member in one["members"]}
            labelled = [
                (str(row[asked.label]), number[str(place)]) for place, row in enumerate(rows) if asked.label in row and str(place) in number
            ]
            result["encoders"][encoder if encoder == STARTER_ENCODER else Path(encoder).name] = {
                "seconds": {"median": statistics.median(seconds), "all": seconds, "of the last": found["seconds"]},
                "clusters": len(found["clusters"]),
                "texts in a cluster": len(number),
                "labels": len({label for label, _ in labelled}),
                "v_measure": v_measure(*zip(*labelled, strict=True)) if labelled else None,
            }
        opinion = pipeline.cluster([source], ClusterSettings(second_opinion=READ)).second_opinion
    result["a cross-encoder alone"] = opinion and {"pairs": opinion.needed, "hours": opinion.seconds_needed / 3600}
    durable.write_file(asked.out, (json.dumps(result, indent=1) + "\n").encode())
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
