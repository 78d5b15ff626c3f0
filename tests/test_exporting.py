"""What leaves a collection is what is in it: row by row, in both formats."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from bicross import durable, pipeline
from bicross.errors import InputError
from bicross.models.hashed import HashedEncoder
from bicross.models.registry import HASHED
from bicross.records import reading
from bicross.results import ExportedVectors
from tests.pipeline.world import SETTINGS, row, write

pq = pytest.importorskip("pyarrow.parquet")


@pytest.fixture
def made(tmp_path: Path) -> Path:
    pipeline.index([write(tmp_path / "source.jsonl", [row(number) for number in range(6)])], tmp_path / "made", SETTINGS)
    pipeline.delete(tmp_path / "made", ["d2"])
    return tmp_path / "made"


def test_a_row_of_vectors_is_of_the_passage_of_its_line(made: Path, tmp_path: Path) -> None:
    done = pipeline.export(str(made), tmp_path / "out")
    assert isinstance(done, ExportedVectors)
    vectors = np.load(tmp_path / "out" / "vectors.npy")
    lines = [json.loads(line) for line in (tmp_path / "out" / "ids.jsonl").read_text("utf-8").splitlines()]
    assert (done.documents, done.passages) == (5, len(lines)) and vectors.shape == (len(lines), 64)
    assert done.space.fingerprint == durable.read_manifest(tmp_path / "out")["space"]["fingerprint"] and done.encoder == HASHED
    for number, (line, vector) in enumerate(zip(lines, vectors, strict=True)):
        source = row(int(line["doc_id"][1:]))
        text = reading(source["title"], source["text"][line["start"] : line["end"]])
        assert np.array_equal(vector, HashedEncoder().encode_documents([text])[0]), number


def test_parquet_holds_the_same(made: Path, tmp_path: Path) -> None:
    pipeline.export(str(made), tmp_path / "npy")
    pipeline.export(str(made), tmp_path / "parquet", "parquet")
    table = pq.read_table(tmp_path / "parquet" / "vectors.parquet")
    lines = [json.loads(line) for line in (tmp_path / "npy" / "ids.jsonl").read_text("utf-8").splitlines()]
    assert table.drop_columns(["vector"]).to_pylist() == lines
    assert np.array_equal(np.array(table["vector"].to_pylist(), dtype=np.float32), np.load(tmp_path / "npy" / "vectors.npy"))
    assert json.loads(table.schema.metadata[b"bicross"])["encoder"] == HASHED


def test_what_cannot_be_exported_so_is_said(made: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="exported as npy or parquet"):
        pipeline.export(str(made), tmp_path / "out", "onnx")
    with pytest.raises(InputError, match="exists already"):
        pipeline.export(str(made), tmp_path)
