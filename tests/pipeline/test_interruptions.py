"""What an interruption leaves, what the next run adds, and the move to another encoder."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bicross import pipeline, upsert
from bicross.errors import ModelNotFound
from bicross.models.hashed import HashedEncoder
from bicross.models.registry import HASHED
from bicross.settings import STARTER_ENCODER, SearchSettings
from tests.pipeline.world import ROOT, SETTINGS, CountingEncoder, Interruption, after, row, truth, vectors, write


@pytest.mark.parametrize("calls", [1, 2, 5])
def test_an_interrupted_index_goes_on_and_embeds_nothing_twice(
    tmp_path: Path, source: Path, made: Path, counting: CountingEncoder, monkeypatch: pytest.MonkeyPatch, calls: int
) -> None:
    monkeypatch.setattr(upsert, "CHUNK_DOCUMENTS", 4)
    path = tmp_path / "interrupted"
    with pytest.raises(Interruption):
        pipeline.index([source], path, SETTINGS, after(calls))
    unfinished = pipeline.status(path).unfinished
    assert unfinished is not None and (unfinished.kind, unfinished.state) == ("index", "interrupted")
    assert pipeline.status(path).documents == 4 * calls
    pipeline.index([source], path, SETTINGS)
    assert truth(path) == truth(made)
    assert pipeline.status(path).unfinished is None
    assert len(counting.read) == len(set(counting.read)) == vectors(made)


WORK = """
import sys
from pathlib import Path
from bicross import pipeline, upsert
from bicross.settings import IndexSettings
upsert.CHUNK_DOCUMENTS = 2
print("begins", flush=True)
settings = IndexSettings(encoder="bicross/hashed", reranker="bicross/hashed", passage_tokens=16)
done = pipeline.index([Path(sys.argv[1])], Path(sys.argv[2]), settings, lambda what, done, total: print(done, flush=True))
print("embedded", done.embedded, flush=True)
"""


def test_an_index_that_is_killed_goes_on_and_embeds_nothing_that_was_committed_again(tmp_path: Path, source: Path, made: Path) -> None:
    path = tmp_path / "killed"
    command = [sys.executable, "-c", WORK, str(source), str(path)]
    dice = random.Random(0)
    for wait_for in ("begins", "begins", "4", "10", "24"):
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as work:
            assert work.stdout is not None
            for line in work.stdout:
                if line.strip() in (wait_for, "24"):
                    time.sleep(dice.uniform(0, 0.03))
                    work.kill()
                    break
        if (path / "truth.sqlite").exists():
            assert pipeline.verify(path).problems == ()
            assert truth(path)["documents"] == truth(made)["documents"][: len(truth(path)["documents"])]
    kept = vectors(path)
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=60, check=True)
    assert done.stdout.split()[-1] == str(vectors(made) - kept)
    assert truth(path) == truth(made)
    assert pipeline.verify(path).problems == ()
    questions = ["reset the volcano with button 10", "火山"]
    found, expected = (pipeline.search(place, questions).queries for place in (path, made))
    assert found == expected


def test_reembed_moves_resumes_and_moves_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = write(tmp_path / "few.jsonl", [row(number) for number in range(4)])
    path = tmp_path / "c"
    pipeline.index([source], path, SETTINGS)
    before, texts = truth(path), vectors(path)
    monkeypatch.setattr(upsert, "CHUNK_DOCUMENTS", 3)
    with pytest.raises(Interruption):
        pipeline.reembed(path, STARTER_ENCODER, after(1))
    assert pipeline.status(path).encoder == HASHED
    assert pipeline.search(path, ["reset the router"]).queries[0].hits[0].doc_id == "d1", "until the swap the old space answers"
    moved = pipeline.reembed(path, STARTER_ENCODER)
    assert (moved.embedded, moved.changed, moved.documents) == (texts - 3, 0, 4)
    assert (pipeline.status(path).encoder, pipeline.status(path).space) == (STARTER_ENCODER, moved.space)
    assert moved.space.dim == 384
    assert pipeline.search(path, ["how do I reset the router?"], SearchSettings(stage="dense")).queries[0].hits[0].doc_id == "d1"
    assert pipeline.index([source], path).unchanged == 4
    back = pipeline.reembed(path, HASHED)
    assert (back.embedded, back.space) == (0, HashedEncoder().space), "the vectors of the space before were kept"
    assert truth(path)["passages"] == before["passages"]
    assert pipeline.verify(path).problems == ()


def test_reembed_with_a_model_that_is_none_changes_nothing(made: Path) -> None:
    before = truth(made)
    with pytest.raises(ModelNotFound):
        pipeline.reembed(made, "no/such/model")
    assert truth(made) == before
