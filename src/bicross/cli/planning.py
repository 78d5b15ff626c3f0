"""The verb that spends a latency budget; `main` gives it to the command line."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bicross.cli.options import AtCollection, Json, duration, settings_of

if TYPE_CHECKING:
    from bicross.planner.plan import Elsewhere, Planned
    from bicross.planning.frontier import Point


def plan(
    collection: AtCollection,
    p95: Annotated[str, typer.Option("--p95", metavar="TIME", help="What 95 of 100 questions may take at most, such as 50ms.")],
    queries: Annotated[
        Path | None, typer.Option(help="Questions, as people ask them; without them sentences of the documents stand in.")
    ] = None,
    qrels: Annotated[Path | None, typer.Option(help="Their known answers; without them quality is how much of full depth is kept.")] = None,
    depth: Annotated[int, typer.Option(help="Full depth: candidates that are read at most.")] = 100,
    fast: Annotated[
        list[str] | None, typer.Option("--fast", help="Another reranker to try, alone and as the first of two. Several allowed.")
    ] = None,
    sample: Annotated[int, typer.Option(help="Questions that are asked, drawn at random if there are more.")] = 200,
    svg: Annotated[Path | None, typer.Option("--svg", help="Draw the frontier here.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Measure and tell; keep nothing.")] = False,
    as_json: Json = False,
) -> None:
    """Measure quality and latency of each way to search, here and on this collection, and search by the best within a budget from now on.

    Nothing else should run meanwhile; `rollback` goes back.
    """
    from bicross import pipeline
    from bicross.cli.progress import bar
    from bicross.cli.show import out

    settings = settings_of("PlanSettings", p95=duration(p95, "--p95"), depth=depth, fast=tuple(fast or ()), sample=sample)
    with bar() as progress:
        found = pipeline.plan(collection, settings, queries, qrels, svg, dry_run, progress)
    out(found, as_json, shown)


def shown(found: Planned) -> Iterable[str]:
    """The frontier as a table, what was chosen, what other budgets would buy, and why stopping early is refused where it is."""
    from bicross.cli.show import skips, time_of
    from bicross.planning.frontier import Way

    yield f"{found.questions} questions; quality is {found.measure}; * is better than all that are faster, > is taken"
    yield f"    {'way to search':<24} {'quality':>8} {'read':>6} {'p50':>8} {'p95':>8}"
    yield from (_row(point, found.chosen) for point in found.points)
    for one in found.adaptive:
        if not one["accepted"]:
            name = Way("both", one["depth"], adaptive=True, fast=one["fast"], precision=one["precision"]).name
            yield f"{name}, is refused: {one['reason']}"
    if found.chosen is None:
        yield found.refused
    else:
        low, high = found.chosen.confidence
        yield (
            f"within {time_of(found.budget)}: {found.chosen.name}, {found.chosen.quality:.4f} [{low:.4f}, {high:.4f}], p95 "
            f"{1000 * found.chosen.p95:.1f} ms of {found.chosen.timed} questions"
        )
        yield from _other("half of that", found.half)
        yield from _other("twice that", found.twice)
    yield from (f"note: {remark}" for remark in found.remarks)
    yield from skips(found.skipped)
    if found.written:
        yield "the collection searches so from now on; `bicross rollback` goes back"
    elif found.dry_run:
        yield "a dry run: nothing was kept"


def _row(point: Point, chosen: Point | None) -> str:
    mark = ">" if chosen is not None and point.way == chosen.way else " "
    name = f"{point.name}{' *' if point.best else ''}"
    read = f"{point.read:.1f}" if point.read else "-"
    reranker = f"   {point.way.fast} before {point.way.reranker}" if point.way.fast else f"   {point.way.reranker}" if point.read else ""
    return f"  {mark} {name:<24} {point.quality:>8.4f} {read:>6} {1000 * point.p50:>5.1f} ms {1000 * point.p95:>5.1f} ms{reranker}"


def _other(what: str, found: Elsewhere | None) -> Iterable[str]:
    from bicross.cli.show import time_of

    if found is None:
        yield f"{what} buys nothing here"
    elif not found.difference and found.confidence == (0.0, 0.0):
        yield f"{what}, {time_of(found.budget)}, buys the same"
    else:
        low, high = found.confidence
        yield f"{what}, {time_of(found.budget)}, buys {found.point.name}: {found.difference:+.4f} [{low:+.4f}, {high:+.4f}]"
