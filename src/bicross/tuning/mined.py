"""What mining does to a collection's questions, without torch: candidates, kinds, and the files that come of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bicross.data.examples import mined_bytes
from bicross.data.near_duplicates import Shingles, shingles
from bicross.mining.audit import audit
from bicross.mining.candidates import find
from bicross.mining.denoise import mark_duplicates, random_negatives, sort, threshold
from bicross.mining.page import page
from bicross.mining.seeded import seeded
from bicross.opened import OpenCollection
from bicross.protocols import Progress
from bicross.records import Mined, Qrels, Query, reading
from bicross.searchers.stopwatch import Stopwatch
from bicross.settings import MineSettings, SearchSettings
from bicross.tuning.rows import first_candidates
from bicross.tuning.run import json_bytes

MINED, AUDIT, PAGE = "mined.jsonl", "audit.json", "audit.html"
POOL = 4000  # documents of which every question's random ones are
READ = 100  # of them read together
_shingles = lru_cache(8192)(shingles)  # many questions find the same texts


def likeness(text: str, others: tuple[str, ...]) -> float:
    """The highest `near_duplicates.likeness` of a text and any of the others, 0 without any; time hardly grows with their number."""
    if not others:
        return 0.0
    own, (every, owners, sizes) = _shingles(text), _index(others)
    starts, ends = (np.searchsorted(every, own, side) for side in ("left", "right"))  # each (own,)
    counts = ends - starts
    found = np.repeat(ends - counts.cumsum(), counts) + np.arange(counts.sum())  # (matches,), places in `every`
    common = np.bincount(owners[found], minlength=len(others))  # (others,)
    return float((common / (len(own) + sizes - common)).max())


@lru_cache(16)  # the questions about one document often stand together
def _index(texts: tuple[str, ...]) -> tuple[Shingles, NDArray[np.int64], NDArray[np.int64]]:
    """All shingles of the texts, ascending, (n,); the text that each is of, (n,); and how many each text has, (texts,)."""
    parts = [_shingles(text) for text in texts]
    sizes = np.array([len(part) for part in parts])  # (texts,)
    every = np.concatenate(parts)  # (n,)
    order = np.argsort(every, kind="stable")  # (n,)
    return every[order], np.repeat(np.arange(len(texts)), sizes)[order], sizes


def gather(
    collection: OpenCollection,
    queries: Sequence[Query],
    qrels: Qrels,
    settings: MineSettings,
    count: int,
    source: Mapping[str, Any],
    progress: Progress,
) -> list[Mined]:
    """What lexical and dense search find, `count` of it a question, near-duplicates of answers marked, random documents beside them.

    The random ones are drawn from the whole collection, whatever search finds.
    """
    searchers = {name: collection.searcher(SearchSettings(stage=name), Stopwatch()) for name in ("lexical", "dense")}
    made = {**source, "documents": collection.view.revision, "seed": settings.seed}
    rows: list[Mined] = []
    with collection.snapshot():
        pool = random_documents(collection, settings.seed)
        for found, answers in find(queries, qrels, searchers, collection.corpus, collection.encoder(), settings, made):
            (row,) = first_candidates([found], count)
            row = random_negatives(row, answers, pool, settings, likeness)
            rows.append(mark_duplicates(row, answers, settings, likeness))
            progress("finding candidates", len(rows), len(queries))
    return rows


def random_documents(collection: OpenCollection, seed: int) -> list[tuple[str, str]]:
    """`POOL` documents of the collection, or all if there are fewer: the id, and what a model reads of one passage, drawn by the seed."""
    view, pool = collection.view, []
    with view.snapshot():
        ids = view.draw(POOL, seed)
        for part in (ids[start : start + READ] for start in range(0, len(ids), READ)):
            titles = view.titles(part)
            for doc_id, passages in view.of_documents(part).items():
                pool.append((doc_id, reading(titles[doc_id], seeded(seed, "passage", doc_id).choice(passages).text)))
    return pool


def denoised(scored: Sequence[Mined], settings: MineSettings) -> list[Mined]:
    """Every candidate with its kind, by the threshold that the known answers' scores give."""
    return sort(scored, settings, threshold(scored, settings.quantile))


def files(mined: Sequence[Mined], seed: int) -> dict[str, bytes]:
    """The mined rows, and their audit as JSON and as a page."""
    found = audit(mined, seed)
    return {MINED: mined_bytes(mined), AUDIT: json_bytes(asdict(found)), PAGE: page(found).encode()}
