"""The starter bi-encoder as an Encoder, at the precision in which its numbers are exact."""

from __future__ import annotations

import pytest

from bicross.models.bi_encoder import BiEncoder
from bicross.models.registry import load_encoder
from bicross.settings import STARTER_ENCODER
from tests.conformance.encoder import EncoderConformance


class TestStarterEncoder(EncoderConformance):
    def make(self) -> BiEncoder:
        encoder = load_encoder(STARTER_ENCODER, "f32")
        assert isinstance(encoder, BiEncoder)
        return encoder

    def test_texts_longer_than_the_model_are_named(self, encoder: BiEncoder) -> None:
        encoder.cut.clear()
        vectors = encoder.encode_documents(["fits", "word " * 600, "word " * 700])
        assert sorted(encoder.cut) == ["word " * 600, "word " * 700]
        assert vectors[1] == pytest.approx(vectors[2], abs=1e-4), "only the first 512 tokens are read"

    def test_tokens_are_counted_and_what_is_cut_is_told_of_each_text(self, encoder: BiEncoder) -> None:
        texts = ["Two words", "两个词", "word " * 600, ""]
        encoder.cut.clear()
        for side, encode in (("query", encoder.encode_queries), ("document", encoder.encode_documents)):
            vectors, tokens, cut = encoder.encode_counted(side, texts)  # type: ignore[arg-type]  # the two sides there are
            assert encoder.cut == []
            assert vectors.tobytes() == encode(texts).tobytes()
            prompt = encoder.folder.query_prompt if side == "query" else encoder.folder.document_prompt
            assert tokens == [min(encoder.max_tokens, len(encoder.tokenizer.encode(prompt + text).ids)) for text in texts]
            assert cut == [False, False, True, False]
            encoder.cut.clear()
