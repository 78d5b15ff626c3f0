"""How fast texts are embedded and candidates reranked, beside the code that one writes with sentence-transformers, in one interleaved run.

    python benchmarks/speed.py [--rounds 5] [--texts 5000] [--with-peers]          (extra `train`: sentence-transformers)

Both sides have the same weights, texts, length limit and two threads. Each round measures every way once, in another order each time; a
ratio is of one round, its median and spread of all. What is measured: `encode`, 5,000 short texts (sentences and questions of XQuAD in
both languages, and of the reference of Python's language, which comes with Python); `rerank`, 100 paragraphs of mixed length for one
question, a new question each round. Agreement is with sentence-transformers in fp32: of the ten nearest neighbours of each of 1,000 texts
the share that is the same, and Spearman's rank correlation of the scores. int8 is calibrated on other texts, and counts only within the
gate of `bicross quantize`. `--with-peers` adds what else can be had from PyPI with weights of its own; what cannot is named.

Writes benchmarks/results/speed.json.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import shutil
import statistics
import time
from collections.abc import Callable, Sequence
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from bicross import durable
from bicross.models import int8
from bicross.models.bi_encoder import BiEncoder
from bicross.models.cross_encoder import CrossEncoder
from bicross.models.folder import CALIBRATION, ModelFolder, read_folder
from bicross.models.network import best_precision, cores, has_int8
from bicross.models.tokens import load_tokenizer, to_arrays
from bicross.provenance import processor
from bicross.settings import STARTER_ENCODER, STARTER_RERANKER, QuantizeSettings
from bicross.starter import unpacked

HERE = Path(__file__).parent
DATA, RESULTS = HERE.parent / "examples" / "data", HERE / "results" / "speed.json"
THREADS, LIMIT, CANDIDATES, NEIGHBOURS, CALIBRATED = 2, 256, 100, 1000, 64
Way = Callable[[], Any]
PEERS = {"fastembed": "sentence-transformers/all-MiniLM-L6-v2", "flashrank": "ms-marco-MiniLM-L-12-v2"}
"""Package -> model."""


# --- texts ---------------------------------------------------------------------------------------------------------


def xquad(kind: str) -> list[str]:
    """The texts of its paragraphs ("corpus") or questions ("queries"), in both languages."""
    files = [DATA / name / f"{kind}.jsonl" for name in ("xquad_en", "xquad_zh")]
    return [json.loads(line)["text"] for file in files for line in file.read_text("utf-8").splitlines()]


def reference() -> list[str]:
    """Paragraphs of the reference of Python's language."""
    topics = import_module("pydoc_data.topics").topics
    parts = (" ".join(part.split()) for name in sorted(topics) for part in re.split(r"\n\s*\n", topics[name]))
    return [part for part in dict.fromkeys(parts) if re.search(r"[a-z]{3} [a-z]{2}", part)]


def short_texts(count: int) -> list[str]:
    """Sentences and questions, mixed, each once."""
    paragraphs = [*xquad("corpus"), *reference()]
    sentences = [part.strip() for text in paragraphs for part in re.split(r"(?<=[.。！？?!])\s+|(?<=[。！？])", text)]
    found = list(dict.fromkeys(text for text in [*xquad("queries"), *sentences] if 12 <= len(text) <= 300))
    random.Random(0).shuffle(found)
    return found[:count]


def candidates() -> list[str]:
    """Paragraphs of any length, mixed."""
    found = [text for text in [*xquad("corpus"), *reference()] if len(text) > 40]
    random.Random(0).shuffle(found)
    return found


# --- ways ----------------------------------------------------------------------------------------------------------


