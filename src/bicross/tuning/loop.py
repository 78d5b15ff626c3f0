"""The loop, in the order in which its steps run: every function is a step that is made once and found again.

questions -> candidates -> cross-encoders by fold -> scores -> kinds            mined rows
mined rows -> cross-encoder; combination as teacher -> bi-encoder               models
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from bicross import durable
from bicross.data.examples import mined_bytes, read_mined
from bicross.mining.sampling import NEGATIVES, RAW, examples
from bicross.models import registry
from bicross.opened import OpenCollection
from bicross.protocols import Progress, Scorer
from bicross.records import Example, Mined, Qrels, Query
from bicross.settings import TrainSettings, TuneSettings
from bicross.training.batches import filled
from bicross.training.bi_encoder import train_bi_encoder
from bicross.training.cross_encoder import train_cross_encoder
from bicross.tuning.mined import MINED, denoised, files, gather
from bicross.tuning.plan import Plan
from bicross.tuning.rows import TEACHER, of_folds, teach, unseen
from bicross.tuning.run import Run
from bicross.tuning.scoring import scored

S = TypeVar("S", bound=TrainSettings)
FOLDS = 2  # each model scores the questions that it was not trained on; two cost no more training than one model on all


@dataclass(frozen=True, slots=True)
class Task:
    """What the steps work on. `queries` are the training questions and `fold_of` their folds, `held` those that choose the mixture and fit
    weights; `encoder` and `reranker` are the models that no tuning changed."""

    run: Run
    plan: Plan
    settings: TuneSettings
    queries: Sequence[Query]
    held: Sequence[Query]
    qrels: Qrels
    fold_of: Mapping[str, int]
    encoder: Path
    reranker: Path
    progress: Progress


def mine(task: Task, number: int, collection: OpenCollection) -> list[Mined]:
    """Candidates of both searches, scored by cross-encoders that did not train on the question, and sorted. Written with the audit."""
    step = f"{number}-mined"

    def make() -> None:
        read = _scored(task, number, _candidates(task, number, collection))
        kinds: list[Mined] = []
        for fold in range(FOLDS):  # the models of two folds need not share a scale
            inside = denoised(of_folds(read, task.fold_of, fold, inside=True), task.settings.mine)
            kinds += [replace(row, source={**row.source, "fold": fold}) for row in inside]
        durable.write_folder(task.run.path(step), files(kinds, task.settings.seed), {"step": step})

    task.run.once(step, make)
    return read_mined(task.run.checked(step, MINED))


def train_rerankers(task: Task, number: int, mined: Sequence[Mined]) -> Path:
    """The cross-encoder: that of the first fold, trained on with the questions that it has not seen, now denoised; then with all, as
    often as the plan says."""
    other = _groups(task, of_folds(mined, task.fold_of, 0, inside=True), NEGATIVES, FOLDS)
    more = [_groups(task, mined, NEGATIVES, FOLDS + epoch) for epoch in range(1, task.plan.cross_encoder_epochs)]
    return _cross_encoder(task, f"{number}-cross-encoder", [other, *more], _fold_reranker(task, number, 0))


def train_encoder(task: Task, number: int, mined: Sequence[Mined], base: Path) -> Path:
    """The bi-encoder: in-batch and denoised negatives, other ones each epoch, and the teacher's scores of each row."""
    step = f"{number}-bi-encoder"
    into = task.run.path(step)

    def make() -> None:
        known = mined if base == task.encoder else unseen(mined, registry.load_encoder(str(task.encoder)))
        taught, _ = teach(known)
        epochs = [_rows(task, taught, FOLDS + epoch) for epoch in range(task.plan.bi_encoder_epochs)]
        chosen = task.settings.bi_encoder
        settings = _planned(task, chosen, epochs, task.plan.bi_encoder_frozen, task.plan.bi_encoder_negatives)
        train_bi_encoder(epochs, base, into, settings, task.run.work(step), task.progress)

    task.run.once(step, make)
    return into


def _fold_scorer(task: Task, number: int, fold: int) -> Scorer:
    """The cross-encoder that was not trained on the questions of the fold."""
    return registry.load_reranker(str(_fold_reranker(task, number, fold)))


def _candidates(task: Task, number: int, collection: OpenCollection) -> list[Mined]:
    """What lexical and dense search find, near-duplicates of answers marked, and random documents beside them."""
    step = f"{number}-candidates"

    def make() -> None:
        source = {"round": number}
        rows = gather(collection, task.queries, task.qrels, task.settings.mine, task.plan.candidates, source, task.progress)
        durable.write_folder(task.run.path(step), {MINED: mined_bytes(rows)}, {"step": step})

    task.run.once(step, make)
    return read_mined(task.run.checked(step, MINED))


def _scored(task: Task, number: int, mined: Sequence[Mined]) -> list[Mined]:
    """Every candidate with the score of the cross-encoder that was not trained on its question."""
    rows: list[Mined] = []
    for fold in range(FOLDS):
        _train_fold_reranker(task, number, fold, mined)
    for fold in range(FOLDS):
        inside, step = of_folds(mined, task.fold_of, fold, inside=True), f"{number}-scores-{fold}"

        def make(inside: Sequence[Mined] = inside, step: str = step, fold: int = fold) -> None:
            found = scored(task.run, step, inside, _fold_scorer(task, number, fold), task.progress)
            durable.write_folder(task.run.path(step), {MINED: mined_bytes(found)}, {"step": step})

        task.run.once(step, make)
        rows += read_mined(task.run.checked(step, MINED))
    return rows


def _train_fold_reranker(task: Task, number: int, fold: int, mined: Sequence[Mined]) -> None:
    outside = of_folds(mined, task.fold_of, fold, inside=False)
    _cross_encoder(task, _fold_reranker(task, number, fold).name, [_groups(task, outside, RAW, fold)], task.reranker)


def _fold_reranker(task: Task, number: int, fold: int) -> Path:
    return task.run.path(f"{number}-cross-encoder-{fold}")


def _groups(task: Task, mined: Sequence[Mined], kinds: Sequence[str], draw: int) -> list[Example]:
    """Rows for the cross-encoder: an answer, its negatives, one of them from far off."""
    count, seed = task.plan.cross_encoder_negatives, task.settings.seed + draw
    return filled(examples(mined, count, seed, kinds, randoms=1), count, seed)


def _rows(task: Task, mined: Sequence[Mined], draw: int) -> list[Example]:
    count, seed = task.plan.bi_encoder_negatives, task.settings.seed + draw
    return filled(examples(mined, count, seed, teacher=TEACHER), count, seed)


def _cross_encoder(task: Task, step: str, epochs: Sequence[Sequence[Example]], base: Path) -> Path:
    settings = _planned(task, task.settings.cross_encoder, epochs, task.plan.cross_encoder_frozen, task.plan.cross_encoder_negatives)
    into = task.run.path(step)
    task.run.once(step, lambda: train_cross_encoder(epochs, base, into, settings, task.run.work(step), task.progress))
    return into


def _planned(task: Task, settings: S, epochs: Sequence[Sequence[Example]], frozen: int, negatives: int) -> S:
    """The settings with what the plan decides, which is what the model's manifest says."""
    decided = {"epochs": len(epochs), "negatives": negatives, "frozen_layers": frozen, "seed": task.settings.seed}
    return settings.model_copy(update=decided)
