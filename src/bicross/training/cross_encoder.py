"""Training a cross-encoder: groups of an answer and its negatives, or labelled pairs, through sentence-transformers' trainer."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from sentence_transformers import CrossEncoder
from sentence_transformers.cross_encoder import CrossEncoderTrainer, CrossEncoderTrainingArguments, losses

from bicross.errors import InputError
from bicross.models.folder import read_folder
from bicross.protocols import Progress
from bicross.records import Example, LabelledPair
from bicross.settings import CrossEncoderSettings
from bicross.training.card import data_of, plain_card
from bicross.training.fitting import Trained, fit, keep, reproducible, require_free
from bicross.training.loading import load
from bicross.training.padding import trim_padding
from bicross.training.surgery import freeze, keep_layers
from bicross.training.teacher import TeacherLoss

Rows = Sequence[Example] | Sequence[LabelledPair]
CERTAIN = 10.0  # the listwise label of the answer: ListNet takes a softmax of the labels, e^10 against e^0
LONGEST = 512
LISTWISE = {"listwise": losses.ListNetLoss, "lambda": losses.LambdaLoss, "ranknet": losses.RankNetLoss}
PAIRWISE = {"bce": losses.BinaryCrossEntropyLoss, "mse": losses.MSELoss, "cross-entropy": losses.CrossEntropyLoss}
LABELS: dict[str, tuple[Callable[[float], bool], str]] = {
    "bce": (lambda label: 0 <= label <= 1, "a probability from 0 to 1; for grades there is mse"),
    "cross-entropy": (lambda label: label >= 0 and label.is_integer(), "the number of a class, from 0"),
}


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
    if settings.loss not in LISTWISE:
        epochs = [_pairs(epoch) for epoch in epochs]
    rows = [row for epoch in epochs for row in epoch]
    _check(rows, settings, teacher)
    require_free(into)
    folder = read_folder(base)
    if folder.query_tower is not None:
        raise InputError(f"{base} has separate encoders for queries and documents; expected one network, which reads both together.")
    with reproducible(settings.seed):
        model = _load(base, settings, rows)
        model.max_seq_length = min(settings.max_tokens, folder.max_tokens)
        if settings.layers:
            keep_layers(model.model.base_model, settings.layers)
        freeze(model.model.base_model, settings.frozen_layers)
        trim_padding(model.model.base_model)
        done = fit(
            (CrossEncoderTrainer, CrossEncoderTrainingArguments),
            model,
            _columns(rows),
            _batches(epochs, settings),
            _loss(model, settings) if teacher is None else TeacherLoss(model, teacher),
            settings,
            work,
            [found.fingerprint() for found in (folder, *([] if teacher is None else [read_folder(teacher)]))],
            "training the cross-encoder",
            progress,
        )
        model.max_seq_length = min(folder.max_tokens, LONGEST)
        facts = {"trained from": base.name, "settings": settings.model_dump()}
        keep(model, into, facts, plain_card("reranker", "trained", {**facts, "fingerprint": folder.fingerprint(), "data": data_of(rows)}))
    return done


def _load(base: Path, settings: CrossEncoderSettings, rows: Sequence[Any]) -> Any:
    """The base with a head for as many scores a pair as the loss needs; the head is new where the base has none of that size."""
    scores = 1 + max(int(row.label) for row in rows) if settings.loss == "cross-entropy" else 1
    return load(CrossEncoder, base, scores)


def _loss(model: CrossEncoder, settings: CrossEncoderSettings) -> Any:
    if settings.loss in LISTWISE:
        return LISTWISE[settings.loss](model, mini_batch_size=-1)  # the whole batch at once
    return PAIRWISE[settings.loss](model)


def _check(rows: Sequence[Example | LabelledPair], settings: CrossEncoderSettings, teacher: Path | None) -> None:
    if not rows:
        raise InputError("There is no row to train on.")
    if settings.loss in LISTWISE:
        if not all(isinstance(row, Example) and row.negatives for row in rows):
            raise InputError(f"The loss {settings.loss!r} needs rows with negatives. Mine some, bicross mine, or use another loss.")
    elif teacher is not None:
        raise InputError(f"A teacher needs rows with negatives and a listwise loss, not {settings.loss!r}.")
    elif settings.loss in LABELS:
        known, expected = LABELS[settings.loss]
        if odd := next((row for row in rows if isinstance(row, LabelledPair) and not known(row.label)), None):
            raise InputError(
                f"The label of {odd.first!r} and {odd.second!r} is {odd.label:g}; the loss {settings.loss!r} expects {expected}."
            )
        if settings.loss == "cross-entropy" and len({row.label for row in rows if isinstance(row, LabelledPair)}) < 2:
            raise InputError("All rows are of one class; expected two classes or more.")


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
