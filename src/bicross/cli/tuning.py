"""The verbs that make better models; `main` gives them to the command line."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any

import typer

from bicross.cli.options import AtCollection, EstimateFlag, Json, QrelsFlag, Queries, duration, settings_of
from bicross.errors import InputError

Dev = Annotated[Path | None, typer.Option(help="Qrels of development questions, which only measure. By default a fifth is held out.")]
Budget = Annotated[str | None, typer.Option(help="How long it may take, as 90s, 30m or 2h; the plan is made to fit.")]
Rounds = Annotated[int | None, typer.Option(help="How often it mines anew with its own models. By default what the budget allows.")]
KeptDepth = Annotated[int | None, typer.Option(help="Candidates that are reranked, measured and kept. By default as in the collection.")]
Margin = Annotated[float, typer.Option(help="Promote only what is better by more nDCG@10 than this.")]
Confidence = Annotated[float, typer.Option(help="How sure the gate must be that it is better.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Measure this machine, print the plan with its estimates, and stop.")]
Seed = Annotated[int, typer.Option(help="Same seed, data and number of threads: same bytes.")]


Rows = Annotated[Path, typer.Argument(help="Mined rows, rows with negatives, or labelled pairs: JSONL, CSV or TSV.")]
NewFile = Annotated[Path, typer.Option("--into", help="The file to write, JSONL.")]
NewFolder = Annotated[Path, typer.Option("--into", help="The new model's folder.")]
Epochs = Annotated[int, typer.Option(help="How often the rows are gone through.")]
Rate = Annotated[float, typer.Option(help="The highest learning rate.")]
Tokens = Annotated[int, typer.Option(help="Longer texts are cut while training.")]
Frozen = Annotated[int, typer.Option(help="So many lower layers keep their weights.")]
Base = Annotated[str | None, typer.Option(help="What is trained: a folder, or a hub's name. By default what ships with Bicross.")]
train_app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Train one model on rows. Needs the extra `train`.")


def tune(
    collection: AtCollection,
    queries: Queries,
    qrels: QrelsFlag,
    dev: Dev = None,
    budget: Budget = None,
    rounds: Rounds = None,
    depth: KeptDepth = None,
    margin: Margin = 0.0,
    confidence: Confidence = 0.95,
    seed: Seed = 0,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Train both models on your questions: mine, denoise, train, distil, measure; promote only what is proven better.

    Interrupted, run it again: it goes on where it was.
    """
    from bicross import pipeline
    from bicross.cli import show_tuning
    from bicross.cli.progress import bar
    from bicross.cli.show import note, out

    seconds, gate = None if budget is None else duration(budget, "--budget"), {"margin": margin, "confidence": confidence}
    settings = settings_of("TuneSettings", budget=seconds, rounds=rounds, depth=depth, seed=seed, gate=gate)
    with bar() as progress:
        found = pipeline.tune(collection, queries, qrels, dev, settings, dry_run, progress, lambda plan: note(show_tuning.tuned(plan)))
    out(found, as_json, show_tuning.tuned)


