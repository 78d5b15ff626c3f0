"""One training run on sentence-transformers' trainers: the same batches whatever happens, and resumed where it was interrupted."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import transformers
from datasets import Dataset
from datasets.utils import logging as datasets_logging
from sentence_transformers.base.sampler import DefaultBatchSampler
from torch.utils.data import SequentialSampler
from transformers import PrinterCallback, TrainerCallback

from bicross import durable
from bicross.errors import InputError
from bicross.protocols import Progress
from bicross.settings import TrainSettings
from bicross.training.card import CARD
from bicross.training.loading import has_gpu, in_bf16

CHECKPOINT_SECONDS = 60.0  # between checkpoints, at least: an interruption costs no more than that
WHOLE = "whole"  # the file that a checkpoint gets when all of it is on the disk
INPUTS = "inputs.sha256"  # what the checkpoints beside it were made of
DONE = "done.json"  # what a training run did; written when it is over, before its model
WARM_UP = 0.1  # share of the steps over which the learning rate rises
WEIGHT_DECAY = 0.01


@dataclass(frozen=True, slots=True)
class Trained:
    """What a training run did. `losses` are means over stretches of steps: (last step, loss). `seconds` of the last, uninterrupted part."""

    steps: int
    losses: tuple[tuple[int, float], ...]
    seconds: float


class _Fixed(DefaultBatchSampler):
    """Batches decided beforehand, all epochs in a row, so that a resumed run skips exactly what was done."""

    def __init__(self, batches: Sequence[Sequence[int]]) -> None:
        super().__init__(SequentialSampler(range(len(batches))), batch_size=1, drop_last=False)
        self._batches = batches

    def __iter__(self) -> Iterator[list[int]]:
        return iter([list(batch) for batch in self._batches])

    def __len__(self) -> int:
        return len(self._batches)


class _Planned:
    """Gives the trainer its batches; a class, because the trainer writes its arguments beside each checkpoint."""

    def __init__(self, batches: Sequence[Sequence[int]]) -> None:
        self._batches = batches

    def __call__(self, *_: Any, **__: Any) -> _Fixed:
        return _Fixed(self._batches)


class _Watch(TrainerCallback):
    """Tells the progress, asks for checkpoints by the clock (which changes no weight), and marks those that are whole."""

    def __init__(self, what: str, progress: Progress) -> None:
        self._what, self._progress, self._saved = what, progress, time.monotonic()

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ARG002 - as below
        self._progress(self._what, state.global_step, state.max_steps)

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ARG002 - the name is part of the signature
        self._progress(self._what, state.global_step, state.max_steps)
        if time.monotonic() - self._saved > CHECKPOINT_SECONDS and state.global_step < state.max_steps:
            control.should_save = True

    def on_save(self, args: Any, state: Any, *_: Any, **__: Any) -> None:
        folder = Path(args.output_dir) / f"checkpoint-{state.global_step}"
        _sync(folder)
        durable.write_file(folder / WHOLE, b"")
        self._saved = time.monotonic()


def fit(
    kinds: tuple[Any, Any],
    model: Any,
    columns: Mapping[str, Sequence[Any]],
    batches: Sequence[Sequence[int]],
    loss: Any,
    settings: TrainSettings,
    work: Path,
    parents: Sequence[str],
    what: str,
    progress: Progress,
    **arguments: Any,
) -> Trained:
    """Train `model` in place, a step a batch. `kinds` are the trainer's class and its arguments'; `work` keeps the checkpoints, which
    are used again only with the same `parents` (fingerprints of the models that go in), settings, rows and batches.

    The learning rate rises over the first tenth of the steps, then falls to 0 in a line; AdamW; bf16 where the processor has it; on
    one device.
    """
    _forget_others(work, [kinds[0].__name__, list(parents), settings.model_dump(), dict(columns), list(batches)])
    given = kinds[1](
        output_dir=str(work),
        num_train_epochs=1,  # the batches hold all epochs
        per_device_train_batch_size=settings.batch,
        learning_rate=settings.learning_rate,
        warmup_steps=WARM_UP,
        weight_decay=WEIGHT_DECAY,
        bf16=in_bf16(),
        use_cpu=not has_gpu(),
        seed=settings.seed,
        logging_steps=max(1, len(batches) // 20),
        save_strategy="no",  # `_Watch` asks for checkpoints
        save_total_limit=2,
        report_to="none",
        optim="adamw_torch_fused",  # a third of a small model's step went into the optimizer's separate passes
        disable_tqdm=True,
        dataloader_pin_memory=False,
        batch_sampler=_Planned(batches),
        **arguments,
    )
    if given.n_gpu > 1:
        given._n_gpu = 1  # else each step is parted among them, which batches of in-batch negatives do not bear
    card = model.model_card_data
    card.generate_widget_examples, card.widget = False, [{}]  # the card is ours, and the bar that would be drawn for this one nobody's
    trainer = kinds[0](
        model=model, args=given, train_dataset=Dataset.from_dict(dict(columns)), loss=loss, callbacks=[_Watch(what, progress)]
    )
    trainer.remove_callback(PrinterCallback)  # stdout belongs to the result
    start = time.perf_counter()
    trainer.train(resume_from_checkpoint=_last_checkpoint(work))
    losses = tuple((row["step"], float(row["loss"])) for row in trainer.state.log_history if "loss" in row)
    done = Trained(trainer.state.global_step, losses, time.perf_counter() - start)
    durable.write_file(work / DONE, json.dumps(asdict(done)).encode())
    return done


def _sync(folder: Path) -> None:
    """Force to the disk what the trainer wrote there: after a power cut the mark of a whole checkpoint might stand beside empty weights."""
    for path in (*folder.rglob("*"), folder, folder.parent):
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def finished(work: Path) -> Trained | None:
    """What the training run did whose checkpoints are in `work`, where it is over: its model may be written, or not yet."""
    if not (work / DONE).is_file():
        return None
    found = json.loads((work / DONE).read_bytes())
    return Trained(found["steps"], tuple((step, loss) for step, loss in found["losses"]), found["seconds"])


def _forget_others(work: Path, inputs: Any) -> None:
    """Remove checkpoints that were made of anything else: another weight, row or setting would go unnoticed into the new model."""
    digest = hashlib.sha256(json.dumps(inputs).encode()).hexdigest().encode()
    mark = work / INPUTS
    if mark.is_file() and mark.read_bytes() == digest:
        return
    for path in work.glob("checkpoint-*"):
        shutil.rmtree(path)
    (work / DONE).unlink(missing_ok=True)
    work.mkdir(parents=True, exist_ok=True)
    durable.write_file(mark, digest)


def _last_checkpoint(work: Path) -> str | None:
    """The newest whole checkpoint; those that were cut short are removed."""
    found = {int(path.name.removeprefix("checkpoint-")): path for path in work.glob("checkpoint-*")}
    for step, path in sorted(found.items(), reverse=True):
        if (path / WHOLE).exists():
            return str(path)
        shutil.rmtree(found[step])
    return None


@contextmanager
def reproducible(seed: int) -> Iterator[None]:
    """Seeds set, and what the libraries print kept from the terminal, while the block runs."""
    verbosity, bars = transformers.logging.get_verbosity(), transformers.logging.is_progress_bar_enabled()
    dataset_bars = datasets_logging.is_progress_bar_enabled()
    transformers.logging.set_verbosity(logging.ERROR)
    transformers.logging.disable_progress_bar()  # type: ignore[no-untyped-call]  # its own
    datasets_logging.disable_progress_bar()
    logger = logging.getLogger("sentence_transformers")
    level = logger.level
    logger.setLevel(logging.ERROR)
    transformers.set_seed(seed)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about the trainers' own future versions; nothing a user could act on
            yield
    finally:
        transformers.logging.set_verbosity(verbosity)
        logger.setLevel(level)
        if bars:
            transformers.logging.enable_progress_bar()  # type: ignore[no-untyped-call]  # its own
        if dataset_bars:
            datasets_logging.enable_progress_bar()


def require_free(into: Path) -> None:
    """Raise InputError where `into` holds something already: before training, not after it."""
    if into.exists() and (not into.is_dir() or any(into.iterdir())):
        raise InputError(f"{into} exists already and is not an empty folder; name a new one.")


def keep(model: Any, into: Path, facts: Mapping[str, Any], card: bytes) -> None:
    """Write the model as a sentence-transformers folder with its `card`, whole or not at all, with a manifest of `facts`.

    Raises:
        InputError: `into` holds something already.
    """
    require_free(into)
    into.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=into.parent, prefix=".saving-") as folder:
        model.save_pretrained(folder, create_model_card=False)
        files = {str(path.relative_to(folder)): path.read_bytes() for path in sorted(Path(folder).rglob("*")) if path.is_file()}
    durable.write_folder(into, {**files, CARD: card}, facts)
