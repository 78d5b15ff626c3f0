"""split and weigh: the steps that train nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from bicross import pipeline
from bicross.data.questions import read_qrels
from bicross.errors import StoreError
from bicross.searchers.weights import Weights
from tests.tuning.hashed import make_world

DATA = Path(__file__).parents[2] / "examples" / "data" / "xquad_en"


def test_the_parts_share_no_question_and_read_back(tmp_path: Path) -> None:
    found = pipeline.split(DATA, DATA, tmp_path / "parts", 0.25, 3)
    train, dev = read_qrels(Path(found.train)), read_qrels(Path(found.dev))
    assert train.keys().isdisjoint(dev)
    assert train | dev == read_qrels(DATA)
    assert (len(train), len(dev)) == (found.questions["train"], found.questions["dev"])
    assert len(dev) == pytest.approx(0.25 * len(train | dev), abs=1)
    with pytest.raises(StoreError, match="not empty"):
        pipeline.split(DATA, DATA, tmp_path / "parts", 0.25, 3)


def test_weights_are_fitted_kept_and_taken_back(tmp_path: Path) -> None:
    """The questions say the documents' words: what the stages find is right, and the default weights are no better than fitted ones."""
    collection, queries, qrels = make_world(tmp_path)
    with pipeline.open_collection(collection) as opened:
        first = dict(opened.facts.weights)
    found = pipeline.weigh(collection, queries, qrels, depth=5)
    assert found.questions == 20
    assert found.adopted == (found.after > found.before)
    with pipeline.open_collection(collection) as opened:
        assert opened.weights == Weights.of(found.weights)
        assert opened.weights.depth == (5 if found.adopted else Weights.of(first).depth)
    if found.adopted:
        pipeline.rollback(collection)
        with pipeline.open_collection(collection) as opened:
            assert dict(opened.facts.weights) == first
