"""What the pages of how-to take for granted: collections, questions with answers, a folder, training rows, clicks, known texts, keys."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bicross import pipeline
from bicross.models.registry import HASHED
from bicross.serving import keys
from bicross.settings import IndexSettings

ROOT = Path(__file__).parents[2]
PAGES = ["README.md", "README.zh.md", "docs/tutorial.md", "docs/tutorial.zh.md"]
"""Pages that take nothing for granted."""
SIZES = {"train": 100, "dev": 200, "test": 300}  # where each part of the questions ends
WORDS = ["What of", "Where is", "When do I get", "How do I pay for"]


def prepared(folder: Path) -> Path:
    """The folder, with the repository's deploy/, docs/ and examples/."""
    for name in ("deploy", "docs", "examples"):
        shutil.copytree(ROOT / name, folder / name)
    return folder


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
    shutil.copytree(folder / "manual", folder / "law")
    (folder / "key.txt").write_text(keys.create(folder / "keys.json", "write", "manual", "a reader's")[0], "utf-8")
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
    tickets = [
        f"{words} the {thing}?,{thing}"
        for thing in ("card", "bill", "app")
        for words in (*WORDS, *(f"Please tell me: {one}" for one in WORDS))
    ]
    (folder / "tickets.csv").write_text(
        "\n".join(["id,text,label", *(f"{place},{one}" for place, one in enumerate(tickets))]) + "\n", "utf-8"
    )
    (folder / "questions.txt").write_text("\n".join(row.partition(",")[0] for row in tickets) + "\n", "utf-8")
    lines(folder / "products.jsonl", [{"id": str(place), "text": f"A {row}"} for place, row in enumerate(["red cup", "red cup", "lamp"])])
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
