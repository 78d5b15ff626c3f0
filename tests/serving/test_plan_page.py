"""The planner's frontier on the page of a collection: what `plan` kept, escaped, in both languages; nothing where none is whole."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace

import pytest

from bicross.planner.plan import FILE, Elsewhere, Planned
from bicross.planning.frontier import Point, Way
from bicross.serving.web.assets import render
from bicross.serving.web.state import frontier
from bicross.serving.web.words import Tongue, Words

HOSTILE = "<script>alert('x')</script>"
POINT = Point(HOSTILE, Way("both", 20, "/home/me/models/mine", adaptive=True), 0.5, (0.4, 0.6), 12.0, 0.01, 0.02, 60, best=True)
FASTER = Point("lexical", Way("lexical"), 0.4, (0.3, 0.5), 0.0, 0.001, 0.002, 60)
PLAN = Planned(
    questions=9,
    measure="nDCG@10",
    budget=0.05,
    depth=100,
    points=(FASTER, POINT),
    chosen=POINT,
    half=Elsewhere(0.025, FASTER, -0.1, (-0.2, 0.0)),
    twice=None,
    adaptive=(),
    refused="",
    remarks=(),
    written=True,
    dry_run=False,
    skipped=(),
    when=0.0,
    seconds=1.0,
)


def page(path: Path, tongue: Tongue = "en") -> str:
    return render("plan.html", {"state": SimpleNamespace(frontier=frontier(path)), "t": Words(tongue)})


def test_what_was_planned_is_shown(tmp_path: Path) -> None:
    assert "Not planned yet" in page(tmp_path)
    (tmp_path / FILE).write_text(json.dumps(asdict(PLAN)), "utf-8")
    found = frontier(tmp_path)
    assert found is not None and found.found == PLAN
    text = page(tmp_path)
    assert "0.5000, 20.0 ms" in text and "lexical, -0.1000" in text and 'class="figure"' in text
    assert HOSTILE not in text and "&lt;script&gt;" in text and "/home/me" not in text
    assert "延迟预算" in page(tmp_path, "zh")


@pytest.mark.parametrize("content", ["", "{}", "[1]", '{"points": 3}', json.dumps({**asdict(PLAN), "points": [{}]}), "\0"])
def test_what_is_no_plan_is_not_shown(tmp_path: Path, content: str) -> None:
    (tmp_path / FILE).write_text(content, "utf-8")
    assert "Not planned yet" in page(tmp_path)
