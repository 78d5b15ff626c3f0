"""One question end to end over many passages, beside the code that one writes with sentence-transformers, in one interleaved run.

    python benchmarks/search.py --sources DATA/stard:dev DATA/medquad:test DATA/banking77 … --work WORK [--lines 45000] [--depth 100]

The sources are BEIR folders, indexed into one collection under WORK, or taken from there; with `--lines`, so many texts of one line
beside them (`lines.py`, Debian's descriptions where there is apt). Questions are those that the named splits judge. Encode the question,
recall, rerank the `--depth` best candidates: by `SentenceTransformer.encode`, `util.semantic_search` over all vectors and
`CrossEncoder.predict`, and by Bicross at full depth, with adaptive depth, with the cascade, and in 8 bits within the gate of `quantize`,
all fitted to `--fitting` other questions. Same weights, same passages, two threads. Each question is asked alone, of all ways in turn; a
ratio is of one question, its median and quartiles of all. `kept` is the share of full depth's nDCG@10. `cold` is `bicross search` as it
is typed, in a process of its own. Writes benchmarks/results/search.json.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from depth import opened_ways  # beside this script
from lines import lines_of
from sentence_transformers import CrossEncoder, SentenceTransformer, util
from serving import processor

from bicross import asking, durable, pipeline
from bicross.cli.progress import bar
from bicross.collection.store import Collection
from bicross.evaluation.metrics import means, per_query
from bicross.opened import OpenCollection
from bicross.planner.world import MEASURE, World
from bicross.records import Qrels, Query, Ranking, Run, reading
from bicross.settings import STARTER_ENCODER, STARTER_FAST, STARTER_RERANKER

RESULTS = Path(__file__).parent / "results" / "search.json"
THREADS, COLD, TOGETHER, EACH = 2, 5, 10_000, 100  # EACH: questions of a split at most
Way = Callable[[str], Any]


def judged_in(source: Path, split: str) -> tuple[list[Query], Qrels]:
    """The questions that a split of a folder judges, and the judgements, with the ids of the collection."""
    asked, qrels, _ = asking.judged(source / "queries.jsonl", source / "qrels" / f"{split}.tsv")
    name = source.name
    known = {f"{name}-{query}": {f"{name}-{doc_id}": grade for doc_id, grade in grades.items()} for query, grades in qrels.items()}
    return [replace(query, id=f"{name}-{query.id}") for query in asked], known


def collection_in(sources: Sequence[Path], lines: int, work: Path) -> Path:
    """All sources in one, indexed or as it was left there. Ids get the name of their folder, because two may have the same."""
    path, merged = work / "all", work / "all.jsonl"
    work.mkdir(parents=True, exist_ok=True)
    if not Collection.exists(path):
        with merged.open("w", encoding="utf-8") as file:
            for source in sources:
                with (source / "corpus.jsonl").open(encoding="utf-8") as rows:
                    for row in map(json.loads, rows):
                        file.write(json.dumps({**row, "_id": f"{source.name}-{row['_id']}"}, ensure_ascii=False) + "\n")
            for number, text in enumerate(lines_of(None, lines)):
                file.write(json.dumps({"_id": f"line-{number}", "text": text}, ensure_ascii=False) + "\n")
        with bar() as progress:
            pipeline.index([merged], path, progress=progress)
    return path


def naive(collection: OpenCollection, depth: int) -> Way:
    """The code of a blog post, over the same vectors and passages."""
    encoder, reranker = (pipeline.models_show(name)["path"] for name in (STARTER_ENCODER, STARTER_RERANKER))
    bi_encoder, cross_encoder = SentenceTransformer(encoder, device="cpu"), CrossEncoder(reranker, device="cpu")
    texts: list[str] = []
    with collection.snapshot():
        keys, vectors = collection.view.vectors(collection.view.space)
        for start in range(0, len(keys), TOGETHER):
            passages = collection.view.passages(keys[start : start + TOGETHER].tolist()).values()
            titles = collection.corpus.titles({one.doc_id for one in passages})
            texts += [reading(titles[one.doc_id], one.text) for one in passages]
    corpus = torch.from_numpy(vectors.copy())

    def asked(question: str) -> None:
        vector = bi_encoder.encode(question, prompt_name="query", convert_to_tensor=True, show_progress_bar=False)
        hits = util.semantic_search(vector, corpus, top_k=depth)[0]
        cross_encoder.predict([(question, texts[int(hit["corpus_id"])]) for hit in hits], show_progress_bar=False)

    return asked


def cold(path: Path, questions: Sequence[Query]) -> list[float]:
    """Seconds of whole processes."""
    seconds = []
    for query in questions[:COLD]:
        start = time.perf_counter()
        command = [sys.executable, "-m", "bicross.cli.main", "search", str(path), "--json", "--", query.text]
        subprocess.run(command, check=True, capture_output=True)  # noqa: S603 - the line above
        seconds.append(time.perf_counter() - start)
    return seconds


def measured(path: Path, fitting: list[Query], held: list[Query], qrels: Qrels, depth: int) -> dict[str, Any]:
    """All ways, question by question."""
    with OpenCollection(path) as collection, bar() as progress, TemporaryDirectory() as temporary:
        world = World(collection, fitting, {query.id: qrels[query.id] for query in fitting}, depth, [STARTER_FAST], progress)
        opened, refused = opened_ways(world, depth, Path(temporary))
        ways: dict[str, Way] = {"naive": naive(collection, depth), **{name: one.search for name, one in opened.items()}}
        seconds: dict[str, list[float]] = {name: [] for name in ways}
        found: dict[str, dict[str, Ranking]] = {name: {} for name in opened}
        for way in ways.values():
            way(held[0].text)  # models load and compile
        names = list(ways)
        for place, query in enumerate(held):
            for name in names[place % len(names) :] + names[: place % len(names)]:
                start = time.perf_counter()
                answer = ways[name](query.text)
                seconds[name].append(time.perf_counter() - start)
                if name != "naive":
                    found[name][query.id] = answer.queries[0].hits
            progress("questions", place + 1, len(held))
    known = {query.id: qrels[query.id] for query in held}
    quality = {name: means(per_query([MEASURE], known, Run(name, rankings)))[MEASURE] for name, rankings in found.items()}
    table: dict[str, Any] = {"passages": pipeline.status(path).passages, "refused": refused}
    for name, of in seconds.items():
        ratios = [whole / part for whole, part in zip(seconds["naive"], of, strict=True)]
        quartiles = statistics.quantiles(ratios, n=4)[::2]
        table[name] = {"ratio": statistics.median(ratios), "quartiles": quartiles, "seconds": statistics.median(of)}
        if name in found:
            table[name] |= {MEASURE: quality[name], "kept": quality[name] / quality["full"]}
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sources", nargs="+", required=True)
    parser.add_argument("--lines", type=int, default=0)
    parser.add_argument("--work", type=Path, default=Path(".bench"))
    parser.add_argument("--questions", type=int, default=60)
    parser.add_argument("--fitting", type=int, default=60)
    parser.add_argument("--depth", type=int, default=100)
    asked = parser.parse_args()
    torch.set_num_threads(THREADS)
    named = [source.partition(":") for source in asked.sources]
    folders, splits = [Path(folder) for folder, _, _ in named], [split for _, _, split in named]
    path = collection_in(folders, asked.lines, asked.work)
    drawn, qrels = list[Query](), dict[str, Any]()
    for folder, split in zip(folders, splits, strict=True):
        if split:
            queries, known = judged_in(folder, split)
            drawn += random.Random(0).sample(queries, min(EACH, len(queries)))
            qrels |= known
    if len(drawn) < asked.questions + asked.fitting:
        parser.error(f"the splits judge {len(drawn)} questions; expected {asked.questions + asked.fitting}")
    drawn = random.Random(0).sample(drawn, asked.questions + asked.fitting)
    held, fitting = drawn[: asked.questions], drawn[asked.questions :]
    result = {**measured(path, fitting, held, qrels, asked.depth), "depth": asked.depth, "questions": len(held), "fitted to": len(fitting)}
    spent = cold(path, held)
    result["cold"] = {"seconds": statistics.median(spent), "all": spent}
    result |= {"threads": THREADS, "processor": processor(), "sources": [Path(source).name for source in asked.sources]}
    durable.write_file(RESULTS, (json.dumps(result, indent=1) + "\n").encode())
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
