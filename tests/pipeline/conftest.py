"""A source, a collection of it, and an encoder that remembers."""

from __future__ import annotations

from pathlib import Path

import pytest

from bicross import pipeline
from bicross.models import registry
from tests.pipeline.world import COUNT, SETTINGS, CountingEncoder, row, write


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return write(tmp_path / "source.jsonl", [row(number) for number in range(COUNT)])


@pytest.fixture
def made(tmp_path: Path, source: Path) -> Path:
    pipeline.index([source], tmp_path / "made", SETTINGS)
    return tmp_path / "made"


@pytest.fixture
def counting(monkeypatch: pytest.MonkeyPatch) -> CountingEncoder:
    encoder = CountingEncoder()
    monkeypatch.setattr(registry, "load_encoder", lambda name: encoder)
    return encoder
