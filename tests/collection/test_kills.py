"""kill -9 in the middle of commits, folds and swaps: nothing acknowledged is lost, nothing is embedded twice, the end is the same."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bicross.collection.store import Collection
from tests.collection.world import FACTS, OTHER, ROOT, SPACE, TUNED, contents, exact, found, made, rows, run, some, vector

COUNT = 48


@pytest.mark.parametrize("kills", [12, pytest.param(300, marks=pytest.mark.slow)])
def test_an_index_that_is_killed_and_run_again_ends_as_if_undisturbed(tmp_path: Path, kills: int) -> None:
    run(tmp_path / "undisturbed", COUNT)
    random_ = random.Random(kills)
    acknowledged, embedded, survived = 0, 0, 0
    for _ in range(kills):
        command = [sys.executable, "-m", "tests.collection.world", tmp_path / "killed", str(COUNT), "run"]
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as work:
            assert work.stdout is not None
            lines = [work.stdout.readline()]  # the interpreter has started, and the work begins
            time.sleep(random_.uniform(0, 0.08))
            work.kill()
            lines += work.stdout.read().splitlines()
        survived += "done" in lines
        said = [line.split() for line in lines if line.startswith("acknowledged")]
        acknowledged = max([acknowledged, *(int(count) for _, count, _ in said)])
        embedded += sum(int(texts) for _, _, texts in said)
        check(tmp_path / "killed", acknowledged)
    assert survived < kills, "no run was killed before its end"
    run(tmp_path / "killed", COUNT)
    assert rows(tmp_path / "killed") == rows(tmp_path / "undisturbed")
    assert embedded <= len(rows(tmp_path / "killed")["vectors"])
    newest = Collection.open(tmp_path / "killed").status().generation
    other = Collection.open(tmp_path / "undisturbed").status().generation
    assert contents(tmp_path / "killed" / str(newest)) == contents(tmp_path / "undisturbed" / str(other))


def check(path: Path, acknowledged: int) -> None:
    """What stands after a kill, before anything mends it: whole, a prefix of the work, and no less than was acknowledged."""
    if not Collection.exists(path):
        assert acknowledged == 0
        return
    collection = Collection.open(path)
    status = collection.status()
    assert collection.verify().problems == ()
    assert status.documents >= acknowledged
    assert status.documents % 4 == 0
    if status.documents:
        assert [score for _, score in found(collection, ["q"], 200)[0]] == pytest.approx(exact(some(status.documents), "q", 200), abs=1e-6)


@pytest.mark.parametrize("kills", [8, pytest.param(200, marks=pytest.mark.slow)])
def test_space_and_models_are_swapped_together_or_not_at_all(tmp_path: Path, kills: int) -> None:
    path = tmp_path / "c"
    collection = made(path, some(12))
    random_ = random.Random(kills)
    for number in range(kills):
        command = [sys.executable, "-m", "tests.collection.world", path, "1000", "toggle"]
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as work:
            assert work.stdout is not None
            for _ in range(1 + number % 3):  # it begins, and has gone back so many times
                work.stdout.readline()
            time.sleep(random_.uniform(0, 0.1))
            work.kill()
        assert collection.verify().problems == ()
        with collection.view() as view:
            assert (view.facts, view.space) in ((FACTS, SPACE), (TUNED, OTHER))
            assert (view.nearest(vector("q", view.space)[None], 9)[0] >= 0).all()
