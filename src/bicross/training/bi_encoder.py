"""Training a bi-encoder: rows of question, answer and negatives, or labelled pairs, through sentence-transformers' trainer."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

from sentence_transformers import SentenceTransformer, SentenceTransformerTrainer, SentenceTransformerTrainingArguments
from sentence_transformers.base.modules import Router
from sentence_transformers.sentence_transformer.modules import Normalize, Pooling

from bicross.errors import InputError
from bicross.models.folder import read_folder
from bicross.protocols import Progress
from bicross.records import Example, LabelledPair
from bicross.settings import BiEncoderSettings
from bicross.training.batches import compose
from bicross.training.card import data_of, plain_card
from bicross.training.fitting import Trained, fit, keep, reproducible, require_free
from bicross.training.loading import load
from bicross.training.losses import bi_encoder_loss, is_cosine
from bicross.training.padding import trim_padding
from bicross.training.surgery import freeze

Rows = Sequence[Example] | Sequence[LabelledPair]
LONGEST = 512  # tokens that the trained model reads, where its base stated more or nothing
LABELS: dict[str, tuple[Callable[[float], bool], str]] = {
    "pairs": (lambda label: label in (0, 1), "0 or 1"),
    "cosine": (lambda label: -1 <= label <= 1, "a similarity from -1 to 1; scale grades to that"),
}


def train_bi_encoder(
    epochs: Sequence[Rows], base: Path, into: Path, settings: BiEncoderSettings, work: Path, progress: Progress
) -> Trained:
    """Train on `epochs`, each the rows of one epoch (they may differ in their negatives), and write the model to the folder `into`.

    Texts get the prompts that search gives them. Interrupted and called again with the same arguments it goes on from its last
    checkpoint in `work`, to the same weights.

    Raises:
        InputError: rows or the base do not fit the settings, or rows differ in their number of negatives; `into` is not empty.
    """
    rows = [row for epoch in epochs for row in epoch]
    _check(rows, settings)
    require_free(into)
    folder = read_folder(base)
    if folder.is_reranker:
        raise InputError(f"{base} is a reranker (cross-encoder); expected a bi-encoder, or a plain transformer.")
    with reproducible(settings.seed):
        model = _load(base, settings)
        longest = {"query": (folder.query_tower or folder).max_tokens, "document": folder.max_tokens}
        towers = towers_of(model)
        for side, tower in towers.items():
            tower.max_seq_length = min(settings.max_tokens, longest[side])
            freeze(tower.model, settings.frozen_layers)
            trim_padding(tower.model)
        columns, distils = _columns(rows, settings)
        sides = {name: "query" if name == "query" else "document" for name in columns if name != "label"}
        prompts = {"query": folder.query_prompt, "document": folder.document_prompt}
        model.prompts.update(prompts)  # else sentence-transformers passes over a prompt of another name, such as "passage"
        done = fit(
            (SentenceTransformerTrainer, SentenceTransformerTrainingArguments),
            model,
            columns,
            _batches(epochs, settings),
            bi_encoder_loss(model, settings, distils),
            settings,
            work,
            [folder.fingerprint()],
            "training the bi-encoder",
            progress,
            prompts={name: prompts[side] for name, side in sides.items()},
            router_mapping=sides if isinstance(model[0], Router) else {},
        )
        for side, tower in towers.items():
            tower.max_seq_length = min(longest[side], LONGEST)
        facts = {"trained from": base.name, "settings": settings.model_dump()}
        keep(model, into, facts, plain_card("encoder", "trained", {**facts, "fingerprint": folder.fingerprint(), "data": data_of(rows)}))
    return done


def _load(base: Path, settings: BiEncoderSettings) -> Any:
    """The base as it is, or its transformer with another pooling; with `separate`, one tower for questions and one for documents."""
    model: Any = load(SentenceTransformer, base)
    if settings.pooling:
        transformer = model[0]
        if isinstance(transformer, Router):
            raise InputError(f"{base} has separate encoders already; their pooling cannot be changed.")
        pooling = Pooling(transformer.get_embedding_dimension(), pooling_mode=settings.pooling)
        model = _assembled(model, [transformer, pooling, *([Normalize()] if is_cosine(model) else [])])
    if settings.separate and not isinstance(model[0], Router):
        towers: list[Any] = [list(model), [deepcopy(module) for module in model]]
        model = _assembled(model, [Router.for_query_document(query_modules=towers[0], document_modules=towers[1])])
    return model


def _assembled(model: Any, modules: Any) -> Any:
    facts = {"similarity_fn_name": model.similarity_fn_name, "default_prompt_name": model.default_prompt_name}
    return SentenceTransformer(modules=modules, prompts=model.prompts, device=str(model.device), **facts)


def towers_of(model: Any) -> dict[str, Any]:
    """The modules that hold the transformers, by side; the one for both sides is called the documents'."""
    if isinstance(model[0], Router):
        return {side: next(iter(route.children())) for side, route in model[0].sub_modules.items()}
    return {"document": model[0]}


