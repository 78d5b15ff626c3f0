"""The models without weights."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bicross.models.hashed import HashedEncoder, HashedScorer
from tests.conformance.encoder import EncoderConformance
from tests.conformance.scorer import ScorerConformance


class TestHashedEncoder(EncoderConformance):
    tolerance = 1e-6

    def make(self) -> HashedEncoder:
        return HashedEncoder()


class TestHashedScorer(ScorerConformance):
    tolerance = 0

    def make(self) -> HashedScorer:
        return HashedScorer()


EXPECTED = [float.fromhex(text) for text in ("-0x1.5f3aa6p-3", "-0x1.5f3aa6p-2", "-0x1.5f3aa6p-2", "-0x1.b7095p-1")]


def test_the_same_bits_on_every_machine() -> None:
    row = HashedEncoder(dim=4).encode_queries(["reset the printer 打印机"])[0]
    assert row.tolist() == EXPECTED


def test_settings_make_the_fingerprint() -> None:
    fingerprints = {HashedEncoder(dim, tokens).space.fingerprint for dim in (32, 64) for tokens in (128, 256)}
    assert len(fingerprints) == 4


def test_words_beyond_the_limit_are_not_read() -> None:
    encoder = HashedEncoder(max_tokens=3)
    same = encoder.encode_documents(["one two three", "one two three four"])
    assert (same[0] == same[1]).all()
    assert encoder.cut == ["one two three four"]


def test_a_text_without_words_has_one_place() -> None:
    rows = HashedEncoder(dim=8).encode_documents(["", " ", "🙂", "?!"])
    assert (rows == np.eye(8, dtype=np.float32)[0]).all()


@given(st.text())
def test_any_text_has_a_row_of_length_one(text: str) -> None:
    row = HashedEncoder().encode_documents([text])[0]
    assert np.linalg.norm(row) == pytest.approx(1, abs=1e-6)


@given(st.text(), st.text())
def test_any_pair_has_a_share_as_score(query: str, document: str) -> None:
    assert 0 <= HashedScorer().score([(query, document)])[0] <= 1


def test_the_share_of_the_query_by_hand() -> None:
    # reset (1), printer (1), reset printer (2): all, two single words, none
    pairs = [("reset printer", "Reset printer!"), ("reset printer", "printer: reset"), ("reset printer", "bread")]
    assert HashedScorer().score(pairs).tolist() == [1.0, 0.5, 0.0]


def test_tokens_are_words_and_single_characters() -> None:
    text = "Reset, 打印机X2"
    spans = HashedEncoder().tokenizer.encode(text).offsets
    assert [text[start:end] for start, end in spans] == ["Reset", ",", "打", "印", "机", "X2"]
