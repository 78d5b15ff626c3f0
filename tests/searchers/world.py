"""A real collection in which every stage can be computed again: made by the models without weights."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path

from bicross import pipeline
from bicross.collection.store import Collection, View
from bicross.models.hashed import HashedEncoder
from bicross.models.registry import HASHED
from bicross.records import Document
from bicross.searchers.dense import DenseSearcher
from bicross.searchers.fused import FusedSearcher
from bicross.searchers.lexical import LexicalSearcher
from bicross.searchers.stopwatch import Stopwatch
from bicross.settings import IndexSettings

SETTINGS = IndexSettings(encoder=HASHED, reranker=HASHED, passage_tokens=16)


def write(path: Path, documents: Sequence[Document]) -> Path:
    """The documents as JSONL."""
    rows = [json.dumps({"_id": document.id, "title": document.title, "text": document.text}) for document in documents]
    path.write_text("\n".join(rows), "utf-8")
    return path


def indexed(folder: Path, documents: Sequence[Document]) -> Path:
    """A collection of these documents below `folder`, and of none if there are none."""
    given = documents or [Document("gone", "Nothing of this is left.")]
    pipeline.index([write(folder / "documents.jsonl", given)], folder / "collection", SETTINGS)
    if not documents:
        pipeline.delete(folder / "collection", ["gone"])
    return folder / "collection"


def viewed(documents: Sequence[Document], folder: Path | None = None) -> View:
    """A reader's view of a new collection."""
    return Collection.open(indexed(folder or Path(tempfile.mkdtemp(prefix="bicross-test-")), documents)).view()


def dense(view: View) -> DenseSearcher:
    return DenseSearcher(HashedEncoder(), view, Stopwatch())


def lexical(view: View) -> LexicalSearcher:
    return LexicalSearcher(view, Stopwatch())


def fused(view: View, weights: dict[str, float] | None = None) -> FusedSearcher:
    return FusedSearcher({"lexical": lexical(view), "dense": dense(view)}, weights or {"lexical": 1.0, "dense": 1.0})
