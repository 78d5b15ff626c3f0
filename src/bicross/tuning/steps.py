"""The single steps of `tune`, each reading and writing files: split, mine, distill, train, weigh.

What is half done lies beside the file or folder that it is for, in NAME.work, under a hash of all that it is made from: the same command
goes on with it, and no other command ever does.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from bicross import asking, durable
from bicross.ancestry import ancestry
from bicross.collection.store import Collection, Facts
from bicross.data.examples import mined_bytes, read_mined, read_training, require_jsonl, write_mined
from bicross.data.lines import require_file
from bicross.data.questions import qrels_bytes
from bicross.data.rows import read_rows
from bicross.data.splits import split as split_questions
from bicross.errors import InputError, StoreError
from bicross.evaluation.compare import compare
from bicross.evaluation.gate import better
from bicross.mining.audit import Audit, audit
from bicross.mining.page import page
from bicross.mining.sampling import examples
from bicross.models import names, registry
from bicross.models.folder import ModelFolder
from bicross.opened import OpenCollection
from bicross.protocols import Progress, Scorer
from bicross.records import Example, LabelledPair, Mined, Qrels, Query, Skip
from bicross.results import MinedFile, MixedModel, SplitFiles, TrainedModel, Weighed
from bicross.searchers.weights import Weights
from bicross.settings import (
    STARTER_ENCODER,
    STARTER_RERANKER,
    BiEncoderSettings,
    CrossEncoderSettings,
    GateSettings,
    MineSettings,
)
from bicross.tuning.bases import trainable
from bicross.tuning.fitting import fit_and_measure
from bicross.tuning.mined import denoised, gather
from bicross.tuning.rows import TEACHER, taught_by
from bicross.tuning.run import Run, json_bytes
from bicross.tuning.scoring import scored
from bicross.tuning.weights import require_folds

if TYPE_CHECKING:
    from bicross.training.fitting import Trained  # torch is loaded only where something is trained

Rows = Sequence[Example] | Sequence[LabelledPair]
SEEN = (
    "{seen} of the {all} questions have trained the models that mine them, which rank and score their candidates too well. Mine in a "
    "collection that was not tuned; `bicross tune` begins with the untuned models by itself."
)


def mine(
    path: Path,
    queries: Path,
    qrels: Path,
    into: Path,
    settings: MineSettings,
    reranker: str | None,
    audited: Path | None,
    progress: Progress,
) -> MinedFile:
    """Mine a collection for hard negatives of judged questions, scored and sorted by one cross-encoder, into a file.

    Interrupted and run again, it scores only what was not scored; other rows or another cross-encoder begin anew.

    Raises:
        InputError: a file is not what it should be, or the results could not be written where they shall go.
    """
    start = time.perf_counter()
    require_targets(into, audited)
    asked, known, skipped = asking.judged(queries, qrels)
    with OpenCollection(path) as collection:
        scorer, remarks = denoiser(collection, asked, known, reranker)
        rows = candidates(collection, asked, known, settings, progress)
    with _scoring(into, rows, scorer, progress) as read:
        mined = denoised(read, settings)
        write_mined(into, mined)
    found = audit(mined, settings.seed)
    found = replace(found, remarks=(*found.remarks, *remarks))
    return _mined_file(found, into, len(mined), audited, skipped, time.perf_counter() - start)


def denoiser(collection: OpenCollection, asked: Sequence[Query], known: Qrels, reranker: str | None) -> tuple[Scorer, list[str]]:
    """The cross-encoder that sorts what is mined, by default the collection's, and what is to be said of the questions.

    Raises:
        InputError: the collection holds none of the known answers. ModelNotFound: there is no such model.
    """
    path, facts = collection.path, collection.facts
    if reranker is not None:
        facts = replace(facts, reranker=names.canonical(reranker, path))
    answers = {document for query in asked for document, grade in known[query.id].items() if grade > 0}
    if len(collection.absent(answers)) == len(answers):
        raise InputError(
            f"{path} holds none of the {len(answers)} known answers of the {len(asked)} questions; expected judgements by the ids of its "
            "documents, some of a grade above 0."
        )
    seen = ancestry(path, facts).saw(asked)
    remarks = [SEEN.format(seen=len(seen), all=len(asked))] if seen else []
    return registry.load_reranker(names.located(facts.reranker, path)), remarks


def candidates(collection: OpenCollection, asked: Sequence[Query], known: Qrels, settings: MineSettings, progress: Progress) -> list[Mined]:
    """What is mined for the questions, all of it, not sorted yet."""
    return gather(collection, asked, known, settings, 2 * settings.depth, {}, progress)


def distill(source: Path, reranker: str, into: Path, progress: Progress) -> MinedFile:
    """The mined rows with the scores of another cross-encoder, the teacher, as `scores["teacher"]`, which `train` learns.

    Kinds, their scores and the order stay. Interrupted and run again, it scores only what was not scored.

    Raises:
        InputError: the file is not one of mined rows, or the results could not be written where they shall go.
    """
    start = time.perf_counter()
    require_targets(into)
    rows, teacher = read_mined(source), registry.load_reranker(reranker)
    with _scoring(into, rows, teacher, progress) as read:
        scores = [[one.scores["rerank"] for one in (*row.positives, *row.candidates)] for row in read]
        taught = [taught_by(row, values) for row, values in zip(rows, scores, strict=True)]
        taught = [replace(row, source={**row.source, TEACHER: teacher.fingerprint}) for row in taught]
        write_mined(into, taught)
    return _mined_file(audit(taught, 0), into, len(taught), None, [], time.perf_counter() - start)


def train(
    kind: str,
    rows: Path,
    base: str | None,
    into: Path,
    settings: BiEncoderSettings | CrossEncoderSettings,
    teacher: str | None,
    progress: Progress,
) -> TrainedModel:
    """Train a model on a file of mined rows, rows with negatives, or labelled pairs. Interrupted and run again, it goes on; where only the
    clearing up was left, the finished model stands.

    Raises:
        InputError: the rows do not fit the loss, the base has no weights, or `into` is not empty.
    """
    given, target = training_of(kind, rows, base, settings, teacher), Path(os.path.realpath(into))  # `.` has no name
    inputs = {
        "rows": hashlib.sha256(rows.read_bytes()).hexdigest(),
        "base": given.base.fingerprint(),
        "settings": settings.model_dump(),
        "teacher": given.teacher and given.teacher.fingerprint(),
    }
    with _work(target, inputs) as run:
        work = run.work("train")
        done = _finished(target, work, settings) or fitted(given, target, settings, work, progress)
    fingerprint = registry.find(str(target)).fingerprint()
    return TrainedModel(kind, str(into), fingerprint, len(given.epochs[0]), done.steps, done.losses, done.seconds)


class Training(NamedTuple):
    """What a training begins with: the rows of each epoch, the model that is trained, and the one that teaches it, if any."""

    epochs: list[Rows]
    base: ModelFolder
    teacher: ModelFolder | None


def training_of(
    kind: str, rows: Path, base: str | None, settings: BiEncoderSettings | CrossEncoderSettings, teacher: str | None
) -> Training:
    """The rows and models that are named; what is trained is by default the starter's of its kind. Raises InputError as `train`."""
    starter = STARTER_ENCODER if kind == "bi-encoder" else STARTER_RERANKER
    epochs, folder = epochs_of(rows, settings), trainable(base or starter)
    taught = None if teacher is None else trainable(teacher)
    if isinstance(settings, BiEncoderSettings):
        _check_dimensions(settings.matryoshka, folder)
    return Training(epochs, folder, taught)


