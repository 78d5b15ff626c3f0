"""`bicross calibrate` and `--min-probability` on the command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.world import Run, refused
from tests.test_calibrating import Judged, make


@pytest.fixture
def world(tmp_path: Path) -> Judged:
    return make(tmp_path)


def asked(world: Judged, *more: str | Path) -> tuple[str | Path, ...]:
    return ("calibrate", world[0], "--queries", world[1], "--qrels", world[2], *more)


def test_one_object(world: Judged, tmp_path: Path, run: Run) -> None:
    found = run(*asked(world, "--precision", "0.6", "--report", tmp_path / "r.html", "--json")).json
    assert set(found) == {"questions", "shown", "kinds", "adopted", "dry_run", "truncated", "remarks", "skipped", "report", "seconds"}
    both = found["kinds"][0]
    assert (both["kind"], both["better"], found["questions"]) == ("both", True, 60)
    assert set(both["calibration"]) == {"offset", "terms", "knots", "fitted_to"}
    assert set(both["best_hit"]) == set(both["threshold"]) and "best hits" in both["best_hit"]["verdict"]
    assert both["threshold"]["wished"] == "precision" and both["threshold"]["value"] == 0.6
    assert {"error", "confidence", "by_chance", "bins"} == set(both["reliability"])
    assert (tmp_path / "r.html").is_file()


def test_lines_for_people(world: Judged, run: Run) -> None:
    dry = run(*asked(world, "--recall", "0.5", "--dry-run"))
    assert dry.code == 0
    for words in ("60 questions", "both: 600 hits", "expected calibration error", "For a recall of 0.5 keep best hits", "a dry run"):
        assert words in dry.out
    assert "note: " in dry.out and "not judged" in dry.out
    assert "--min-probability" not in dry.out, "it is of a calibration that was not kept"
    kept = run(*asked(world, "--recall", "0.5")).out
    assert "kept now: both" in kept and kept.count("bicross search ... --min-probability") == 2
    again = run(*asked(world, "--recall", "0.5")).out
    assert "not better, kept as it was" in again and again.count("bicross search ... --min-probability") == 2


def test_a_search_abstains(world: Judged, run: Run) -> None:
    assert run(*asked(world)).code == 0
    found = run("search", world[0], "nothing that stands there", "--min-probability", "0.6", "--json").json["queries"][0]
    assert (found["answerable"], found["hits"]) == (False, [])
    assert found["probability"] < 0.6
    said = run("search", world[0], "nothing that stands there", "--min-probability", "0.6")
    assert said.code == 0 and "not answerable" in said.out


def test_what_is_refused(world: Judged, run: Run) -> None:
    refused(run(*asked(world, "--precision", "0.9", "--recall", "0.8")), "Both --precision and --recall")
    refused(run(*asked(world, "--precision", "1.5")), "--precision is 1.5", "between 0 and 1")
    refused(run(*asked(world, "--recall", "0")), "--recall is 0")
    refused(run(*asked(world, "--report", world[0] / "nowhere" / "r.html")), "report cannot be written")
    refused(run("search", world[0], "word1", "--min-probability", "60"), "min_probability", "60")
    refused(run("search", world[0], "word1", "--min-probability", "0.6", "--stage", "dense"), "was not calibrated")
