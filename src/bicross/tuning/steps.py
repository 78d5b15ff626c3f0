"""The single steps of `tune`, each reading and writing files: mine, distill, train."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

from bicross import asking, durable
from bicross.data.examples import mined_bytes, read_mined, read_training
from bicross.data.rows import read_rows
from bicross.errors import InputError
from bicross.mining.audit import audit
from bicross.mining.denoise import score
from bicross.mining.page import page
from bicross.mining.sampling import examples
from bicross.models import names, registry
from bicross.opened import OpenCollection
from bicross.records import Example, LabelledPair, Mined, Skip
from bicross.results import MinedFile, TrainedModel
from bicross.settings import BiEncoderSettings, CrossEncoderSettings, MineSettings
from bicross.tuning.mined import denoised, gather
from bicross.tuning.run import Run
from bicross.tuning.scoring import scored

Progress = Callable[[str, int, int], None]
Rows = Sequence[Example] | Sequence[LabelledPair]


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

    What was scored is kept in the collection until the file is written, under the fingerprints of documents, models and settings.
    """
    start = time.perf_counter()
    asked, known, skipped = asking.judged(queries, qrels)
    with OpenCollection(path) as collection:
        scorer = collection.reranker() if reranker is None else registry.load_reranker(names.located(names.canonical(reranker, path), path))
        with collection.snapshot():
            inputs = {
                "documents": collection.view.revision,
                "space": collection.encoder().space.fingerprint,
                "scorer": scorer.fingerprint,
                "settings": settings.model_dump(),
                "questions": [[query.id, query.text, sorted(known[query.id].items())] for query in asked],
            }
            rows = gather(collection, asked, known, settings, 2 * settings.depth, {}, progress)
    run = Run.of(path / "tuning", inputs)
    mined = denoised(scored(run, "scores", rows, scorer, progress), settings)
    durable.write_file(into, mined_bytes(mined))
    shutil.rmtree(run.folder, ignore_errors=True)
    return _mined_file(mined, into, settings.seed, audited, skipped, time.perf_counter() - start)


def distill(source: Path, reranker: str, into: Path, progress: Progress) -> MinedFile:
    """The mined rows with the scores of another cross-encoder, the teacher; kinds and order stay. `train` learns these scores."""
    start = time.perf_counter()
    taught = score(read_mined(source), registry.load_reranker(reranker), progress)
    durable.write_file(into, mined_bytes(taught))
    return _mined_file(taught, into, 0, None, [], time.perf_counter() - start)


def train(
    kind: str,
    rows: Path,
    base: str,
    into: Path,
    settings: BiEncoderSettings | CrossEncoderSettings,
    teacher: str | None,
    progress: Progress,
) -> TrainedModel:
    """Train a model on a file of mined rows, rows with negatives, or labelled pairs. Interrupted and run again, it goes on.

    Raises:
        InputError: the rows do not fit the loss, or `into` is not empty.
    """
    from bicross.training.bi_encoder import train_bi_encoder  # torch is loaded for this verb only
    from bicross.training.cross_encoder import train_cross_encoder

    if into.exists() and any(into.iterdir()):
        raise InputError(f"{into} exists already and is not empty; name a new folder.")
    epochs, folder, work = epochs_of(rows, settings), registry.find(base).root, into.with_name(into.name + ".work")
    if isinstance(settings, BiEncoderSettings):
        done = train_bi_encoder(epochs, folder, into, settings, work, progress)
    else:
        taught = None if teacher is None else registry.find(teacher).root
        done = train_cross_encoder(epochs, folder, into, settings, work, progress, taught)
    shutil.rmtree(work, ignore_errors=True)
    return TrainedModel(kind, str(into), registry.find(str(into)).fingerprint(), len(epochs[0]), done.steps, done.losses, done.seconds)


def epochs_of(rows: Path, settings: BiEncoderSettings | CrossEncoderSettings) -> list[Rows]:
    """The rows of each epoch: of a mined file, other negatives each time."""
    first = next((row for row in read_rows(rows) if not isinstance(row, Skip)), None)
    if first is not None and {"positives", "candidates"} <= first.fields.keys():
        mined = read_mined(rows)
        epochs = [examples(mined, settings.negatives, settings.seed + epoch, randoms=1) for epoch in range(settings.epochs)]
        return [[row for row in epoch if row.negatives or not settings.negatives] for epoch in epochs]
    found = read_training(rows)
    return [found] * settings.epochs


def _mined_file(mined: Sequence[Mined], into: Path, seed: int, audited: Path | None, skipped: Sequence[Skip], seconds: float) -> MinedFile:
    found = audit(mined, seed)
    if audited is not None:
        durable.write_file(audited, page(found).encode())
    return MinedFile(str(into), len(mined), asdict(found), None if audited is None else str(audited), tuple(skipped), seconds)
