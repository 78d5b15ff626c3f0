"""`calibrate`: what turns a collection's scores into probabilities, fitted on judged questions, measured, and kept if better."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from bicross import asking, durable
from bicross.collection.store import Collection, Facts
from bicross.data.splits import folds
from bicross.errors import InputError, StoreError
from bicross.evaluation.calibrated import Calibrated, calibrated
from bicross.evaluation.calibration import FOLDS, Pair, pairs_of
from bicross.evaluation.calibration_page import page
from bicross.evaluation.reliability import Wish
from bicross.opened import OpenCollection
from bicross.records import Qrels, Query, Skip
from bicross.searchers.stopwatch import Stopwatch
from bicross.searchers.weights import Weights
from bicross.settings import SearchSettings, StageName

Progress = Callable[[str, int, int], None]
KINDS: tuple[StageName, ...] = ("both", "fused", "dense", "lexical")
FEW = 30  # judged questions below which everything is very uncertain


@dataclass(frozen=True, slots=True)
class CalibratedCollection:
    """`calibrate`: what was fitted for each kind of search, the usual one first, on how many questions, and which kinds were kept (in a
    dry run none). `remarks` are what to know before the figures are believed; `report` is the page that was written."""

    questions: int
    shown: int
    kinds: tuple[Calibrated, ...]
    adopted: tuple[str, ...]
    dry_run: bool
    remarks: tuple[str, ...]
    skipped: tuple[Skip, ...]
    report: str | None
    seconds: float


def calibrate(
    path: Path, queries: Path, qrels: Path, wished: Wish, value: float, report: Path | None, dry_run: bool, progress: Progress
) -> CalibratedCollection:
    """See `pipeline.calibrate`."""
    start = time.perf_counter()
    if report is not None:
        _check_page(report)
    asked, known, skipped = asking.judged(queries, qrels)
    fold_of = folds(asked, FOLDS, 0)
    with OpenCollection(path) as collection:
        facts, stored = collection.facts, collection.weights
        found = _told_apart(_pairs(collection, asked, known, fold_of, progress), path, qrels)
    kinds: list[Calibrated] = []
    for kind, pairs in found.items():
        progress(f"fitting, {kind}", len(kinds), len(found))
        kinds.append(calibrated(kind, pairs, stored.calibration.get(kind), wished, value))
    better = {one.kind: one.calibration for one in kinds if one.better}
    if better and not dry_run:
        _keep(path, facts, replace(stored, calibration={**stored.calibration, **better}))
    done = CalibratedCollection(
        questions=len(asked),
        shown=SearchSettings().k,
        kinds=tuple(kinds),
        adopted=() if dry_run else tuple(better),
        dry_run=dry_run,
        remarks=tuple(_remarks(len(asked), kinds[0])),
        skipped=tuple(skipped),
        report=str(report) if report else None,
        seconds=time.perf_counter() - start,
    )
    if report is not None:
        durable.write_file(Path(os.path.realpath(report)), page(done.kinds, done.questions, done.shown, done.remarks).encode())
    return done


def _pairs(
    collection: OpenCollection, asked: list[Query], known: Qrels, fold_of: Mapping[str, int], progress: Progress
) -> dict[str, list[Pair]]:
    """For each kind of search the hits that it shows; of `both` only those that were read again, which all have the same scores."""
    found: dict[str, list[Pair]] = {}
    for kind in KINDS:
        settings = SearchSettings(stage=kind)
        if kind == "both":
            if not collection.depth(settings):
                continue
            settings = settings.model_copy(update={"k": min(settings.k, collection.depth(settings))})

        def tell(_: str, done: int, total: int, kind: str = kind) -> None:
            progress(f"searching, {kind}", done, total)

        if pairs := pairs_of(asking.ranked(collection, asked, settings, Stopwatch(), tell), known, fold_of):
            found[kind] = pairs
    return found


def _told_apart(found: Mapping[str, list[Pair]], path: Path, qrels: Path) -> dict[str, list[Pair]]:
    """The kinds of search that show both relevant hits and others. Raises InputError: the usual one does not."""
    relevant = {kind: sum(pair.relevant for pair in pairs) for kind, pairs in found.items()}
    usual = next(iter(found), None)
    if usual is None:
        raise InputError(f"{path} finds nothing for any question, so there is nothing to calibrate; index documents first.")
    if not relevant[usual]:
        raise InputError(
            f"None of the {len(found[usual])} hits that {usual} search of {path} shows is relevant by {qrels}. Look whether both mean the "
            "same document ids, and what `bicross evaluate` says of recall."
        )
    if relevant[usual] == len(found[usual]):
        raise InputError(
            f"All {relevant[usual]} hits that {usual} search of {path} shows are relevant by {qrels}, so nothing can be told apart. "
            "Expected a collection that also holds documents which answer none of the questions."
        )
    return {kind: pairs for kind, pairs in found.items() if 0 < relevant[kind] < len(pairs)}


def _keep(path: Path, facts: Facts, weights: Weights) -> None:
    """Raises StoreError: the collection no longer has what this was measured against."""
    with Collection.write(path) as writer:
        if writer.facts != facts or writer.space is None:
            raise StoreError(
                f"{path} got other models or weights while it was calibrated, so nothing is kept. Run `bicross calibrate` again."
            )
        writer.activate(writer.space, replace(facts, weights=weights.as_json()))


def _remarks(questions: int, usual: Calibrated) -> list[str]:
    found = []
    if questions < FEW:
        low, high = usual.reliability.confidence
        found.append(
            f"{questions} questions are few: the calibration error lies anywhere from {low:.3f} to {high:.3f}. Judge {FEW} or more, "
            "better 100."
        )
    if usual.unjudged:
        found.append(
            f"{usual.unjudged} of the {usual.pairs} hits shown were not judged and count as not relevant. Where some of them are, all "
            "probabilities are too low; judge the hits that are shown to see how far."
        )
    return found


def _check_page(path: Path) -> None:
    """Whether the page can be written, to be asked before the work. Raises InputError."""
    target = Path(os.path.realpath(path))
    if target.is_dir() or not target.parent.is_dir() or not os.access(target.parent, os.W_OK | os.X_OK):
        raise InputError(f"The report cannot be written to {path}. Name a file in a folder that exists and can be written to.")
