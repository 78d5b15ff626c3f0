"""Quality of every stage of search with the starter pair, on collections with known answers.

    python benchmarks/quality.py                             XQuAD, which the repository carries
    python benchmarks/quality.py --data DATA --sets cranfield:test xquad_zh:test stackfaq:test
    python benchmarks/quality.py --peer                      beside sentence-transformers on the same weights (extra `train`)

Lexical, dense and fused search answer all questions. Reranking answers a random sample, and is compared with fused search on the same
questions: a paired difference of nDCG@10 with its 95 % interval. The reranked rows are each scorer alone (as other tools do
it), and the fitted combination, which is the default. Prints a table and writes
benchmarks/results/quality.json.
"""

from __future__ import annotations

import argparse
import json
import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from bicross import durable, pipeline
from bicross.cli.progress import bar
from bicross.data.questions import read_qrels, read_queries
from bicross.data.sources import read_documents
from bicross.evaluation.compare import bootstrap_interval, compare
from bicross.evaluation.metrics import means, per_query
from bicross.records import Document, Hit, Qrels, Query, Run, reading
from bicross.searchers.stopwatch import Stopwatch
from bicross.settings import STARTER_ENCODER, SearchSettings
from bicross.vectors import best_first

HERE = Path(__file__).parent
MEASURES = ("nDCG@10", "RR@10", "R@100")
JOINED = {"late interaction alone": ("late",), "cross-encoder alone": ("rerank",), "reranked (default)": None}  # None: as it is


def measured(run: Run, queries: Sequence[Query], qrels: Qrels) -> dict[str, Any]:
    """Means, and the interval of nDCG@10."""
    values = per_query(MEASURES, {query.id: qrels[query.id] for query in queries}, run)
    return {**means(values), "interval": bootstrap_interval(list(values["nDCG@10"].values())), "questions": len(queries)}


def one_set(source: Path, split: str, collection: Path, questions: int, peer: bool) -> dict[str, Any]:
    """Every row of one collection."""
    with bar() as progress:
        done = pipeline.index([source], collection, progress=progress)
    opened = pipeline.open_collection(collection)
    qrels = read_qrels(source / "qrels" / f"{split}.tsv")
    queries = [query for query in read_queries(source)[0] if query.id in qrels]
    sample = random.Random(0).sample(queries, min(questions, len(queries)))
    rows: dict[str, Any] = {"documents": done.documents, "passages": done.passages}
    for stage in ("lexical", "dense", "fused"):
        rows[stage] = measured(Run(stage, opened.rank(queries, SearchSettings(k=100, stage=stage), Stopwatch())), queries, qrels)
    if peer:
        rows["sentence-transformers, 256 tokens"] = measured(peer_run(source, queries), queries, qrels)
    fused = Run("fused", opened.rank(sample, SearchSettings(k=100, stage="fused"), Stopwatch()))
    rows["fused, sample"] = measured(fused, sample, qrels)
    weights = opened.weights
    opened.close()
    for label, used in JOINED.items():
        opened = pipeline.open_collection(collection)  # afresh, so that no row profits from what another one cached
        opened.weights = replace(weights, combination=weights.combination if used is None else dict.fromkeys(used, 1.0))
        stopwatch = Stopwatch()
        run = Run(label, opened.rank(sample, SearchSettings(k=100), stopwatch))
        judged = {query.id: qrels[query.id] for query in sample}
        against = compare(fused, run, judged, "nDCG@10")
        paired = {"difference": against.difference, "confidence": against.confidence, "p_value": against.p_value}
        rows[label] = {**measured(run, sample, qrels), "against fused": paired, "seconds": stopwatch.seconds}
    return rows


def peer_run(source: Path, queries: Sequence[Query]) -> Run:
    """Dense search as sentence-transformers gives it with the same weights in fp32, whole documents cut at 256 tokens."""
    import torch
    from sentence_transformers import SentenceTransformer, util

    model = SentenceTransformer(pipeline.models_show(STARTER_ENCODER)["path"], model_kwargs={"dtype": torch.float32})
    model.max_seq_length = 256
    documents = [row for row in read_documents([source]) if isinstance(row, Document)]
    texts = [reading(document.title, document.text) for document in documents]
    corpus = model.encode(texts, prompt_name="document", convert_to_tensor=True)
    asked = model.encode([query.text for query in queries], prompt_name="query", convert_to_tensor=True)
    found = util.semantic_search(asked, corpus, top_k=100)
    ranked = [best_first(Hit(documents[int(hit["corpus_id"])].id, float(hit["score"])) for hit in hits) for hits in found]
    return Run("peer", dict(zip((query.id for query in queries), ranked, strict=True)))


def show(name: str, rows: dict[str, Any]) -> None:
    """One collection's table."""
    print(f"\n{name}: {rows['documents']} documents, {rows['passages']} passages")
    for label, row in rows.items():
        if isinstance(row, dict):
            low, high = row["interval"]
            line = f"  {label:<34}{row['questions']:>6}  " + "  ".join(f"{measure} {row[measure]:.4f}" for measure in MEASURES)
            line += f"  [{low:.3f}, {high:.3f}]"
            if "against fused" in row:
                below, above = row["against fused"]["confidence"]
                word = "better" if below > 0 else "worse" if above < 0 else "no difference shown"
                line += f"  against fused {row['against fused']['difference']:+.4f} [{below:+.4f}, {above:+.4f}] {word}"
            print(line)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=HERE.parent / "examples" / "data")
    parser.add_argument("--sets", nargs="+", default=["xquad_en:test", "xquad_zh:test"], help="folder:split")
    parser.add_argument("--questions", type=int, default=100, help="of each set that are reranked")
    parser.add_argument("--peer", action="store_true")
    parser.add_argument("--work", type=Path, help="keep the collections here")
    options = parser.parse_args()
    results = {}
    with TemporaryDirectory() as temporary:
        work = options.work or Path(temporary)
        work.mkdir(exist_ok=True)
        for name in options.sets:
            folder, _, split = name.partition(":")
            results[name] = one_set(options.data / folder, split, work / folder, options.questions, options.peer)
            show(name, results[name])
    durable.write_file(HERE / "results" / "quality.json", json.dumps(results, indent=1).encode() + b"\n")


if __name__ == "__main__":
    main()
