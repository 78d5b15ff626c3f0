"""Dense search over the pool of what was found for all questions, which decides how a tuned encoder is mixed."""

from __future__ import annotations

import numpy as np
import pytest

from bicross.models.registry import HASHED, load_encoder
from bicross.records import Candidate, Mined, Query
from bicross.tuning import merging
from bicross.tuning.merging import pool_search
from bicross.vectors import similarities

ENCODER = load_encoder(HASHED)


def mined(query: str, positive: tuple[str, str], *candidates: tuple[str, str]) -> Mined:
    found = tuple(Candidate(doc_id, text, "hard") for doc_id, text in candidates)
    return Mined(Query(query, query), (Candidate(*positive, "positive"),), found, {})


def test_a_document_is_known_by_its_best_passage() -> None:
    """Both questions know document "a", by different passages; whichever row comes last, each finds its own."""
    rows = [
        mined("oven cleaning", ("a", "how oven cleaning is done"), ("b", "the weather of tomorrow")),
        mined("boiler pressure", ("a", "what boiler pressure means"), ("c", "pressure of the tyres")),
    ]
    for several in (rows, rows[::-1]):
        found = pool_search(ENCODER, several).rankings
        assert [found[query][0].doc_id for query in ("oven cleaning", "boiler pressure")] == ["a", "a"]
        assert {hit.doc_id for hit in found["oven cleaning"]} == {"a", "b", "c"}


def test_the_pool_is_ordered_as_by_hand() -> None:
    rng = np.random.default_rng(0)
    words = [f"word{number}" for number in range(60)]
    texts = [" ".join(rng.choice(words, 6)) for _ in range(300)]
    rows = [
        mined(" ".join(texts[3 * n].split()[:2]), (f"d{n}", texts[3 * n]), (f"d{n + 1}", texts[3 * n + 1]), (f"d{n}", texts[3 * n + 2]))
        for n in range(100)
    ]
    found = pool_search(ENCODER, rows).rankings
    passages = [(one.doc_id, one.text) for row in rows for one in (*row.positives, *row.candidates)]
    vectors = ENCODER.encode_documents([text for _, text in passages])  # (300, dim)
    for row in rows[::9]:
        scores = similarities(ENCODER.encode_queries([row.query.text]), vectors, ENCODER.space)[0]  # (300,)
        best: dict[str, float] = {}
        for (doc_id, _), score in zip(passages, scores.tolist(), strict=True):
            best[doc_id] = max(score, best.get(doc_id, -1.0))
        ranking = found[row.query.id]
        assert [hit.score for hit in ranking] == pytest.approx(sorted(best.values(), reverse=True)[: merging.FOUND], abs=1e-6)
        assert [hit.score for hit in ranking] == pytest.approx([best[hit.doc_id] for hit in ranking], abs=1e-6)
