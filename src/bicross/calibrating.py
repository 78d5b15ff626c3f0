"""`calibrate`: what turns a collection's scores into probabilities, fitted on judged questions, measured, and kept if better."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from bicross import asking, durable
from bicross.ancestry import MARK, marked, marks, unseen
from bicross.collection.store import Facts
from bicross.data.splits import folds
from bicross.errors import InputError
from bicross.evaluation.calibrated import FEW, Calibrated, Stored, calibrated
from bicross.evaluation.calibration import FOLDS, Pair, pairs_of
from bicross.evaluation.calibration_page import page
from bicross.evaluation.reliability import Wish
from bicross.moving import keep
from bicross.opened import OpenCollection
from bicross.protocols import Progress, silent
from bicross.records import Calibration, Qrels, Query, Skip
from bicross.searchers.stopwatch import Stopwatch
from bicross.settings import SearchSettings, StageName

KINDS: tuple[StageName, ...] = ("both", "fused", "dense", "lexical")


@dataclass(frozen=True, slots=True)
class CalibratedCollection:
    """`calibrate`: what was fitted for each kind of search, the usual one first, on how many questions, and which kinds were kept (in a
    dry run none). `truncated` names the questions that a model could not read whole, or not with all of a passage beside them, `remarks`
    are what to know before the figures are believed, `report` is the page that was written."""

    questions: int
    shown: int
    kinds: tuple[Calibrated, ...]
    adopted: tuple[str, ...]
    dry_run: bool
    truncated: tuple[str, ...]
    remarks: tuple[str, ...]
    skipped: tuple[Skip, ...]
    report: str | None
    seconds: float

    def is_stored(self, one: Calibrated) -> bool:
        """Whether the figures of this kind of search are of the calibration that the collection has now."""
        return one.kind in self.adopted or one.told == "stored" or one.same


def calibrate(
    path: Path,
    queries_path: Path,
    qrels_path: Path,
    wished: Wish = "precision",
    value: float = 0.9,
    report_path: Path | None = None,
    dry_run: bool = False,
    progress: Progress = silent,
) -> CalibratedCollection:
    """Fit what turns scores into probabilities on judged questions that the models have not seen; kept if better on questions that neither
    it nor what is stored was fitted to. `rollback` goes back.

    `wished` "precision" or "recall" of `value`: the threshold for it is found, with its interval. `report_path`: a page to read.

    Raises:
        InputError: a file is not what it should be, or the judgements tell nothing apart. StoreError: the collection was changed meanwhile.
    """
    start = time.perf_counter()
    page_path = durable.writable_target(report_path, "The report") if report_path else None
    asked, known, skipped = asking.judged(queries_path, qrels_path)
    with OpenCollection(path) as collection:
        facts, stored = collection.facts, collection.weights
        asked, seen = _unseen(path, facts, asked)
        truncated = set[str]()
        found, remarks = _told_apart(_pairs(collection, asked, known, folds(asked, FOLDS, 0), truncated, progress), path, qrels_path)
    kinds: list[Calibrated] = []
    for kind, pairs in found.items():
        progress(f"fitting, {kind}", len(kinds), len(found))
        kinds.append(calibrated(kind, pairs, _stored(stored.calibration.get(kind), asked), wished, value))
    better = {one.kind: replace(one.calibration, fitted_to=marks(asked)) for one in kinds if one.better}
    if better and not dry_run:
        weights = replace(stored, calibration={**stored.calibration, **better})
        keep(path, facts, replace(facts, weights=weights.as_json()), "calibrate")
    done = CalibratedCollection(
        questions=len(asked),
        shown=SearchSettings().k,
        kinds=tuple(kinds),
        adopted=() if dry_run else tuple(better),
        dry_run=dry_run,
        truncated=tuple(query.id for query in asked if query.id in truncated),
        remarks=(*_remarks(len(asked), len(truncated), kinds), *remarks),
        skipped=(*skipped, *seen),
        report=str(report_path) if report_path else None,
        seconds=time.perf_counter() - start,
    )
    if page_path is not None:
        durable.write_file(page_path, page(done.kinds, done.questions, done.shown, done.remarks).encode())
    return done


def _unseen(path: Path, facts: Facts, asked: Sequence[Query]) -> tuple[list[Query], list[Skip]]:
    """The questions that the models have not seen, and the others. Raises InputError where too few are left."""
    left, seen = unseen(path, facts, asked)
    if seen and len(left) < FOLDS:
        raise InputError(
            f"{len(seen)} of the {len(asked)} questions trained the models of {path}, which score the answers to them higher than those to "
            f"others; {len(left)} are left, expected {FOLDS} or more. Name questions that `bicross tune` did not get, such as those of its "
            "--dev."
        )
    return left, seen


def _stored(calibration: Calibration | None, asked: Sequence[Query]) -> Stored | None:
    if calibration is None:
        return None
    used = marked(asked, calibration.fitted_to) if calibration.fitted_to else frozenset(query.id for query in asked)
    return Stored(calibration, used, len(calibration.fitted_to) // MARK)


def _pairs(
    collection: OpenCollection, asked: list[Query], known: Qrels, fold_of: Mapping[str, int], truncated: set[str], progress: Progress
) -> dict[str, list[Pair]]:
    """For each kind of search the hits that it shows; of `both` only those that were read again, which all have the same scores.
    `truncated` as in `asking.ranked`."""
    found: dict[str, list[Pair]] = {}
    for kind in KINDS:
        settings = SearchSettings(stage=kind)
        if kind == "both":
            if not collection.depth(settings):
                continue
            settings = settings.model_copy(update={"k": min(settings.k, collection.depth(settings))})

        def tell(_: str, done: int, total: int, kind: str = kind) -> None:
            progress(f"searching, {kind}", done, total)

        if pairs := pairs_of(asking.ranked(collection, asked, settings, Stopwatch(), tell, truncated), known, fold_of):
            found[kind] = pairs
    return found


def _told_apart(found: Mapping[str, list[Pair]], path: Path, qrels: Path) -> tuple[dict[str, list[Pair]], list[str]]:
    """The kinds of search that can be calibrated, and why the others are left out. Raises InputError: the usual one is among those."""
    usual = next(iter(found), None)
    if usual is None:
        raise InputError(f"{path} finds nothing for any question, so there is nothing to calibrate; index documents first.")
    faults = {kind: fault for kind, pairs in found.items() if (fault := _fault(kind, pairs, path, qrels))}
    if usual in faults:
        raise InputError(faults[usual])
    good = {kind: pairs for kind, pairs in found.items() if kind not in faults}
    return good, [f"Not calibrated, {kind} search: {fault}" for kind, fault in faults.items()]


def _fault(kind: str, pairs: Sequence[Pair], path: Path, qrels: Path) -> str | None:
    """Why nothing can be fitted to these pairs and measured."""
    relevant = sum(pair.relevant for pair in pairs)
    if not relevant:
        return (
            f"None of the {len(pairs)} hits that {kind} search of {path} shows is relevant by {qrels}. Look whether both mean the "
            "same document ids, and what `bicross evaluate` says of recall."
        )
    if relevant == len(pairs):
        return (
            f"All {relevant} hits that {kind} search of {path} shows are relevant by {qrels}, so nothing can be told apart. "
            "Expected a collection that also holds documents which answer none of the questions."
        )
    if len({pair.fold for pair in pairs}) < 2:
        questions = len({pair.query for pair in pairs})
        return (
            f"{kind} search of {path} finds hits for {questions} questions only, which are too few, or too much alike, for a calibration "
            "to be fitted to some and measured on others. Judge other questions, for which it finds something."
        )
    return None


def _remarks(questions: int, truncated: int, kinds: Sequence[Calibrated]) -> list[str]:
    usual, found = kinds[0], []
    if truncated:
        found.append(f"{truncated} questions, or passages read beside them, were longer than a model, which did not read their ends.")
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
    used = [one for one in kinds if one.stored and one.against == "base" and not one.same]
    for names, what in (
        ([one.kind for one in used if one.better], "What was fitted now takes its place, because it was fitted to as many questions."),
        ([one.kind for one in used if not one.better], "It stays; the figures are of what was fitted now."),
    ):
        if names:
            found.append(
                f"{', '.join(names)}: fewer than {FEW} of these questions are known to be none that what is stored was fitted to, so it is "
                f"compared with nothing. {what}"
            )
    return found
