"""A collection with more rows than are scanned exactly: rows are tested when they are read, and recall is measured and shown."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bicross.collection import generations
from bicross.collection.store import Collection
from bicross.indexes import choose
from tests.collection.world import SPACE, document, made, vector

ROWS = 3_000


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(choose, "EXACT_ROWS", 1_000)
    made(tmp_path / "c", [document(f"d{i}", f"text {i}") for i in range(ROWS)])
    return tmp_path / "c"


def test_a_changed_row_is_found_when_it_is_read_and_the_truth_answers(path: Path) -> None:
    query = vector("text 7")[None]
    with Collection.open(path).view() as view:
        before = view.nearest(query, 5)
    file = path / "gen-000001" / "dense-vectors.f32"
    rows = np.fromfile(file, "<f4").reshape(ROWS, SPACE.dim)
    rows[np.argmax(rows @ query[0])] *= np.float32(0.5)  # it would not be found any more
    rows.tofile(file)
    with Collection.open(path).view() as view:
        keys, scores = view.nearest(query, 5)
    assert (keys == before[0]).all() and scores == pytest.approx(before[1], abs=1e-6)
    assert [problem.where for problem in Collection.open(path).verify().problems] == ["gen-000001"]
    with Collection.write(path) as writer:
        assert writer.fold() == "gen-000002"
    assert Collection.open(path).verify().problems == ()


def test_recall_is_measured_with_the_users_questions_from_then_on(path: Path) -> None:
    status = Collection.open(path).status()
    assert (status.index, status.recall and status.recall["of"]) == ("pq", "passages")
    asked = np.stack([vector(f"question {i}") for i in range(40)])
    with Collection.write(path) as writer:
        writer.fold(questions=asked)
        assert generations.questions_of(path, SPACE) == pytest.approx(asked)
        writer.delete(["d1"])
        writer.fold()
    recall = Collection.open(path).status().recall
    assert recall is not None and (recall["of"], recall["queries"], recall["k"]) == ("questions", 20, 100) and recall["mean"] > 0.95
