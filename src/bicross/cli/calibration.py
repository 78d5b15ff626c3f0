"""The verb that makes probabilities of scores; `main` gives it to the command line."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bicross.cli.options import AtCollection, Json, QrelsFlag, Queries
from bicross.errors import InputError

if TYPE_CHECKING:
    from bicross.calibrating import CalibratedCollection
    from bicross.evaluation.calibrated import Calibrated
    from bicross.evaluation.reliability import Wish

PRECISION = 0.9
Share = Annotated[float | None, typer.Option(help="Of the kept hits, the share that shall be relevant. [default: 0.9]")]
Kept = Annotated[float | None, typer.Option(help="Instead: of the relevant hits shown, the share that shall be kept.")]


def calibrate(
    collection: AtCollection,
    queries: Queries,
    qrels: QrelsFlag,
    precision: Share = None,
    recall: Kept = None,
    report: Annotated[Path | None, typer.Option(help="Write a page with the reliability diagrams here.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Measure and tell; keep nothing.")] = False,
    as_json: Json = False,
) -> None:
    """Fit what turns scores into probabilities on judged questions, and the threshold for a precision or recall.

    Kept if better than what is stored, on questions that neither was fitted to; `rollback` goes back. Questions that trained the
    collection's models are left out.
    """
    from bicross import pipeline
    from bicross.cli.progress import bar
    from bicross.cli.show import out

    if precision is not None and recall is not None:
        raise InputError("Both --precision and --recall are given; expected one of them, for one threshold cannot promise both.")
    wished: Wish = "precision" if recall is None else "recall"
    value = next(given for given in (precision, recall, PRECISION) if given is not None)
    if not 0 < value < 1:
        raise InputError(f"--{wished} is {value:g}; expected a number between 0 and 1.")
    with bar() as progress:
        found = pipeline.calibrate(collection, queries, qrels, wished, value, report, dry_run, progress)
    out(found, as_json, shown)


def shown(found: CalibratedCollection) -> Iterable[str]:
    """What was fitted, how good it is, the threshold of the usual search, and what was kept."""
    from bicross.cli.show import skips, time_of

    yield f"{found.questions} questions, the first {found.shown} hits of each; no question had a part in the probabilities that it measures"
    for one in found.kinds:
        yield from _kind(one)
    yield from _thresholds(found)
    yield from (f"note: {remark}" for remark in found.remarks)
    if found.dry_run:
        yield "a dry run: nothing was kept"
    else:
        yield f"kept now: {', '.join(found.adopted)}" if found.adopted else "not better, kept as it was"
    if found.report:
        yield f"report: {found.report}"
    yield time_of(found.seconds)
    yield from skips(found.skipped)


def _thresholds(found: CalibratedCollection) -> Iterable[str]:
    """Those of the usual search: what a search can be asked for is of the probabilities that it shows from now on."""
    usual = found.kinds[0]
    for one, whose in ((usual.threshold, "only hits that have it"), (usual.best_hit, "only questions of which the best hit has it")):
        yield one.verdict
        if found.is_stored(usual) and one.probability is not None:
            yield f"  to answer with {whose}: bicross search ... --min-probability {one.probability:g}"


def _kind(one: Calibrated) -> Iterable[str]:
    low, high = one.reliability.confidence
    terms = ", ".join(one.calibration.terms)
    yield f"{one.kind}: {one.pairs} hits, {one.relevant} relevant, {one.unjudged} not judged; {one.method} on {terms}"
    chance = f"{one.reliability.by_chance:.3f} if every probability were right"
    stored = "" if one.error_before is None else f"; {one.error_before:.3f} with what was stored"
    yield f"  expected calibration error {one.reliability.error:.3f} [{low:.3f}, {high:.3f}] ({chance}{stored})"
    low, high = one.confidence
    before = "without scores" if one.against == "base" else "stored"
    gain = f"{one.difference:+.4f} [{low:+.4f}, {high:+.4f}], {one.verdict}"
    yield f"  log loss on {one.compared} questions {one.log_loss:.4f}, {before} {one.before:.4f}: gain {gain}"