def limited(name: str, into: Path, calibration: bytes | None = None) -> ModelFolder:
    """A starter model that reads LIMIT tokens, as both sides shall."""
    shutil.copytree(unpacked(name), into)
    folder = read_folder(into)
    home = folder.path
    (home / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": LIMIT, "do_lower_case": False}), "utf-8")
    settings = json.loads((home / "tokenizer_config.json").read_text("utf-8"))
    (home / "tokenizer_config.json").write_text(json.dumps({**settings, "model_max_length": LIMIT}), "utf-8")
    if calibration:
        (home / CALIBRATION).write_bytes(calibration)
    return read_folder(into)


def calibration(folder: ModelFolder, inputs: Sequence[Any]) -> bytes:
    tokenizer = load_tokenizer(folder.path / "tokenizer.json")
    tokenizer.enable_truncation(LIMIT)
    encodings = tokenizer.encode_batch(list(inputs))
    return int8.calibrate(folder, (to_arrays([one], 0, len(one), folder.pair_types) for one in encodings))


def precisions() -> list[str]:
    return list(dict.fromkeys(["f32", best_precision(), *(["int8"] if has_int8() else [])]))


# --- measuring -----------------------------------------------------------------------------------------------------


def interleaved(ways: dict[str, Callable[[int], Any]], rounds: int) -> tuple[dict[str, list[float]], dict[str, list[Any]]]:
    """Seconds and results of each way in each round, after one that warms up; the order changes with each round."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    results: dict[str, list[Any]] = {name: [] for name in ways}
    for number in range(rounds + 1):
        order = list(ways)
        random.Random(number).shuffle(order)
        for name in order:
            start = time.perf_counter()
            found = ways[name](number)
            taken = time.perf_counter() - start
            if number:
                seconds[name].append(taken)
                results[name].append(found)
        if number:
            print(f"round {number}: " + ", ".join(f"{name} {of[-1]:.2f} s" for name, of in seconds.items()), flush=True)
    return seconds, results


def compared(seconds: dict[str, list[float]], work: int) -> dict[str, Any]:
    """Each way beside "naive", ratio first."""
    found = {}
    for name, of in seconds.items():
        ratios = [naive / ours for naive, ours in zip(seconds["naive"], of, strict=True)]
        found[name] = {
            "ratio": statistics.median(ratios),
            "spread": [min(ratios), max(ratios)],
            "seconds": statistics.median(of),
            "per_second": work / statistics.median(of),
            "all_seconds": of,
        }
    return found


def same_neighbours(reference: Any, rows: Any) -> float:
    """The share of the ten nearest that both have, over the first NEIGHBOURS rows among all."""
    nearest = []
    for vectors in (reference, rows):
        scores = vectors[:NEIGHBOURS] @ vectors.T  # (NEIGHBOURS, texts)
        np.fill_diagonal(scores, -np.inf)
        nearest.append(np.argpartition(-scores, 10, axis=1)[:, :10])
    return float(np.mean([len(set(left) & set(right)) / 10 for left, right in zip(*nearest, strict=True)]))


def spearman(left: Any, right: Any) -> float:
    from scipy.stats import spearmanr

    return float(spearmanr(left, right).statistic)


def encode(work: Path, count: int, rounds: int) -> dict[str, Any]:
    from sentence_transformers import SentenceTransformer

    texts = short_texts(count + CALIBRATED)
    texts, kept = texts[:count], texts[count:]
    folder = limited(STARTER_ENCODER, work / "encoder")
    naive = SentenceTransformer(str(folder.root), device="cpu")
    quantized = limited(STARTER_ENCODER, work / "encoder-int8", calibration(folder, [folder.document_prompt + text for text in kept]))
    models = {one: BiEncoder(quantized if one == "int8" else folder, one) for one in precisions()}
    ways: dict[str, Callable[[int], Any]] = {"naive": lambda _: naive.encode_document(texts, show_progress_bar=False)}
    ways |= {name: lambda _, model=model: model.encode_documents(texts) for name, model in models.items()}
    seconds, results = interleaved(ways, rounds)
    found = compared(seconds, len(texts))
    for name in found:
        found[name]["same_neighbours"] = same_neighbours(results["naive"][0], results[name][0])
    return {**found, "texts": len(texts), "tokens": sum(models["f32"].encode_counted("document", texts)[1])}


def rerank(work: Path, rounds: int) -> dict[str, Any]:
    from sentence_transformers import CrossEncoder as Naive

    questions, paragraphs = xquad("queries"), candidates()
    random.Random(1).shuffle(questions)
    folder = limited(STARTER_RERANKER, work / "reranker")
    naive = Naive(str(folder.root), device="cpu", max_length=LIMIT)
    kept = list(zip(questions[-CALIBRATED:], paragraphs[-CALIBRATED:], strict=True))
    quantized = limited(STARTER_RERANKER, work / "reranker-int8", calibration(folder, kept))
    models = {one: CrossEncoder(quantized if one == "int8" else folder, one) for one in precisions()}

    def pairs(number: int) -> list[tuple[str, str]]:
        return [(questions[number], text) for text in paragraphs[CANDIDATES * number :][:CANDIDATES]]

    ways: dict[str, Callable[[int], Any]] = {"naive": lambda number: naive.predict(pairs(number), show_progress_bar=False)}
    ways |= {name: lambda number, model=model: model.score(pairs(number)) for name, model in models.items()}
    seconds, results = interleaved(ways, rounds)
    found = compared(seconds, CANDIDATES)
    for name in found:
        agreed = [spearman(left, right) for left, right in zip(results["naive"], results[name], strict=True)]
        found[name] |= {"spearman": statistics.fmean(agreed), "least_spearman": min(agreed)}
    lengths = models["f32"].score_counted(pairs(1))[1]
    return {**found, "candidates": CANDIDATES, "tokens_of_a_pair": {"mean": statistics.fmean(lengths), "max": max(lengths)}}


def gated(found: dict[str, Any]) -> None:
    """Says of int8 whether `bicross quantize` would take it with its usual limits."""
    limits = QuantizeSettings()
    if "int8" in found.get("encode", {}):
        found["encode"]["int8"]["within_gate"] = found["encode"]["int8"]["same_neighbours"] >= limits.top10
    if "int8" in found.get("rerank", {}):
        found["rerank"]["int8"]["within_gate"] = found["rerank"]["int8"]["spearman"] >= limits.rank_correlation


def peers(count: int, rounds: int) -> dict[str, Any]:
    """What users would pick from PyPI, with weights of its own: texts, or pairs, a second, or why it could not be measured."""
    found: dict[str, Any] = {}
    texts, question, paragraphs = short_texts(count), xquad("queries")[0], candidates()[:CANDIDATES]
    for package, model in PEERS.items():
        try:
            module = import_module(package)
            if package == "fastembed":
                embedding = module.TextEmbedding(model, threads=THREADS)
                work, done = len(texts), lambda embedding=embedding: list(embedding.embed(texts))
            else:
                ranker = module.Ranker(model)
                request = module.RerankRequest(query=question, passages=[{"text": text} for text in paragraphs])
                work, done = len(paragraphs), lambda ranker=ranker, request=request: ranker.rerank(request)
        except Exception as error:  # noqa: BLE001 - a package that is not there, or weights that cannot be had: said, and left out
            found[package] = {"not_measured": f"{type(error).__name__}: {str(error)[:200]}", "model": model}
            continue
        seconds, _ = interleaved({package: lambda _, done=done: done()}, rounds)
        found[package] = {"per_second": work / statistics.median(seconds[package]), "model": model, "version": version(package)}
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--texts", type=int, default=5000)
    parser.add_argument("--only", choices=["encode", "rerank"])
    parser.add_argument("--with-peers", action="store_true")
    parser.add_argument("--no-results", action="store_true", help="only print")
    options = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):  # two threads for all: of torch, of OpenVINO and of the tokenizers
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:THREADS])
    import torch

    torch.set_num_threads(THREADS)
    found: dict[str, Any] = {"processor": f"{processor()}, {cores()} cores", "threads": THREADS, "rounds": options.rounds, "limit": LIMIT}
    found["versions"] = {name: version(name) for name in ("torch", "sentence-transformers", "openvino", "tokenizers")}
    with TemporaryDirectory() as work:
        if options.only != "rerank":
            found["encode"] = encode(Path(work), options.texts, options.rounds)
        if options.only != "encode":
            found["rerank"] = rerank(Path(work), options.rounds)
    gated(found)
    if options.with_peers:
        found["peers"] = peers(options.texts, options.rounds)
    print(json.dumps(found, indent=1))
    if not options.no_results:
        before = json.loads(RESULTS.read_text("utf-8")) if RESULTS.exists() else {}
        durable.write_file(RESULTS, json.dumps({**before, **found}, indent=1).encode() + b"\n")


if __name__ == "__main__":
    main()
