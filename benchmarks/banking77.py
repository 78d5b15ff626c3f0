"""Intents from the nearest labelled utterances: `classify` and `faq`, beside the commonest label and BM25's nearest utterance.

    python benchmarks/banking77.py --data DATA/banking77

DATA/banking77 is a folder with corpus.jsonl (`text`, `label`), queries.jsonl and qrels (relevant: the same label). All are asked, or
as many as --texts says, drawn at random (seed 0). `faq` gets the utterances as questions and the labels' words as answers, which the
cross-encoder reads. Prints, and writes to benchmarks/results/banking77.json: the accuracy of each if all are answered, with its 95 %
interval (bootstrap over texts, no narrower than Wilson's), of `classify` and `faq` the precision of what they answer at a wished precision
of 0.9 and the share that they leave unanswered, and the accuracy paired with BM25's.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from bicross import durable, pipeline
from bicross.answering.results import Chosen
from bicross.answering.rows import LABELS, Known, read_known
from bicross.answering.verbs import CLASSIFY, FAQ
from bicross.cli.progress import bar
from bicross.data.questions import read_qrels, read_queries
from bicross.evaluation.calibration import Pair
from bicross.evaluation.compare import bootstrap_interval, randomisation_test
from bicross.evaluation.reliability import brought
from bicross.indexes.bm25 import BM25Index
from bicross.indexes.words import Words

HERE = Path(__file__).parent


def asked_of(data: Path, known: list[Known], count: int | None) -> list[tuple[str, str]]:
    """Texts with their labels, which the qrels tell."""
    label_of, qrels = {one.id: one.label for one in known}, read_qrels(data)
    found = [(query.text, next(label_of[doc] for doc, grade in qrels[query.id].items() if grade)) for query in read_queries(data)[0]]
    return found if count is None or count >= len(found) else Random(0).sample(found, count)


def accuracy(right: list[bool]) -> dict[str, Any]:
    """With its interval."""
    share, _, _ = brought([Pair(str(row), 0, {}, one, True) for row, one in enumerate(right)], np.ones(len(right)), 0.0)
    assert share is not None
    return asdict(share)


def baselines(known: list[Known], asked: list[tuple[str, str]]) -> dict[str, list[bool]]:
    """Whether the commonest label is right, and that of BM25's best utterance; where no word is shared, the commonest."""
    commonest = Counter(one.label for one in known).most_common(1)[0][0]
    index = BM25Index.build(np.arange(len(known), dtype=np.int64), [one.text for one in known], Words())
    keys = index.search([text for text, _ in asked], 1)[0][:, 0].tolist()
    bm25 = [(commonest if key < 0 else known[key].label) == label for key, (_, label) in zip(keys, asked, strict=True)]
    return {"majority": [label == commonest for _, label in asked], "bm25": bm25}


def told(found: Chosen, bm25: list[bool]) -> dict[str, Any]:
    """What a verb measured, beside BM25 text by text."""
    assert found.measured is not None
    right = [one.label == one.expected for one in found.choices]
    gains = [float(now) - float(then) for now, then in zip(right, bm25, strict=True)]
    answered = asdict(found.measured.answered)
    return {
        "accuracy": asdict(found.measured.accuracy),
        "precision": found.measured.precision and asdict(found.measured.precision),
        "abstained": {"value": 1 - answered["value"], "confidence": [1 - end for end in reversed(answered["confidence"])]},
        "cut": found.fit.cut,
        "better than bm25 by": {"value": float(np.mean(gains)), "confidence": bootstrap_interval(gains), "p": randomisation_test(gains)},
        "seconds": found.seconds,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--texts", type=int, help="So many queries; all by default.")
    parser.add_argument("--encoder", default=CLASSIFY.encoder)
    parser.add_argument("--reranker", default=CLASSIFY.reranker)
    given = parser.parse_args()
    known, _ = read_known(given.data, None, None, LABELS)
    asked = asked_of(given.data, known, given.texts)
    models = {"encoder": given.encoder, "reranker": given.reranker}
    simple = baselines(known, asked)
    results: dict[str, Any] = {"known": len(known), "texts": len(asked), **models}
    results |= {name: {"accuracy": accuracy(right)} for name, right in simple.items()}
    with TemporaryDirectory() as folder, bar() as progress:
        for verb, settings, columns in (("classify", CLASSIFY, ("text", "label")), ("faq", FAQ, ("question", "answer"))):
            files = []
            for name, rows in (("known", [(one.text, one.label) for one in known]), ("asked", asked)):
                words = [(text, label.replace("_", " ") if verb == "faq" else label) for text, label in rows]
                files.append(Path(folder) / f"{verb}-{name}.jsonl")
                lines = [json.dumps(dict(zip(columns, row, strict=True)), ensure_ascii=False) + "\n" for row in words]
                files[-1].write_text("".join(lines), "utf-8")
            chosen = getattr(pipeline, verb)(files[0], [], files[1], settings.model_copy(update=models), None, progress)
            results[verb] = told(chosen, simple["bm25"])
    print(json.dumps(results, indent=1))
    durable.write_file(HERE / "results" / "banking77.json", json.dumps(results, indent=1).encode() + b"\n")


if __name__ == "__main__":
    main()
