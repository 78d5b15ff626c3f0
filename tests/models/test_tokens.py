"""Texts of any length and number are tokenized as they would be one by one, in windows and by their beginnings."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import pytest
from tokenizers import Tokenizer

from bicross.models import tokens
from bicross.models.tokens import Batch, Output, encode, run_sorted, to_arrays
from tests.models.tiny import LENGTH, tiny


@pytest.fixture
def tokenizer() -> Tokenizer:
    made = Tokenizer.from_str(tiny(0)["tokenizer.json"].decode())
    made.enable_truncation(LENGTH)
    return made


class Sums:
    """An engine that adds the ids up, and remembers what it was given."""

    streams, budget, dim = 2, 512, 1

    def __init__(self) -> None:
        self.given = list[Batch]()

    def run(self, batches: Iterable[Batch], output: int = 0) -> Iterator[Output]:
        for batch in batches:
            self.given.append(batch)
            yield (batch[0] * batch[1]).sum(axis=1, keepdims=True).astype(np.float32)


LONG = LENGTH * tokens.ROOM
SHORT = ["", "a b", "a " * LENGTH]
TEXTS = [*SHORT, "ab " * LONG, " " * 9 * LONG + "a b c", "a" * 2 * LONG, " " * (LONG - 1) + "abcdefghij " * LENGTH]


def test_of_a_long_text_the_beginning_is_what_the_whole_text_gives(tokenizer: Tokenizer) -> None:
    pairs = [pair for short in SHORT for text in TEXTS for pair in ((short, text), (text, short))]
    for inputs in (TEXTS, pairs):
        expected = tokenizer.encode_batch(inputs)
        found = encode(tokenizer, inputs, LENGTH)
        assert [encoding.ids for encoding in found] == [encoding.ids for encoding in expected]
        assert [encoding.type_ids for encoding in found] == [encoding.type_ids for encoding in expected]
        assert [bool(encoding.overflowing) for encoding in found] == [bool(encoding.overflowing) for encoding in expected]


def test_what_is_tokenized_of_a_long_text_does_not_grow_with_it(tokenizer: Tokenizer) -> None:
    text = "ab " * 1_000_000
    for given in (text, (text, text)):
        (found,) = encode(tokenizer, [given], LENGTH)
        assert len(found.ids) == LENGTH and 2 <= len(found.overflowing) < 1000


@pytest.mark.parametrize(("window", "characters"), [(4096, 1_000_000), (7, 1_000_000), (4096, 20), (1, 1)])
def test_windows_change_nothing(tokenizer: Tokenizer, monkeypatch: pytest.MonkeyPatch, window: int, characters: int) -> None:
    monkeypatch.setattr(tokens, "WINDOW", window)
    monkeypatch.setattr(tokens, "CHARACTERS", characters)
    texts = ["a b c " * (number % 30) for number in range(60)]
    engine, sums = Sums(), dict[int, tuple[float, int, bool]]()
    for batch in run_sorted(engine, tokenizer, texts, LENGTH, pad=0):
        sums |= {place: (row[0], *facts) for place, row, *facts in zip(batch.positions, batch.rows, batch.tokens, batch.cut, strict=True)}
    alone = [tokenizer.encode(text) for text in texts]
    assert sums == {place: (sum(one.ids), len(one.ids), bool(one.overflowing)) for place, one in enumerate(alone)}
    assert all(batch[0].size <= engine.budget for batch in engine.given)


def test_nothing_is_padded_beyond_the_length_of_the_model(tokenizer: Tokenizer) -> None:
    ids, mask, _ = to_arrays([tokenizer.encode("a " * 31)], 0, limit=34, pair_types=False)
    assert ids.shape == (1, 34) and mask.sum() == 33
    assert to_arrays([tokenizer.encode("a " * 31)], 0, limit=LENGTH, pair_types=False)[0].shape == (1, 36)
