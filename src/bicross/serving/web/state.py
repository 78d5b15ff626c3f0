"""What a collection's folder tells a reader: its status, runs of `tune`, and reports that were written into it. Nothing is changed."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from html import unescape
from pathlib import Path
from typing import Any

from bicross import durable
from bicross.collection import check
from bicross.collection.check import Status
from bicross.errors import Damaged
from bicross.planner.plan import Planned, drawn, stored
from bicross.tuning.run import FOLDER, VALUE, WORK, Run

REPORTS, RUNS = 50, 10  # the newest, of each
HEAD = 4096  # characters of a report in which its title stands
TITLE = re.compile(r"<title>(.{0,200}?)</title>", re.DOTALL)
OURS = ("Search report", "Calibration", "Audit of mined negatives")  # as the titles of Bicross' own pages begin


@dataclass(frozen=True, slots=True)
class Step:
    """A step of a run: its name, how many seconds it took so far (None: not known), and whether it is done."""

    name: str
    seconds: float | None
    done: bool


@dataclass(frozen=True, slots=True)
class Tuning:
    """A run of `tune`. `state` is "running", "interrupted", "promoted" or "kept"; times are seconds; `outcome` is what the run found, as
    `tune` keeps it, once it is over."""

    name: str
    state: str
    steps: tuple[Step, ...]
    spent: float
    estimated: float | None
    ago: float
    outcome: Mapping[str, Any] | None

    @property
    def done(self) -> int:
        """How many steps are done."""
        return sum(step.done for step in self.steps)


@dataclass(frozen=True, slots=True)
class Report:
    """A page that Bicross wrote into the collection's folder; `when` is seconds since 1970."""

    name: str
    title: str
    when: float


@dataclass(frozen=True, slots=True)
class Frontier:
    """What the last `plan` found, and its figure, SVG."""

    found: Planned
    figure: str


@dataclass(frozen=True, slots=True)
class State:
    """All that the page of a collection shows of its folder."""

    status: Status
    tunings: tuple[Tuning, ...]
    reports: tuple[Report, ...]
    frontier: Frontier | None


def state_of(path: Path) -> State:
    """Read it. Raises what opening a collection raises."""
    return State(check.status(path), tunings(path), reports(path), frontier(path))


def frontier(path: Path) -> Frontier | None:
    """What the last `plan` found; None where there was none, or its file is not what it should be."""
    with suppress(OSError, ValueError, TypeError, LookupError):
        found = stored(path)
        return Frontier(found, drawn(found))
    return None


def tunings(path: Path) -> tuple[Tuning, ...]:
    """The newest runs of `tune`, the newest first. A run that is removed meanwhile, or whose files are damaged, is not among them."""
    found = []
    folders = sorted((path / FOLDER).glob("*/"), key=_changed, reverse=True) if (path / FOLDER).is_dir() else []
    for folder in folders[:RUNS]:
        with suppress(Damaged, OSError):
            found.append(_tuning(folder))
    return tuple(found)


def _tuning(folder: Path) -> Tuning:
    run = Run(folder)
    seconds = run.seconds()
    outcome = run.json("outcome", VALUE) if run.done("outcome") else None
    running = outcome is None and durable.is_locked(folder / "lock")
    steps = [Step(name, taken, outcome is not None or run.done(name)) for name, taken in seconds.items()]
    work = folder / WORK
    doing = sorted((one.name for one in work.iterdir()), key=lambda name: _changed(work / name)) if running and work.is_dir() else []
    known = {step.name for step in steps}
    steps = [Step(step.name, step.seconds, step.done and step.name not in doing) for step in steps]
    steps += [Step(name, None, done=False) for name in doing if name not in known]
    planned = run.json("plan", VALUE) if run.done("plan") else {}
    over = "promoted" if outcome and outcome["promoted"] else "kept"
    return Tuning(
        name=folder.name,
        state=over if outcome else "running" if running else "interrupted",
        steps=tuple(steps),
        spent=sum(seconds.values()),
        estimated=planned.get("seconds"),
        ago=max(0.0, time.time() - _changed(folder)),
        outcome=outcome,
    )


def _changed(folder: Path) -> float:
    """When something in the folder, or in what is under way, was written last."""
    times = [0.0]
    for place in (folder, folder / WORK, *(folder / WORK).glob("*/")):
        with suppress(OSError):
            times.append(place.stat().st_mtime)
    return max(times)


def reports(path: Path) -> tuple[Report, ...]:
    """The pages that Bicross wrote into the folder itself, the newest first: of `evaluate`, `calibrate` and `mine`."""
    found = []
    for file in path.glob("*.html"):
        with suppress(OSError):
            if file.is_symlink() or not file.is_file():
                continue
            with file.open(encoding="utf-8", errors="replace") as lines:
                title = TITLE.search(lines.read(HEAD))
            if title and unescape(title[1]).startswith(OURS):
                found.append(Report(file.name, unescape(title[1]), file.stat().st_mtime))
    return tuple(sorted(found, key=lambda one: (-one.when, one.name))[:REPORTS])


def report_bytes(path: Path, name: str) -> bytes | None:
    """A report that `reports` lists, or None: the name is looked up in the list and never put into a path."""
    for report in reports(path):
        if report.name == name:
            with suppress(OSError):
                return (path / report.name).read_bytes()
    return None
