"""Make pairs of a short text and the passage that it names, from free documents of Debian main, to train the starter models on.

    python tools/starter_pairs.py --into PAIRS [--sources NAME ...] [--never FOLDER ...]

For each source: PAIRS/NAME/{corpus.jsonl, queries.jsonl, qrels/train.tsv, SOURCE.md}, in the BEIR layout, and a report on standard
output. Packages are fetched once, into PAIRS.cache. A pair whose text occurs in a folder of --never is dropped; give it every set that
measures. The same packages and the same folders give the same bytes.
"""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path

from starter_pairs.debian import Archive
from starter_pairs.folders import make, samples, write
from starter_pairs.guard import Guard
from starter_pairs.sources import SOURCES


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--into", type=Path, required=True, metavar="PAIRS")
    parser.add_argument("--sources", nargs="+", choices=[source.name for source in SOURCES], metavar="NAME")
    parser.add_argument("--never", nargs="+", type=Path, default=[], metavar="FOLDER")
    given = parser.parse_args()
    guard = Guard(given.never)
    archive = Archive(given.into.with_name(given.into.name + ".cache"))
    totals: Counter[str] = Counter()
    for source in SOURCES:
        if not given.sources or source.name in given.sources:
            made = make(source, archive, guard)
            facts = write(given.into / source.name, source, made, archive.version)
            print(facts + samples(made.pairs), flush=True)
            totals[source.language] += len(made.pairs)
    print("Pairs: " + ", ".join(f"{number:,} {language}" for language, number in sorted(totals.items())))


if __name__ == "__main__":
    main()