def fitted(given: Training, into: Path, settings: BiEncoderSettings | CrossEncoderSettings, work: Path, progress: Progress) -> Trained:
    """Train, and write the model to `into`; checkpoints are in `work`. Raises InputError as `train`."""
    from bicross.training.bi_encoder import train_bi_encoder  # torch is loaded for this verb only
    from bicross.training.cross_encoder import train_cross_encoder

    epochs, base, teacher = given
    if isinstance(settings, BiEncoderSettings):
        return train_bi_encoder(epochs, base.root, into, settings, work, progress)
    return train_cross_encoder(epochs, base.root, into, settings, work, progress, teacher.root if teacher else None)


def _finished(target: Path, work: Path, settings: BiEncoderSettings | CrossEncoderSettings) -> Trained | None:
    """What the training run of these inputs did, where its model stands already and `work` was not cleared: it was killed between."""
    from bicross.training.fitting import finished

    if not (target / durable.MANIFEST).is_file() or (done := finished(work)) is None:
        return None
    made = json_bytes(durable.read_manifest(target).get("settings"))
    return done if made == json_bytes(settings.model_dump()) else None


def epochs_of(rows: Path, settings: BiEncoderSettings | CrossEncoderSettings) -> list[Rows]:
    """The rows of each epoch: of a mined file, other negatives each time, with the teacher's scores where `distill` put them there.

    A mined question without any negative gets other questions' answers (`training.batches.filled`).

    Raises:
        InputError: the file cannot be read, or a row is not what it should be.
    """
    from bicross.training.batches import filled  # as in `fitted`

    require_file(rows, "a file of training rows")
    first = next((row for row in read_rows(rows) if not isinstance(row, Skip)), None)
    if first is not None and {"positives", "candidates"} <= first.fields.keys():
        mined = read_mined(rows)
        name = TEACHER if any(TEACHER in row.source for row in mined) else "rerank"
        draws = range(settings.seed, settings.seed + settings.epochs)
        return [filled(examples(mined, settings.negatives, draw, randoms=1, teacher=name), settings.negatives, draw) for draw in draws]
    found = read_training(rows)
    return [found] * settings.epochs


