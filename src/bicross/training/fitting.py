"""One training run on sentence-transformers' trainers: the same batches whatever happens, and resumed where it was interrupted."""

from __future__ import annotations

import logging
import shutil
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from bicross import durable
from bicross.errors import InputError, MissingExtra
from bicross.models.network import best_precision
from bicross.settings import TrainSettings

try:
    import torch
    import transformers
    from datasets import Dataset
    from datasets.utils import logging as datasets_logging
    from sentence_transformers.base.sampler import DefaultBatchSampler
    from torch.utils.data import SequentialSampler
    from transformers import PrinterCallback, TrainerCallback
except ImportError as error:
    raise MissingExtra(f"Training needs {error.name}, which is not installed: pip install 'bicross[train]'") from error

Progress = Callable[[str, int, int], None]
CHECKPOINT_SECONDS = 60.0  # between checkpoints, at least: an interruption costs no more than that
WHOLE = "whole"  # the file that a checkpoint gets when all of it is on the disk
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

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ARG002  # the trainer's signature
        self._progress(self._what, state.global_step, state.max_steps)
        if time.monotonic() - self._saved > CHECKPOINT_SECONDS and state.global_step < state.max_steps:
            control.should_save = True

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ARG002  # the trainer's signature
        durable.write_file(Path(args.output_dir) / f"checkpoint-{state.global_step}" / WHOLE, b"")
        self._saved = time.monotonic()


def fit(
    kinds: tuple[Any, Any],
    model: Any,
    columns: Mapping[str, Sequence[Any]],
    batches: Sequence[Sequence[int]],
    loss: Any,
    settings: TrainSettings,
    work: Path,
    what: str,
    progress: Progress,
    **arguments: Any,
) -> Trained:
    """Train `model` in place, a step a batch. `kinds` are the trainer's class and its arguments'; `work` keeps the checkpoints.

    The learning rate rises over the first tenth of the steps, then falls to 0 in a line; AdamW; bf16 where the processor has it.
    """
    given = kinds[1](
        output_dir=str(work),
        num_train_epochs=1,  # the batches hold all epochs
        per_device_train_batch_size=settings.batch,
        learning_rate=settings.learning_rate,
        warmup_steps=WARM_UP,
        weight_decay=WEIGHT_DECAY,
        bf16=best_precision() == "bf16" or torch.cuda.is_available(),
        use_cpu=not (torch.cuda.is_available() or torch.backends.mps.is_available()),
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
    model.model_card_data.generate_widget_examples = False  # the card is ours, and its progress bar nobody's
    trainer = kinds[0](
        model=model, args=given, train_dataset=Dataset.from_dict(dict(columns)), loss=loss, callbacks=[_Watch(what, progress)]
    )
    trainer.remove_callback(PrinterCallback)  # stdout belongs to the result
    start = time.perf_counter()
    trainer.train(resume_from_checkpoint=_last_checkpoint(work))
    losses = tuple((row["step"], float(row["loss"])) for row in trainer.state.log_history if "loss" in row)
    return Trained(trainer.state.global_step, losses, time.perf_counter() - start)


def _last_checkpoint(work: Path) -> str | None:
    """The newest whole checkpoint; those that were cut short are removed."""
    found = {int(path.name.removeprefix("checkpoint-")): path for path in work.glob("checkpoint-*")}
    for step, path in sorted(found.items(), reverse=True):
        if (path / WHOLE).exists():
            return str(path)
        shutil.rmtree(found[step])
    return None


def loading() -> dict[str, Any]:
    """How models are loaded for training: float32 weights from safetensors, no remote code, no dropout.

    Without dropout and with plain attention a step on a processor takes two thirds of the time (docs/log.md); on a GPU the fused
    attention is faster.
    """
    gpu = torch.cuda.is_available() or torch.backends.mps.is_available()
    return {
        "trust_remote_code": False,
        "model_kwargs": {"dtype": torch.float32, "use_safetensors": True, "attn_implementation": "sdpa" if gpu else "eager"},
        "config_kwargs": {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0, "classifier_dropout": 0.0},
    }


@contextmanager
def reproducible(seed: int) -> Iterator[None]:
    """Seeds set, and what the libraries print kept from the terminal, while the block runs."""
    verbosity = transformers.logging.get_verbosity()
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


def keep(model: Any, into: Path, facts: Mapping[str, Any], extra: Mapping[str, bytes] = {}) -> None:
    """Write the model as a sentence-transformers folder, whole or not at all, with a manifest of `facts`.

    Raises:
        InputError: `into` holds something already.
    """
    if into.exists() and any(into.iterdir()):
        raise InputError(f"{into} exists already and is not empty; name a new folder.")
    into.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=into.parent, prefix=".saving-") as folder:
        model.save_pretrained(folder, create_model_card=False)
        files = {str(path.relative_to(folder)): path.read_bytes() for path in sorted(Path(folder).rglob("*")) if path.is_file()}
    durable.write_folder(into, {**files, **extra}, facts)