def split(
    queries: Queries,
    qrels: QrelsFlag,
    into: Annotated[Path, typer.Option("--into", help="The new folder: train.tsv and dev.tsv.")],
    share: Annotated[float, typer.Option(help="Of the questions, to measure with.")] = 0.2,
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Split judged questions into a part to train on and a part to measure with; near-duplicates stay together."""
    from bicross import pipeline
    from bicross.cli import show_tuning
    from bicross.cli.show import out

    if not 0 < share < 1:
        raise InputError(f"--share is {share:g}; expected a number between 0 and 1.")
    out(pipeline.split(queries, qrels, into, share, seed), as_json, show_tuning.parted)


def weigh(
    collection: AtCollection,
    queries: Queries,
    qrels: QrelsFlag,
    depth: KeptDepth = None,
    dry_run: EstimateFlag = False,
    as_json: Json = False,
) -> None:
    """Fit how the stages are joined on questions that the models did not train on; kept if better, and `rollback` goes back."""
    from bicross import pipeline
    from bicross.cli import show_tuning
    from bicross.cli.progress import bar
    from bicross.cli.show import estimated, out

    settings_of("TuneSettings", depth=depth)  # checks the number
    if dry_run:
        with bar() as progress:
            ahead = pipeline.estimate_weigh(collection, queries, qrels, depth, progress)
        out(ahead, as_json, estimated)
        return
    with bar() as progress:
        found = pipeline.weigh(collection, queries, qrels, depth, progress)
    out(found, as_json, show_tuning.weighed)


def mine(
    collection: AtCollection,
    queries: Queries,
    qrels: QrelsFlag,
    into: NewFile,
    reranker: Annotated[str | None, typer.Option(help="The cross-encoder that denoises. By default the collection's.")] = None,
    depth: Annotated[int, typer.Option(help="Candidates that lexical and dense search give each.")] = 40,
    quantile: Annotated[float, typer.Option(help="Of the known answers' scores: a candidate above it is suspected to be one.")] = 0.8,
    audit: Annotated[Path | None, typer.Option(help="Write the audit here, a page to read.")] = None,
    seed: Seed = 0,
    dry_run: EstimateFlag = False,
    as_json: Json = False,
) -> None:
    """Find hard negatives for judged questions, cleaned of false ones by a cross-encoder; with an audit."""
    from bicross import pipeline
    from bicross.cli import show_tuning
    from bicross.cli.progress import bar
    from bicross.cli.show import estimated, out

    settings = settings_of("MineSettings", depth=depth, quantile=quantile, seed=seed)
    if dry_run:
        with bar() as progress:
            ahead = pipeline.estimate_mine(collection, queries, qrels, into, settings, reranker, audit, progress)
        out(ahead, as_json, estimated)
        return
    with bar() as progress:
        found = pipeline.mine(collection, queries, qrels, into, settings, reranker, audit, progress)
    out(found, as_json, show_tuning.mined)


def distill(
    mined: Annotated[Path, typer.Argument(help="A file that `bicross mine` wrote.")],
    teacher: Annotated[str, typer.Option(help="The cross-encoder whose scores are written: a folder, or a hub's name.")],
    into: NewFile,
    dry_run: EstimateFlag = False,
    as_json: Json = False,
) -> None:
    """Put a teacher's scores onto mined rows; `bicross train bi-encoder` learns them."""
    from bicross import pipeline
    from bicross.cli import show_tuning
    from bicross.cli.progress import bar
    from bicross.cli.show import estimated, out

    if dry_run:
        out(pipeline.estimate_distill(mined, teacher, into), as_json, estimated)
        return
    with bar() as progress:
        found = pipeline.distill(mined, teacher, into, progress)
    out(found, as_json, show_tuning.mined)


def mix(
    tuned: Annotated[str, typer.Argument(metavar="MODEL", help="The folder of a bi-encoder that was trained.")],
    into: NewFolder,
    base: Annotated[str | None, typer.Option(help="What it was trained from. By default what ships with Bicross.")] = None,
    share: Annotated[float, typer.Option(help="Of the trained weights; the rest is the base's.")] = 0.5,
    as_json: Json = False,
) -> None:
    """Mix a trained bi-encoder with its base: it forgets less of what it knew."""
    from bicross import pipeline
    from bicross.cli import show_tuning
    from bicross.cli.show import out

    out(pipeline.mix(tuned, into, base, share), as_json, show_tuning.mixed)


@train_app.command("bi-encoder")
def train_bi_encoder(
    rows: Rows,
    into: NewFolder,
    base: Base = None,
    loss: Annotated[str, typer.Option(help="contrastive, triplet; for labelled pairs: pairs (0 and 1) or cosine.")] = "contrastive",
    distil: Annotated[str, typer.Option(help="How the rows' teacher scores are learned: kl, margin-mse or none.")] = "kl",
    epochs: Epochs = 2,
    batch: Annotated[int, typer.Option(help="Rows in a batch: each is a negative of all others.")] = 32,
    mini_batch: Annotated[int, typer.Option(help="Rows that hold gradients at a time (cached gradients); 0 for all.")] = 0,
    negatives: Annotated[int, typer.Option(help="Mined negatives of a row.")] = 3,
    matryoshka: Annotated[str, typer.Option(help="Shorter dimensions trained along, as 256,128.")] = "",
    pooling: Annotated[str | None, typer.Option(help="mean, cls or max. By default as the base has it.")] = None,
    separate: Annotated[bool, typer.Option("--separate", help="Separate encoders for questions and documents.")] = False,
    learning_rate: Rate = 3e-5,
    max_tokens: Tokens = 192,
    frozen_layers: Frozen = 0,
    seed: Seed = 0,
    dry_run: EstimateFlag = False,
    as_json: Json = False,
) -> None:
    """Train a bi-encoder on mined rows, rows with negatives, or labelled pairs. Interrupted, run it again."""
    settings = settings_of(
        "BiEncoderSettings",
        loss=loss,
        distil=distil,
        epochs=epochs,
        batch=batch,
        mini_batch=mini_batch,
        negatives=negatives,
        matryoshka=dimensions(matryoshka),
        pooling=pooling,
        separate=separate,
        learning_rate=learning_rate,
        max_tokens=max_tokens,
        frozen_layers=frozen_layers,
        seed=seed,
    )
    _train("bi-encoder", rows, base, into, settings, None, dry_run, as_json)


@train_app.command("cross-encoder")
def train_cross_encoder(
    rows: Rows,
    into: NewFolder,
    base: Base = None,
    loss: Annotated[str, typer.Option(help="listwise, lambda, ranknet; for labelled pairs: bce, mse or cross-entropy.")] = "listwise",
    teacher: Annotated[str | None, typer.Option(help="A bigger cross-encoder, whose scores and hidden states are learned.")] = None,
    layers: Annotated[int | None, typer.Option(help="Keep so many of the base's layers.")] = None,
    epochs: Epochs = 1,
    batch: Annotated[int, typer.Option(help="Rows in a batch: an answer with its negatives, or a pair.")] = 8,
    negatives: Annotated[int, typer.Option(help="Mined negatives of an answer.")] = 5,
    learning_rate: Rate = 1e-4,
    max_tokens: Tokens = 192,
    frozen_layers: Frozen = 0,
    seed: Seed = 0,
    dry_run: EstimateFlag = False,
    as_json: Json = False,
) -> None:
    """Train a cross-encoder on mined rows, rows with negatives, or labelled pairs. Interrupted, run it again."""
    settings = settings_of(
        "CrossEncoderSettings",
        loss=loss,
        layers=layers,
        epochs=epochs,
        batch=batch,
        negatives=negatives,
        learning_rate=learning_rate,
        max_tokens=max_tokens,
        frozen_layers=frozen_layers,
        seed=seed,
    )
    _train("cross-encoder", rows, base, into, settings, teacher, dry_run, as_json)


def _train(kind: str, rows: Path, base: str | None, into: Path, settings: Any, teacher: str | None, dry_run: bool, as_json: bool) -> None:
    from bicross import pipeline
    from bicross.cli import show_tuning
    from bicross.cli.progress import bar
    from bicross.cli.show import estimated, out

    if dry_run:
        with bar() as progress:
            ahead = pipeline.estimate_train(kind, rows, base, into, settings, teacher, progress)
        out(ahead, as_json, estimated)
        return
    with bar() as progress:
        found = pipeline.train(kind, rows, base, into, settings, teacher, progress)
    out(found, as_json, show_tuning.trained)


def dimensions(text: str) -> tuple[int, ...]:
    """Whole numbers above 0 with commas between them; none of an empty text. Raises InputError."""
    parts = [part.strip() for part in text.split(",")] if text.strip() else []
    if wrong := [part for part in parts if not re.fullmatch(r"0*[1-9][0-9]{0,5}", part)]:
        raise InputError(f"--matryoshka names {wrong[0]!r}; expected whole numbers with commas between them, such as 256,128.")
    return tuple(map(int, parts))
