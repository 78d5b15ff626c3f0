"""What each part of the tuning loop brings: the same questions, one part more in each row.

    python benchmarks/ablation.py COLLECTION --mined RUN/1-mined/mined.jsonl --qrels train.tsv --name stard

The mined rows are those of a tuning run (scored by cross-encoders that did not train on the question). Models are trained on the
questions of one half and judged on the other, which they never saw: dense search over the pool of the judged questions'
candidates and answers, nDCG@10, with the paired difference to the row named in brackets and its 95 % interval. Rerankers order
the judged questions' recalled candidates, alone and in the fitted combination. Nothing here touches development questions.
Adds a table to benchmarks/results/ablation.json.
"""

from __future__ import annotations

import argparse
import json
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from bicross import durable
from bicross.cli.progress import bar
from bicross.data.examples import read_mined
from bicross.data.questions import read_qrels
from bicross.data.splits import folds
from bicross.evaluation.compare import compare
from bicross.evaluation.metrics import means, per_query
from bicross.mining.denoise import score
from bicross.mining.sampling import NEGATIVES, examples
from bicross.models import registry
from bicross.records import Candidate, Example, Hit, Mined, Run
from bicross.settings import STARTER_ENCODER, STARTER_RERANKER, BiEncoderSettings, CrossEncoderSettings
from bicross.training.bi_encoder import train_bi_encoder
from bicross.training.cross_encoder import train_cross_encoder
from bicross.tuning.rows import TEACHER, hits, teach
from bicross.tuning.weights import combination
from bicross.vectors import best_first, similarities

HERE = Path(__file__).parent
JUDGED = 300  # questions


def undenoised(mined: Sequence[Mined]) -> list[Mined]:
    """Suspects count as negatives again; near-duplicates of answers still do not."""
    return [replace(row, candidates=tuple(_hard(one) if one.kind == "suspect" else one for one in row.candidates)) for row in mined]


def _hard(one: Candidate) -> Candidate:
    return replace(one, kind="hard" if "rank" in one.scores else "random")


def dense(model: str, judged: Sequence[Mined]) -> Run:
    """Dense search of the judged questions over the pool of all their candidates and answers."""
    encoder = registry.load_encoder(model)
    texts = {one.doc_id: one.text for row in judged for one in (*row.positives, *row.candidates)}
    vectors = encoder.encode_documents(list(texts.values()))  # (pool, dim)
    scores = similarities(encoder.encode_queries([row.query.text for row in judged]), vectors, encoder.space)  # (judged, pool)
    found = {}
    for row, values in zip(judged, scores.tolist(), strict=True):
        found[row.query.id] = best_first(Hit(doc_id, value) for doc_id, value in zip(texts, values, strict=True))[:100]
    return Run(Path(model).name, found)


def reranked(model: str, judged: Sequence[Mined], qrels: Mapping[str, Mapping[str, int]]) -> tuple[Run, float]:
    """The recalled candidates in the cross-encoder's order; and nDCG@10 of the fitted combination, cross-fitted."""
    scored = score(judged, registry.load_reranker(model))
    recalled = {row.query.id: [hit for hit in hits(row) if hit.doc_id in _recalled(row)] for row in scored}
    alone = {query: best_first(Hit(hit.doc_id, hit.stages["rerank"].score) for hit in several)[:100] for query, several in recalled.items()}
    joined = combination(recalled, {query: qrels[query] for query in recalled})
    return Run(Path(model).name, alone), joined.quality["lexical + dense + rank + rerank"]


def _recalled(row: Mined) -> set[str]:
    return {one.doc_id for one in (*row.positives, *row.candidates) if "rank" in one.scores}


Epochs = Callable[[int], list[Example]]
"""Rows of the epoch of this number."""


def bi_encoder_variants(mined: Sequence[Mined], negatives: int) -> dict[str, tuple[Epochs, dict[str, Any]]]:
    """Name -> rows by epoch, and settings."""
    raw, (taught, _) = undenoised(mined), teach(mined)
    return {
        "in-batch only": (lambda e: [replace(row, negatives=(), ids=row.ids[:1], scores=()) for row in examples(mined, 1, e)], {}),
        "+ raw hard negatives": (lambda e: examples(raw, negatives, e), {"distil": "none"}),
        "+ denoised": (lambda e: examples(mined, negatives, e), {"distil": "none"}),
        "+ distilled": (lambda e: examples(taught, negatives, e, teacher=TEACHER), {}),
    }


