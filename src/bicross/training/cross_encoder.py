"""Training a cross-encoder: groups of an answer and its negatives, or labelled pairs, through sentence-transformers' trainer."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sentence_transformers import CrossEncoder
from sentence_transformers.cross_encoder import CrossEncoderTrainer, CrossEncoderTrainingArguments, losses

from bicross.errors import InputError
from bicross.records import Example, LabelledPair
from bicross.settings import CrossEncoderSettings
from bicross.training.fitting import Progress, Trained, fit, keep, loading, reproducible
from bicross.training.padding import trim_padding
from bicross.training.surgery import freeze, keep_layers
from bicross.training.teacher import TeacherLoss

Rows = Sequence[Example] | Sequence[LabelledPair]
CERTAIN = 10.0  # the listwise label of the answer: ListNet takes a softmax of the labels, e^10 against e^0
LONGEST = 512
LISTWISE = {"listwise": losses.ListNetLoss, "lambda": losses.LambdaLoss, "ranknet": losses.RankNetLoss}
PAIRWISE = {"bce": losses.BinaryCrossEntropyLoss, "mse": losses.MSELoss, "cross-entropy": losses.CrossEntropyLoss}


def train_cross_encoder(
    epochs: Sequence[Rows],
    base: Path,
    into: Path,
    settings: CrossEncoderSettings,
    work: Path,
    progress: Progress,
    teacher: Path | None = None,
) -> Trained:
    """Train on `epochs`, each the rows of one epoch, and write the model to the folder `into`; `base` may be a bi-encoder, too.

    With a `teacher`, a bigger cross-encoder, the model learns its scores, and its hidden states layer to layer, instead of labels.
    Interrupted and called again with the same arguments it goes on from its last checkpoint in `work`, to the same weights.

    Raises:
        InputError: rows are of the wrong kind for the loss; `into` is not empty; teacher and student do not fit.
    """
    rows = [row for epoch in epochs for row in epoch]
    _check(rows, settings, teacher)
    grouped = settings.loss in LISTWISE
    if not grouped:
        epochs = [_pairs(epoch) for epoch in epochs]
        rows = [row for epoch in epochs for row in epoch]
    with reproducible(settings.seed):
        labels = 1 + max(int(row.label) for row in rows if isinstance(row, LabelledPair)) if settings.loss == "cross-entropy" else 1
        model = CrossEncoder(str(base), num_labels=labels, max_length=settings.max_tokens, **loading())
        kept = keep_layers(model.model.base_model, settings.layers) if settings.layers else None
        freeze(model.model.base_model, settings.frozen_layers)
        trim_padding(model.model.base_model)
        loss = _loss(model, settings) if teacher is None else TeacherLoss(model, teacher, kept)
        done = fit(
            (CrossEncoderTrainer, CrossEncoderTrainingArguments),
            model,
            _columns(rows),
            _batches(epochs, settings),
            loss,
            settings,
            work,
            "training the cross-encoder",
            progress,
        )
        model.max_length = min(getattr(model.model.config, "max_position_embeddings", LONGEST), LONGEST)
        keep(model, into, {"trained from": base.name, "settings": settings.model_dump()})
    return done


def _loss(model: CrossEncoder, settings: CrossEncoderSettings) -> Any:
    if settings.loss in LISTWISE:
        return LISTWISE[settings.loss](model, mini_batch_size=-1)  # the whole batch at once
    return PAIRWISE[settings.loss](model)


def _check(rows: Sequence[Example | LabelledPair], settings: CrossEncoderSettings, teacher: Path | None) -> None:
    if not rows:
        raise InputError("There is no row to train on.")
    if settings.loss in LISTWISE or teacher is not None:
        lonely = next((row for row in rows if not isinstance(row, Example) or not row.negatives), None)
        if lonely is not None or settings.loss not in LISTWISE:
            raise InputError(
                f"The loss {settings.loss!r}, or a teacher, needs rows with negatives and a listwise loss. Mine some: bicross mine."
            )


def _pairs(rows: Rows) -> list[LabelledPair]:
    """Labelled pairs as they are; of a row with negatives, the answer as 1 and each negative as 0."""
    pairs = []
    for row in rows:
        if isinstance(row, LabelledPair):
            pairs.append(row)
        else:
            pairs += [LabelledPair(row.query, row.positive, 1.0), *(LabelledPair(row.query, text, 0.0) for text in row.negatives)]
    return pairs


def _columns(rows: Sequence[Example | LabelledPair]) -> dict[str, list[Any]]:
    pairs = [row for row in rows if isinstance(row, LabelledPair)]
    if pairs:
        whole = all(row.label.is_integer() and row.label >= 0 for row in pairs)
        labels = [int(row.label) if whole else row.label for row in pairs]
        return {"query": [row.first for row in pairs], "document": [row.second for row in pairs], "label": labels}
    groups = [row for row in rows if isinstance(row, Example)]
    return {
        "query": [row.query for row in groups],
        "documents": [[row.positive, *row.negatives] for row in groups],
        "label": [[CERTAIN] + [0.0] * len(row.negatives) for row in groups],
    }


def _batches(epochs: Sequence[Rows], settings: CrossEncoderSettings) -> list[list[int]]:
    """All epochs' batches, rows numbered through; rows do not meet, so any order will do."""
    batches, start = list[list[int]](), 0
    for number, rows in enumerate(epochs):
        order = list(range(start, start + len(rows)))
        random.Random(settings.seed + number).shuffle(order)
        batches += [order[place : place + settings.batch] for place in range(0, len(order), settings.batch)]
        start += len(rows)
    return batches
