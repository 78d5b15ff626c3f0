"""The model process as the server sees it: a real one, with models that need no weights."""

from __future__ import annotations

from pathlib import Path

import pytest

import bicross
from bicross.models.hashed import HashedEncoder
from bicross.settings import SearchSettings
from tests.serving.conftest import DirectEngine

pytestmark = pytest.mark.anyio


async def test_a_search_is_what_an_opened_collection_finds(engine: DirectEngine, collection: Path) -> None:
    questions = ["How do I reset it?", "电池能用多久？"]
    found = await engine.search("manual", questions, SearchSettings(k=5))
    with bicross.open(collection) as opened:
        expected = opened.search(questions, SearchSettings(k=5)).as_json()["queries"]
    for answer, wanted in zip(found, expected, strict=True):
        assert answer.pop("degraded") is False
        assert set(answer.pop("seconds")) == set(wanted.pop("seconds"))
        assert answer == wanted


async def test_vectors_are_those_of_the_encoder_byte_for_byte(engine: DirectEngine) -> None:
    texts = ["A short text.", "一段短文", ""]
    found = await engine.embed("manual", texts, "document")
    assert found.vectors.tobytes() == HashedEncoder().encode_documents(texts).tobytes()
    assert found.tokens == (3, 4, 0) and found.cut == (False, False, False)