def cross_encoder_variants(mined: Sequence[Mined], negatives: int) -> dict[str, Epochs]:
    """Name -> rows by epoch."""
    raw = undenoised(mined)
    return {
        "random negatives": lambda e: examples(mined, negatives, e, kinds=("random", "easy")),
        "mined negatives": lambda e: examples(raw, negatives, e, NEGATIVES, randoms=1),
        "mined and denoised": lambda e: examples(mined, negatives, e, NEGATIVES, randoms=1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mined", type=Path, required=True)
    parser.add_argument("--qrels", type=Path, required=True)
    parser.add_argument("--name", required=True)
    parser.add_argument("--only", nargs="*", help="rows to compute, by the beginning of their names")
    parser.add_argument("--kinds", nargs="*", default=["bi-encoder", "cross-encoder"])
    parser.add_argument("--set", nargs="*", default=[], help="settings of the trainers, as learning_rate=5e-5")
    parser.add_argument("--label", default="", help="added to the names of the rows")
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--negatives", type=int, default=4)
    options = parser.parse_args()
    mined = [row for row in read_mined(options.mined) if row.positives]
    qrels = read_qrels(options.qrels)
    fold_of = folds([row.query for row in mined], 2, 0)
    inside, judged = ([row for row in mined if fold_of[row.query.id] == fold] for fold in (1, 0))
    judged = judged[:JUDGED]
    answers = {row.query.id: qrels[row.query.id] for row in judged}
    updates = {
        name: float(value) if "." in value or "e" in value else int(value) for name, value in (pair.split("=") for pair in options.set)
    }
    path = HERE / "results" / "ablation.json"
    table: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    rows = table.setdefault(options.name, {})

    def keep(name: str, run: Run, against: Run | None, extra: dict[str, Any]) -> None:
        value = means(per_query(["nDCG@10", "R@100"], answers, run))
        paired = compare(against, run, answers, "nDCG@10") if against else None
        found = {**value, "questions": len(answers), **extra}
        if paired:
            found |= {"difference": paired.difference, "confidence": paired.confidence, "p_value": paired.p_value}
        rows[name + options.label] = found
        durable.write_file(path, json.dumps(table, indent=1, ensure_ascii=False).encode() + b"\n")
        print(name + options.label, json.dumps(found), flush=True)

    wanted = lambda name: not options.only or any(name.startswith(part) for part in options.only)  # noqa: E731
    with TemporaryDirectory() as folder, bar() as progress:
        if "bi-encoder" in options.kinds:
            base = dense(STARTER_ENCODER, judged)
            keep("bi-encoder: untuned", base, None, {})
            for name, (rows_of, settings) in bi_encoder_variants(inside, options.negatives).items():
                if not wanted(name):
                    continue
                into, start = Path(folder) / "model", time.perf_counter()
                chosen = BiEncoderSettings(**{**settings, **updates})
                epochs = [[row for row in rows_of(epoch) if row.negatives or name == "in-batch only"] for epoch in range(options.epochs)]
                train_bi_encoder(epochs, registry.find(STARTER_ENCODER).root, into, chosen, Path(folder) / "work", progress)
                keep(f"bi-encoder: {name}", dense(str(into), judged), base, {"seconds": time.perf_counter() - start})
                shutil.rmtree(into)
                shutil.rmtree(Path(folder) / "work", ignore_errors=True)
        if "cross-encoder" in options.kinds:
            base, joined = reranked(STARTER_RERANKER, judged, answers)
            keep("cross-encoder: untuned", base, None, {"combined": joined})
            for name, rows_of in cross_encoder_variants(inside, options.negatives + 1).items():
                if not wanted(name):
                    continue
                into, start = Path(folder) / "model", time.perf_counter()
                chosen = CrossEncoderSettings(**updates)
                epochs = [[row for row in rows_of(epoch) if row.negatives] for epoch in range(max(1, options.epochs - 1))]
                train_cross_encoder(epochs, registry.find(STARTER_RERANKER).root, into, chosen, Path(folder) / "work", progress)
                run, joined = reranked(str(into), judged, answers)
                keep(f"cross-encoder: {name}", run, base, {"combined": joined, "seconds": time.perf_counter() - start})
                shutil.rmtree(into)
                shutil.rmtree(Path(folder) / "work", ignore_errors=True)


if __name__ == "__main__":
    main()