def _check(rows: Sequence[Example | LabelledPair], settings: BiEncoderSettings) -> None:
    if not rows:
        raise InputError("There is no row to train on.")
    wanted = LabelledPair if settings.loss in LABELS else Example
    if wrong := next((row for row in rows if not isinstance(row, wanted)), None):
        raise InputError(f"The loss {settings.loss!r} trains on {wanted.__name__} rows, found was a {type(wrong).__name__}.")
    if settings.loss in LABELS:
        known, expected = LABELS[settings.loss]
        if odd := next((row for row in rows if isinstance(row, LabelledPair) and not known(row.label)), None):
            raise InputError(
                f"The label of {odd.first!r} and {odd.second!r} is {odd.label:g}; the loss {settings.loss!r} expects {expected}."
            )
    lengths = {len(row.negatives) for row in rows if isinstance(row, Example)}
    if len(lengths) > 1:
        raise InputError(f"Rows have {min(lengths)} to {max(lengths)} negatives; expected the same number in each.")
    if settings.loss == "triplet" and lengths == {0}:
        raise InputError("The triplet loss needs rows with a negative; mine some first: bicross mine.")
    if settings.distil != "none" and len({bool(row.scores) for row in rows if isinstance(row, Example)}) > 1:
        raise InputError("Some rows have a teacher's scores and some have none; expected all or none. Score them all, or learn without.")


def _columns(rows: Sequence[Any], settings: BiEncoderSettings) -> tuple[dict[str, list[Any]], bool]:
    """The trainer's columns, and whether a teacher's scores are among them."""
    if settings.loss in ("pairs", "cosine"):
        return {
            "query": [row.first for row in rows],
            "document": [row.second for row in rows],
            "label": [row.label for row in rows],
        }, False
    columns: dict[str, list[Any]] = {"query": [row.query for row in rows], "positive": [row.positive for row in rows]}
    count = 1 if settings.loss == "triplet" else len(rows[0].negatives)
    for place in range(count):
        columns[f"negative_{place + 1}"] = [row.negatives[place] for row in rows]
    distils = settings.loss == "contrastive" and settings.distil != "none" and count > 0 and all(row.scores for row in rows)
    if distils:
        columns["label"] = [list(row.scores) for row in rows]
    return columns, distils


def _batches(epochs: Sequence[Rows], settings: BiEncoderSettings) -> list[list[int]]:
    """All epochs' batches, rows numbered through."""
    batches, start = list[list[int]](), 0
    for number, rows in enumerate(epochs):
        seed = settings.seed + number
        batches += [[start + row for row in batch] for batch in _epoch(rows, settings.batch, seed)]
        start += len(rows)
    return batches


def _epoch(rows: Rows, size: int, seed: int) -> list[list[int]]:
    examples = [row for row in rows if isinstance(row, Example)]
    if examples:
        return compose(examples, size, seed)
    order = list(range(len(rows)))  # labelled pairs say all that they say by themselves
    random.Random(seed).shuffle(order)
    return [order[place : place + size] for place in range(0, len(order), size)]