def _mined_file(found: Audit, into: Path, rows: int, audited: Path | None, skipped: Sequence[Skip], seconds: float) -> MinedFile:
    if audited is not None:
        durable.write_file(audited, page(found).encode())
    return MinedFile(str(into), rows, asdict(found), None if audited is None else str(audited), tuple(skipped), seconds)


def _check_dimensions(named: Sequence[int], folder: ModelFolder) -> None:
    width = int(folder.config.get("hidden_size", 0))
    if wrong := [one for one in named if not 0 < one < width]:
        raise InputError(f"The model has {width} dimensions, which are trained anyway; found {wrong[0]}, expected 1 to {width - 1}.")


def require_targets(into: Path, audited: Path | None = None) -> None:
    """Raise InputError where mined rows, or their audit, cannot be written here: before the work that fills them."""
    require_jsonl(into)
    for path in (into, audited):
        if path is None:
            continue
        if path.exists() and not path.is_file():
            raise InputError(f"{path} is no regular file, so nothing can be written to it; name another file.")
        if not path.parent.is_dir():
            raise InputError(f"{path} cannot be written: the folder {path.parent} does not exist. Make it, or name a file in another one.")


@contextmanager
def _scoring(into: Path, rows: Sequence[Mined], scorer: Scorer, progress: Progress) -> Iterator[list[Mined]]:
    """The rows with the scorer's scores; these are kept until the block ends well."""
    made = {"rows": hashlib.sha256(mined_bytes(rows)).hexdigest(), "scorer": scorer.fingerprint}
    with _work(into, made) as run:
        yield scored(run, "scores", rows, scorer, progress)


@contextmanager
def _work(into: Path, inputs: Mapping[str, Any]) -> Iterator[Run]:
    """Where what is half done lies; all of it is gone when the block ends well."""
    folder = into.with_name(into.name + ".work")
    yield Run.of(folder, inputs)
    shutil.rmtree(folder, ignore_errors=True)


