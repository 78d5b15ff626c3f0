"""What the pages of how-to take for granted: a collection, questions with answers, a folder, training rows, a click log, known texts."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bicross import pipeline
from bicross.models.registry import HASHED
from bicross.settings import IndexSettings

SIZES = {"train": 100, "dev": 200, "test": 300}  # where each part of the questions ends


def filled(folder: Path) -> Path:
    """The folder, which has the repository's examples/, with all of it."""
    xquad = folder / "examples" / "data" / "xquad_en"
    shutil.copytree(xquad, folder / "nfcorpus")
    (folder / "folder").mkdir()
    (folder / "folder" / "reset.md").write_text("# Reset\n\nHold the power button for ten seconds.\n", "utf-8")
    (folder / "q.jsonl").write_bytes((xquad / "queries.jsonl").read_bytes())
    head, *answers = (xquad / "qrels" / "test.tsv").read_text("utf-8").splitlines()
    start = 0
    for name, end in SIZES.items():
        (folder / f"{name}.tsv").write_text("\n".join([head, *answers[start:end]]) + "\n", "utf-8")
        start = end
    pipeline.index([xquad], folder / "manual", IndexSettings(encoder=HASHED, reranker=HASHED))
    questions = [json.loads(line)["text"] for line in (xquad / "queries.jsonl").read_text("utf-8").splitlines()[:60]]
    texts = [json.loads(line)["text"] for line in (xquad / "corpus.jsonl").read_text("utf-8").splitlines()[:61]]
    rows = [
        {"query": query, "positive": text, "negatives": [other]}
        for query, text, other in zip(questions, texts[:-1], texts[1:], strict=True)
    ]
    lines(folder / "rows.jsonl", rows[:40])
    lines(folder / "test.jsonl", rows[40:])
    clicks = [f"{query.split()[0]},d{place},{place % 2},{place % 5 + 1}" for place, query in enumerate(questions)]
    (folder / "events.csv").write_text("\n".join(["query,doc_id,clicked,position", *clicks]) + "\n", "utf-8")
    known = [
        {"question": f"{word} {thing}?", "answer": f"About the {thing}."}
        for thing in ("card", "bill", "app")
        for word in ("What of the", "Where is my")
    ]
    lines(folder / "faq.jsonl", known)
    lines(folder / "asked.jsonl", [{"question": "the card?", "answer": "About the card."}])
    (folder / "tickets.csv").write_text("\n".join(["text,label", *(f"{row['question']},{row['answer']}" for row in known)]) + "\n", "utf-8")
    pairs = [
        "A cat sits.\tA cat is sitting.\t5",
        "A cat sits.\tA dog runs.\t2",
        "A cat sits.\tStocks fell.\t0",
        "It rains.\tRain falls.\t5",
    ]
    (folder / "sts.tsv").write_text("\n".join(["sentence1\tsentence2\tscore", *pairs]) + "\n", "utf-8")
    return folder


def lines(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")
