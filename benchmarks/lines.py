"""Real texts of one line for benchmarks, and their vectors: Debian's package descriptions, then sentences out of JSONL files.

    python benchmarks/lines.py --data DATA --work .bench --lines 100000

`apt-cache dumpavail` gives the descriptions, where there is one; DATA is a folder of BEIR folders or other JSONL. Each text stands
once. The vectors are the starter encoder's, kept in parts in WORK, so that an interrupted run goes on and other benchmarks need not
encode again.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import platform
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from bicross import durable
from bicross.cli.progress import bar
from bicross.data.sentences import sentences as spans_of
from bicross.models.registry import load_encoder
from bicross.vectors import Vectors

PART = 4_096  # texts encoded and kept at once
SHORTEST, LONGEST = 12, 300  # code points
FIELDS = ("text", "sentence1", "sentence2")


def descriptions() -> Iterator[str]:
    """Of Debian packages, one line each, as apt's lists have them; none where there is no apt."""
    apt = shutil.which("apt-cache")
    if apt is None:
        return
    found = subprocess.run([apt, "dumpavail"], capture_output=True, check=True).stdout.decode(errors="replace")  # noqa: S603 - found above
    for line in found.splitlines():
        name, _, text = line.partition(": ")
        if name in ("Description", "Description-en"):
            yield text


def sentences(data: Path) -> Iterator[str]:
    """Out of every JSONL file under `data`, in the order of their names."""
    for path in sorted(data.rglob("*.jsonl")):
        with path.open(encoding="utf-8") as file:
            for row in map(json.loads, file):
                for text in (row[field] for field in FIELDS if isinstance(row.get(field), str)):
                    for span in spans_of(text):
                        yield " ".join(text[span.start : span.end].split())


def lines_of(data: Path | None, count: int) -> list[str]:
    """At most `count` different texts."""
    found: dict[str, None] = {}
    for source in (descriptions(), sentences(data) if data else ()):
        for text in source:
            if SHORTEST <= len(text) <= LONGEST:
                found.setdefault(text)
            if len(found) == count:
                return list(found)
    return list(found)


def embedded(texts: Sequence[str], work: Path) -> Vectors:
    """The starter encoder's vectors, (len(texts), dim), read from `work` where an earlier run left them."""
    work.mkdir(parents=True, exist_ok=True)
    encoder, parts = None, []
    with bar() as progress:
        for start in range(0, len(texts), PART):
            part = texts[start : start + PART]
            name = hashlib.sha256("\n".join(part).encode()).hexdigest()[:16]
            path = work / f"{name}.f32"
            if not path.exists():
                encoder = encoder or load_encoder()
                durable.write_file(path, encoder.encode_documents(part).tobytes())
            parts.append(np.frombuffer(path.read_bytes(), np.float32).reshape(len(part), -1))
            progress("texts", start + len(part), len(texts))
    return np.concatenate(parts)


def processor() -> str:
    """Its name, as Linux tells it."""
    info = Path("/proc/cpuinfo")
    names = [line.partition(": ")[2] for line in info.read_text().splitlines() if line.startswith("model name")] if info.exists() else []
    return names[0] if names else platform.processor()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--work", type=Path, default=Path(".bench"))
    parser.add_argument("--lines", type=int, default=100_000)
    asked = parser.parse_args()
    texts = lines_of(asked.data, asked.lines)
    print(f"{len(texts)} texts, vectors {embedded(texts, asked.work).shape}")


if __name__ == "__main__":
    main()
