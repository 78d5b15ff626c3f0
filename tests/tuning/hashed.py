"""A collection without weights, whose questions say the words of their documents; it is mined in milliseconds."""

from __future__ import annotations

import re
from pathlib import Path

from bicross import durable, pipeline
from bicross.models.registry import HASHED
from bicross.settings import IndexSettings, MineSettings
from tests.models.tiny import tiny
from tests.tuning.world import make_files

SETTINGS = MineSettings(depth=6, hard_depth=3, random=2)
World = tuple[Path, Path, Path]
"""Collection, queries and qrels; beside the collection lies `other`, a cross-encoder with weights."""


class Killed(BaseException):
    """As a signal: nothing between catches it."""


def make_world(folder: Path, seed: int = 0) -> World:
    """66 documents and 20 questions."""
    data, qrels = make_files(folder / "data", questions=20, seed=seed)
    queries = data / "queries.jsonl"
    queries.write_text(re.sub(r"\bq(\d+)\b", r"d\1", queries.read_text("utf-8")), "utf-8")
    pipeline.index([data / "corpus.jsonl"], folder / "c", IndexSettings(encoder=HASHED, reranker=HASHED, passage_tokens=16))
    durable.write_folder(folder / "other", tiny(1, reranker=True), {})
    return folder / "c", queries, qrels
