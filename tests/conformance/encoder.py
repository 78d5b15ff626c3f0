"""The suite of the Encoder plug."""

from __future__ import annotations

from abc import abstractmethod

import numpy as np
import pytest

from bicross.protocols import Encoder
from bicross.vectors import Vectors

TEXTS = [
    "How do I reset the printer?",
    "Press the button at the back for ten seconds.",
    "如何重置打印机？",
    "按住背面的按钮十秒钟。",
    "",
    "   \n\t",
    "🙂🚀",
    "naïve café, Straße",
    "mixed 中英文 text 和 numbers 123",
    "a",
    "NUL \x00 in the middle",
    "word " * 600,
    "长文本" * 600,
]


class EncoderConformance:
    """Subclass it and define `make`. `make` is called once for a class."""

    tolerance = 1e-5  # of a cosine, below 1

    @abstractmethod
    def make(self) -> Encoder:
        """The encoder under test."""

    @pytest.fixture(scope="class")
    @classmethod
    def encoder(cls) -> Encoder:
        return cls().make()

    @pytest.fixture(scope="class")
    @classmethod
    def rows(cls, encoder: Encoder) -> Vectors:
        return encoder.encode_documents(TEXTS)  # (len(TEXTS), dim)

    def test_shape_and_type(self, encoder: Encoder, rows: Vectors) -> None:
        assert rows.shape == (len(TEXTS), encoder.space.dim)
        assert rows.dtype == np.float32
        assert encoder.encode_queries(TEXTS[:3]).shape == (3, encoder.space.dim)

    def test_rows_are_finite_and_not_zero(self, encoder: Encoder, rows: Vectors) -> None:
        lengths = np.linalg.norm(rows, axis=1)
        assert np.isfinite(rows).all() and (lengths > 0).all()
        if encoder.space.similarity == "cosine":
            assert lengths == pytest.approx(np.ones(len(TEXTS)), abs=1e-3)

    def test_no_texts_give_no_rows(self, encoder: Encoder) -> None:
        for rows in (encoder.encode_documents([]), encoder.encode_queries([])):
            assert rows.shape == (0, encoder.space.dim) and rows.dtype == np.float32

    def test_alone_as_in_a_batch(self, encoder: Encoder, rows: Vectors) -> None:
        alone = np.concatenate([encoder.encode_documents([text]) for text in TEXTS])
        assert _cosines(alone, rows).min() >= 1 - self.tolerance

    def test_rows_stand_in_the_order_asked(self, encoder: Encoder, rows: Vectors) -> None:
        order = np.random.default_rng(0).permutation(len(TEXTS))
        shuffled = encoder.encode_documents([TEXTS[place] for place in order])
        assert _cosines(shuffled, rows[order]).min() >= 1 - self.tolerance

    def test_queries_alone_as_in_a_batch(self, encoder: Encoder) -> None:
        together = encoder.encode_queries(TEXTS[::-1])[::-1]
        alone = np.concatenate([encoder.encode_queries([text]) for text in TEXTS])
        assert _cosines(alone, together).min() >= 1 - self.tolerance

    def test_a_text_twice_gives_the_same_row(self, encoder: Encoder) -> None:
        first, second = encoder.encode_documents([TEXTS[0], TEXTS[0]])
        assert _cosines(first[None], second[None]).min() >= 1 - self.tolerance

    def test_different_texts_differ(self, encoder: Encoder) -> None:
        left, right = encoder.encode_documents([TEXTS[1], TEXTS[3]])
        assert _cosines(left[None], right[None]).max() < 1 - 1e-3

    def test_a_document_answers_its_own_words_best(self, encoder: Encoder) -> None:
        documents = [TEXTS[1], TEXTS[3], "Cats sleep most of the day."]
        scores = encoder.encode_queries(documents) @ encoder.encode_documents(documents).T  # (3, 3)
        assert scores.argmax(axis=1).tolist() == [0, 1, 2]

    def test_a_megabyte_in_one_text(self, encoder: Encoder) -> None:
        huge, normal = encoder.encode_documents(["every word of it " * 65_000, TEXTS[0]])
        assert np.isfinite(huge).all() and np.linalg.norm(huge) > 0
        assert _cosines(normal[None], encoder.encode_documents([TEXTS[0]])).min() >= 1 - self.tolerance

    def test_the_same_model_has_the_same_fingerprint(self, encoder: Encoder) -> None:
        assert encoder.space.fingerprint
        assert self.make().space == encoder.space


def _cosines(left: Vectors, right: Vectors) -> Vectors:
    return np.sum(left * right, axis=1) / np.linalg.norm(left, axis=1) / np.linalg.norm(right, axis=1)
