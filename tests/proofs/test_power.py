"""Power cuts: the real program runs under strace, and its disk is cut off at moments drawn by chance. `BICROSS_CUTS` sets how many."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bicross.collection.store import Collection
from bicross.errors import BicrossError
from tests.collection.test_kills import check
from tests.collection.world import ROOT, rows, run
from tests.proofs.disk import CALLS, Disk, calls

COUNT = 24
CUTS = int(os.environ.get("BICROSS_CUTS", "200"))
STDOUT = 1
RESUMED = 10  # of so many cuts, one is followed by the same work again

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed: it tells what the program asks of the disk"),
]


@pytest.fixture(scope="module")
def trace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The system calls of the work, done in the folder `disk` beside the trace."""
    folder = tmp_path_factory.mktemp("power")
    (folder / "disk").mkdir()
    strace = ["strace", "-qq", "-y", "-xx", "-s", "100000000", "-e", f"trace={CALLS}", "-o", str(folder / "trace")]
    work = [sys.executable, "-m", "tests.collection.world", str(folder / "disk" / "c"), str(COUNT)]
    done = subprocess.run([*strace, *work], cwd=ROOT, capture_output=True, text=True, check=False)
    if "ptrace" in done.stderr:
        pytest.skip(f"strace may not trace here: {done.stderr.strip()}")
    assert done.stdout.endswith("done\n"), done.stderr
    return folder / "trace"


def cuts(trace: Path, into: Path, count: int, syncs: bool = True) -> Iterator[tuple[Path, int | None]]:
    """(collection, acknowledged documents) after each of `count` power cuts; None where not even its creation was acknowledged."""
    root, chance = trace.parent / "disk", random.Random(count)
    moments = sum(1 for call in calls(trace) if Disk(root).touched(call))
    chosen = sorted(chance.choices(range(1, moments + 1), k=count))
    disk, said, moment = Disk(root, syncs), b"", 0
    for call in calls(trace):
        if call.name == "write" and call.handle == STDOUT:
            said += call.strings[1]  # a line may come in pieces
        if disk.apply(call):
            moment += 1
            while chosen and chosen[0] == moment:
                place = into / f"cut{len(chosen)}"
                disk.top.crash(place, chance)
                lines = said.decode().split("\n")[:-1]
                yield place / "c", max((int(line.split()[1]) for line in lines if " " in line), default=0) if lines else None
                shutil.rmtree(place)
                del chosen[0]


def test_after_a_power_cut_all_that_was_acknowledged_is_there_and_work_goes_on(trace: Path, tmp_path: Path) -> None:
    run(tmp_path / "undisturbed", COUNT)
    expected = rows(tmp_path / "undisturbed")
    for number, (path, acknowledged) in enumerate(cuts(trace, tmp_path, CUTS)):
        assert Collection.exists(path) or acknowledged is None
        check(path, acknowledged or 0)
        if number % RESUMED == 0:
            run(path, COUNT)
            assert rows(path) == expected
            assert Collection.open(path).verify().problems == ()


def test_the_same_work_without_its_fsyncs_would_lose_documents(trace: Path, tmp_path: Path) -> None:
    """So the cuts above do cut."""
    lost = 0
    for path, acknowledged in cuts(trace, tmp_path, 20, syncs=False):
        try:
            assert Collection.exists(path) or acknowledged is None
            check(path, acknowledged or 0)
        except (AssertionError, BicrossError):
            lost += 1
    assert lost > 10
