"""How far an exported model's numbers are from those of the model that it was made of, on real texts in both languages."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from sentence_transformers import CrossEncoder, SentenceTransformer

from bicross.data.questions import read_queries
from bicross.data.sources import read_documents
from bicross.models.network import best_precision
from bicross.models.registry import load_encoder, load_reranker
from bicross.records import Document
from bicross.starter import GENERAL
from bicross.training.fitting import reproducible
from bicross.training.loading import load
from bicross.vectors import unit

SETS, DOCUMENTS, QUESTIONS = ("xquad_en", "xquad_zh"), 16, 8  # of each set
Floats = NDArray[np.float32]
Drift = dict[str, Mapping[str, float]]
"""Precision -> what became of the vectors or scores."""


def drift(source: Path, exported: Path, is_reranker: bool) -> tuple[int, Drift]:
    """How many texts or pairs were read, and the drift in f32 and, where the processor has it, in bf16.

    Of a bi-encoder: "cosine_lowest" and "cosine_mean" of the vectors with those of sentence-transformers. Of a cross-encoder:
    "largest" and "mean" difference of a score (a logit) and "reordered", the share of two documents of a question that change places.

    Raises:
        InputError: sentence-transformers cannot load the source.
    """
    questions, texts = _sample()
    kinds = dict.fromkeys(["f32", best_precision()])
    if is_reranker:
        pairs = [(question, text) for question in questions for text in texts]
        with reproducible(0):
            expected = _scores(source, pairs)
        found = {kind: load_reranker(str(exported), kind).score(pairs) for kind in kinds}
        return len(pairs), {kind: _of_scores(scores, expected, len(questions)) for kind, scores in found.items()}
    with reproducible(0):
        vectors = unit(load(SentenceTransformer, source).encode_document(texts, show_progress_bar=False))  # (texts, dim)
    cosines = {kind: (unit(load_encoder(str(exported), kind).encode_documents(texts)) * vectors).sum(axis=1) for kind in kinds}
    return len(texts), {kind: {"cosine_lowest": float(row.min()), "cosine_mean": float(row.mean())} for kind, row in cosines.items()}


def _sample() -> tuple[list[str], list[str]]:
    """Questions and texts of the general sets that ship with the package."""
    questions = [query.text for name in SETS for query in read_queries(GENERAL / name)[0][:QUESTIONS]]
    rows = [(row for row in read_documents([GENERAL / name]) if isinstance(row, Document)) for name in SETS]
    return questions, [row.text for part in rows for row in islice(part, DOCUMENTS)]


def _scores(source: Path, pairs: list[tuple[str, str]]) -> Floats:
    model = load(CrossEncoder, source)
    return np.asarray(model.predict(pairs, activation_fn=torch.nn.Identity(), show_progress_bar=False), dtype=np.float32)


def _of_scores(scores: Floats, expected: Floats, questions: int) -> Mapping[str, float]:
    off = np.abs(scores - expected)
    now, then = (np.sign(row[:, :, None] - row[:, None, :]) for row in (scores.reshape(questions, -1), expected.reshape(questions, -1)))
    above = np.triu(np.ones(now.shape[1:], dtype=bool), 1)  # (texts, texts): each two once
    return {"largest": float(off.max()), "mean": float(off.mean()), "reordered": float((now != then)[:, above].mean())}
