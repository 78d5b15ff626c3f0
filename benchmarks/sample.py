"""A smaller collection out of a large one, for benchmarks that train many models: questions at random, and the documents around them.

    python benchmarks/sample.py DATA/medquad SAMPLE --documents 4000 --train 400 --judged 150

Of the train split `--train` questions, of every other split `--judged`, and their judged documents with others drawn at random up to
`--documents`. SAMPLE is a BEIR folder with the same splits. The same seed draws the same.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from random import Random

from bicross import durable
from bicross.data.questions import qrels_bytes, read_qrels


def lines_of(path: Path) -> dict[str, str]:
    """Id -> the line of the JSONL file that has it."""
    with path.open(encoding="utf-8") as file:
        return {json.loads(line)["_id"]: line for line in file}


def sampled(source: Path, documents: int, train: int, judged: int, seed: int) -> dict[str, bytes]:
    """File name -> bytes of the smaller collection."""
    draw = Random(seed)
    corpus, queries = lines_of(source / "corpus.jsonl"), lines_of(source / "queries.jsonl")
    splits = {}
    for path in sorted((source / "qrels").glob("*.tsv")):
        known = read_qrels(path)
        count = min(train if path.stem == "train" else judged, len(known))
        splits[path.stem] = {query: known[query] for query in sorted(draw.sample(sorted(known), count))}
    asked = {query for split in splits.values() for query in split}
    kept = {doc_id for split in splits.values() for grades in split.values() for doc_id in grades}
    others = sorted(corpus.keys() - kept)
    kept |= set(draw.sample(others, max(0, min(documents - len(kept), len(others)))))
    files = {
        "corpus.jsonl": "".join(line for doc_id, line in corpus.items() if doc_id in kept).encode(),
        "queries.jsonl": "".join(line for query, line in queries.items() if query in asked).encode(),
    }
    return files | {f"qrels/{name}.tsv": qrels_bytes(split) for name, split in splits.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path, help="a BEIR folder")
    parser.add_argument("into", type=Path, help="the new folder")
    parser.add_argument("--documents", type=int, required=True)
    parser.add_argument("--train", type=int, required=True)
    parser.add_argument("--judged", type=int, required=True)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    (options.into / "qrels").mkdir(parents=True)
    for name, content in sampled(options.source, options.documents, options.train, options.judged, options.seed).items():
        durable.write_file(options.into / name, content)


if __name__ == "__main__":
    main()
