"""The verbs that measure; `main` gives them to the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bicross.cli.options import (
    AtCollection,
    DepthFlag,
    DeviceFlag,
    EstimateFlag,
    Json,
    QrelsFlag,
    Queries,
    StageFlag,
    depth_of,
    run_on,
    settings_of,
)

REGRESSION = 3  # the exit code of a rule of --fail-if that failed


def evaluate(
    collection: AtCollection,
    queries: Queries,
    qrels: QrelsFlag,
    k: Annotated[int, typer.Option("-k", help="How many hits a question.")] = 100,
    depth: DepthFlag = "auto",
    stage: StageFlag = "both",
    measures: Annotated[
        str, typer.Option(help="Names as ir-measures writes them, with commas; the first leads the report.")
    ] = "nDCG@10,RR@10,R@100,AP",
    report: Annotated[Path | None, typer.Option(help="Write the two-stage report here, one HTML page.")] = None,
    against: Annotated[Path | None, typer.Option(help="A baseline: what `evaluate --json` wrote before, or a TREC run.")] = None,
    fail_if: Annotated[
        list[str] | None, typer.Option("--fail-if", help="'nDCG@10 drops 0.01': exit with 3 if it did, beyond chance. Several allowed.")
    ] = None,
    run: Annotated[Path | None, typer.Option(help="Write the rankings here, as a TREC run.")] = None,
    device: DeviceFlag = None,
    dry_run: EstimateFlag = False,
    as_json: Json = False,
) -> None:
    """Measure search on questions with known answers: recall and reranking apart, what goes wrong, and what changed since a baseline."""
    from bicross import pipeline
    from bicross.cli import show, show_evaluated
    from bicross.cli.progress import bar
    from bicross.settings import parse_measure_names

    run_on(device)
    settings = settings_of("SearchSettings", k=k, depth=depth_of(depth), stage=stage)
    measuring = settings_of("EvaluateSettings", measures=parse_measure_names(measures), fail_if=fail_if or ())
    if dry_run:
        with bar() as progress:
            ahead = pipeline.estimate_evaluate(collection, queries, qrels, settings, measuring, run, progress, report, against)
        show.out(ahead, as_json, show.estimated)
        return
    with bar() as progress:
        found = pipeline.evaluate(collection, queries, qrels, settings, measuring, run, progress, report, against)
    show.out(found, as_json, show_evaluated.evaluated)
    unsure = [check for check in found.checks if check.state == "cannot tell"]
    show.note(f"bicross: {check.rule!r} {check.reason}." for check in (*unsure, *found.failed))
    if found.failed:
        raise typer.Exit(REGRESSION)


def compare(
    run_a: Annotated[Path, typer.Argument(help="A TREC run.")],
    run_b: Annotated[Path, typer.Argument(help="Another, on the same questions.")],
    qrels: QrelsFlag,
    measure: Annotated[str, typer.Option(help="A measure as ir-measures writes it.")] = "nDCG@10",
    as_json: Json = False,
) -> None:
    """Say whether the second run is better than the first: a paired test, with its interval."""
    from bicross import pipeline
    from bicross.cli import show

    show.out(pipeline.compare(run_a, run_b, qrels, measure), as_json, lambda found: [found.verdict])
