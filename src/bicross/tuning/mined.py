"""What mining does to a collection's questions, without torch: candidates, kinds, and the files that come of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from functools import lru_cache
from typing import Any

from bicross.data.examples import mined_bytes
from bicross.data.near_duplicates import jaccard, shingles
from bicross.mining.audit import audit
from bicross.mining.candidates import find
from bicross.mining.denoise import mark_duplicates, random_negatives, sort, threshold
from bicross.mining.page import page
from bicross.opened import OpenCollection
from bicross.records import Mined, Qrels, Query
from bicross.searchers.stopwatch import Stopwatch
from bicross.settings import MineSettings, SearchSettings
from bicross.tuning.rows import first_candidates
from bicross.tuning.run import json_bytes

Progress = Callable[[str, int, int], None]
MINED, AUDIT, PAGE = "mined.jsonl", "audit.json", "audit.html"
_shingles = lru_cache(8192)(shingles)  # a question's candidates are compared with each of its answers


def likeness(left: str, right: str) -> float:
    """`near_duplicates.likeness`, for texts that come again and again."""
    return jaccard(_shingles(left), _shingles(right))


def gather(
    collection: OpenCollection,
    queries: Sequence[Query],
    qrels: Qrels,
    settings: MineSettings,
    count: int,
    source: Mapping[str, Any],
    progress: Progress,
) -> list[Mined]:
    """What lexical and dense search find, `count` of it a question, near-duplicates of answers marked, random documents beside them."""
    searchers = {name: collection.searcher(SearchSettings(stage=name), Stopwatch()) for name in ("lexical", "dense")}
    made = {**source, "documents": collection.view.revision, "seed": settings.seed}
    rows: list[Mined] = []
    with collection.snapshot():
        for row in find(queries, qrels, searchers, collection.corpus, collection.encoder(), settings, made):
            rows.append(row)
            progress("finding candidates", len(rows), len(queries))
    rows = first_candidates(rows, count)
    pool = sorted({one.doc_id: one.text for row in rows for one in row.candidates}.items())
    return mark_duplicates(random_negatives(rows, pool, settings, likeness), settings, likeness)


def denoised(scored: Sequence[Mined], settings: MineSettings) -> list[Mined]:
    """Every candidate with its kind, by the threshold that the known answers' scores give."""
    return sort(scored, settings, likeness, threshold(scored, settings.quantile))


def files(mined: Sequence[Mined], seed: int) -> dict[str, bytes]:
    """The mined rows, and their audit as JSON and as a page."""
    found = audit(mined, seed)
    return {MINED: mined_bytes(mined), AUDIT: json_bytes(asdict(found)), PAGE: page(found).encode()}
