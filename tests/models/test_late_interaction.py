"""MaxSim against a plain loop; a score depends neither on the order nor on what was asked before; the cache is bounded."""

from __future__ import annotations

import numpy as np
import pytest

from bicross.models import late_interaction
from bicross.models.bi_encoder import BiEncoder
from bicross.models.late_interaction import LateInteraction
from bicross.models.registry import find
from bicross.settings import STARTER_ENCODER
from bicross.vectors import Scores, Vectors

QUERIES = ["How do I reset the printer?", "如何重置打印机？", ""]
DOCUMENTS = [
    "To reset the printer, press the red button for ten seconds.",
    "要重置打印机，请按住红色按钮十秒钟。",
    "Cats sleep most of the day.",
    "",
    "The button. " * 40,
]
PAIRS = [(query, document) for query in QUERIES for document in DOCUMENTS]


@pytest.fixture(scope="module")
def encoder() -> BiEncoder:
    return BiEncoder(find(STARTER_ENCODER), "f32")


@pytest.fixture(scope="module")
def scores(encoder: BiEncoder) -> Scores:
    return LateInteraction(encoder).score(PAIRS)  # (len(PAIRS),)


def plain(query: Vectors, document: Vectors) -> float:
    """The mean over the query's tokens of the best cosine with a token of the document, token by token."""
    best = []
    for left in query:
        cosines = [float(left @ right) / float(np.linalg.norm(left)) / float(np.linalg.norm(right)) for right in document]
        best.append(max(cosines))
    return sum(best) / len(best)


def test_a_score_is_that_of_a_plain_loop(encoder: BiEncoder, scores: Scores) -> None:
    queries, documents = dict(encoder.query_tokens(QUERIES)), dict(encoder.document_tokens(DOCUMENTS))
    expected = [plain(queries[query], documents[document]) for query in range(len(QUERIES)) for document in range(len(DOCUMENTS))]
    assert scores == pytest.approx(np.array(expected), abs=1e-3)  # document tokens are kept as float16
    assert np.abs(scores).max() <= 1 + 1e-3


def test_tokens_are_of_length_one_and_padding_is_none(encoder: BiEncoder) -> None:
    counts = {document: len(encoder.tokenizer.encode("passage: " + DOCUMENTS[document]).ids) for document in range(len(DOCUMENTS))}
    tokens = dict(encoder.document_tokens(DOCUMENTS))
    assert {document: len(rows) for document, rows in tokens.items()} == counts
    assert all(np.linalg.norm(rows, axis=1) == pytest.approx(1, abs=1e-4) for rows in tokens.values())


def test_neither_order_nor_company_nor_cache_changes_a_score(encoder: BiEncoder, scores: Scores) -> None:
    scorer = LateInteraction(encoder)
    order = np.random.default_rng(0).permutation(len(PAIRS))
    fresh = scorer.score([PAIRS[place] for place in order])
    cached = scorer.score([PAIRS[place] for place in order])
    assert fresh == pytest.approx(scores[order], abs=1e-4)
    assert cached == pytest.approx(fresh, abs=1e-6)
    assert scorer.score(PAIRS[:1] * 3) == pytest.approx(np.repeat(scores[0], 3), abs=1e-4)


def test_a_cached_document_is_not_encoded_again(encoder: BiEncoder, monkeypatch: pytest.MonkeyPatch) -> None:
    scorer = LateInteraction(encoder)
    scorer.score(PAIRS)
    asked: list[str] = []
    encode = encoder.document_tokens
    monkeypatch.setattr(encoder, "document_tokens", lambda texts: (asked.extend(texts), encode(texts))[1])
    scorer.score([*PAIRS, (QUERIES[0], "A new one.")])
    assert asked == ["A new one."]


@pytest.mark.parametrize("kept", [0, 1, 2])
def test_the_cache_holds_what_fits_and_forgets_the_longest_unused(
    encoder: BiEncoder, scores: Scores, monkeypatch: pytest.MonkeyPatch, kept: int
) -> None:
    sizes = {document: rows.astype(np.float16).nbytes for document, rows in encoder.document_tokens(DOCUMENTS[:3])}
    order = [0, 2, 1, 0][: kept + 2]
    last = list(dict.fromkeys(reversed(order)))[:kept]
    bound = sum(sizes[document] for document in last)
    monkeypatch.setattr(late_interaction, "CACHE_BYTES", bound)
    scorer = LateInteraction(encoder)
    for document in order:
        assert scorer.score([PAIRS[document]]) == pytest.approx(scores[[document]], abs=1e-4)
        held = sum(rows.nbytes for rows in scorer._kept.values())
        assert held == scorer._bytes <= bound
    assert set(scorer._kept) <= {DOCUMENTS[document] for document in last}


def test_a_document_larger_than_the_cache(encoder: BiEncoder, scores: Scores, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(late_interaction, "CACHE_BYTES", 1000)
    scorer = LateInteraction(encoder)
    assert scorer.score(PAIRS) == pytest.approx(scores, abs=1e-4)
    assert not scorer._kept and scorer._bytes == 0