def split(queries: Path, qrels: Path, into: Path, share: float, seed: int) -> SplitFiles:
    """Two tables of judgements, train.tsv and dev.tsv, in the folder `into`; near-duplicate questions are all in one of them.

    Raises:
        InputError: a file is not what it should be, or there are too few different questions. StoreError: `into` is not empty.
    """
    asked, known, skipped = asking.judged(queries, qrels)
    parts = dict(zip(("train", "dev"), split_questions(asked, share, seed), strict=True))
    files = {f"{name}.tsv": qrels_bytes({query.id: known[query.id] for query in part}) for name, part in parts.items()}
    durable.write_folder(into, files, {"queries": str(queries), "qrels": str(qrels), "share": share, "seed": seed})
    counts = {name: len(part) for name, part in parts.items()}
    return SplitFiles(str(into / "train.tsv"), str(into / "dev.tsv"), counts, tuple(skipped))


def mix(tuned: str, base: str, share: float, into: Path) -> MixedModel:
    """Write a model whose weights are a `share` of a tuned model's, the rest being those of the base that it was trained from.

    Raises:
        InputError: the share is not between 0 and 1, a model has no weights, the two are not of one origin, or `into` is not empty.
    """
    from bicross.training.fitting import require_free
    from bicross.training.surgery import average

    if not 0 < share < 1:
        raise InputError(f"The share is {share:g}; expected a number between 0, which is the base, and 1, which is the tuned model.")
    target = Path(os.path.realpath(into))
    require_free(target)
    average([trainable(tuned).root, trainable(base).root], [share, 1 - share], target, {"mixed": [tuned, base], "share": share})
    return MixedModel(str(into), registry.find(str(target)).fingerprint(), share)


def weigh(path: Path, queries: Path, qrels: Path, depth: int | None, progress: Progress) -> Weighed:
    """Fit how a collection joins its stages on questions that its models did not train on, which are left out; kept where nDCG@10 of
    two-stage search, cross-fitted, is better at 95 % (`evaluation.gate.better`)."""
    start = time.perf_counter()
    asked, known, skipped = asking.judged(queries, qrels)
    with OpenCollection(path) as collection:
        facts, space, stored = collection.facts, collection.corpus.space, collection.weights
        asked, seen = fitting_questions(asked, path, facts)
        found, before, after = fit_and_measure(collection, asked, known, depth or stored.depth, progress)
    compared = compare(before, after, {query.id: known[query.id] for query in asked}, "nDCG@10")
    if adopted := better(compared, GateSettings()):
        fitted = Weights.of(found["weights"])
        same = {kind: one for kind, one in stored.calibration.items() if kind in ("dense", "lexical")}  # no weight changes their scores
        kept = replace(fitted, calibration={**fitted.calibration, **same}).as_json()
        with Collection.write(path) as writer:
            if (writer.facts, writer.space) != (facts, space):
                raise StoreError(
                    f"{path} got other models or weights while these were fitted, so nothing is kept. Run `bicross weigh` again."
                )
            writer.activate(space, replace(facts, weights=kept))
    weights = kept if adopted else dict(facts.weights)
    seconds = time.perf_counter() - start
    return Weighed(len(asked), compared.mean_a, compared.mean_b, adopted, weights, found["quality"], (*skipped, *seen), seconds)


def fitting_questions(asked: Sequence[Query], path: Path, facts: Facts) -> tuple[list[Query], list[Skip]]:
    """The questions that the models have not seen, and the others, skipped. Raises InputError where too few are left to fit weights on."""
    seen = ancestry(path, facts).saw(asked)
    if len(seen) == len(asked):
        raise InputError(
            f"All {len(asked)} questions have trained the models of {path}, which rank what they have seen too well for weights to be "
            "fitted. Name questions that `bicross tune` did not get, such as those of its --dev."
        )
    skips = [Skip(query.id, "it trained a model that answers now") for query in asked if query.id in seen]
    left = [query for query in asked if query.id not in seen]
    require_folds(left)
    return left, skips
