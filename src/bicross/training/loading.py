"""How models are loaded for training, and on what they are trained."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from bicross.errors import InputError
from bicross.models.network import best_precision

DROPOUTS = (  # by the names of all families; a configuration takes those that it has
    *("hidden_dropout_prob", "attention_probs_dropout_prob", "classifier_dropout", "classifier_dropout_prob", "pooler_dropout"),
    *("dropout", "attention_dropout", "seq_classif_dropout", "embedding_dropout", "mlp_dropout"),
)


def has_gpu() -> bool:
    """Whether training runs on CUDA or on Apple's GPU."""
    return torch.cuda.is_available() or torch.backends.mps.is_available()


def in_bf16() -> bool:
    """Whether training computes in bf16, the weights in float32: on CUDA and on processors that have it in hardware."""
    if torch.cuda.is_available():
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return best_precision() == "bf16" and not has_gpu()


def loading() -> dict[str, Any]:
    """How models are loaded for training: float32 weights from local safetensors, no remote code, no dropout.

    Without dropout and with plain attention a step on a processor takes two thirds of the time (docs/log.md); on a GPU the fused
    attention is faster.
    """
    return {
        "trust_remote_code": False,
        "local_files_only": True,  # else a relative path is looked up on the hub, for a model card that is not written
        "model_kwargs": {"dtype": torch.float32, "use_safetensors": True, "attn_implementation": "sdpa" if has_gpu() else "eager"},
        "config_kwargs": dict.fromkeys(DROPOUTS, 0.0),
    }


def load(kind: Any, base: Path, head: int | None = None) -> Any:
    """A model of the kind, a class of sentence-transformers, from the folder `base`; of a cross-encoder `head` is the scores a pair.

    The head is new, drawn at random, where the base has none of that size.

    Raises:
        InputError: it cannot be loaded; a pickle never is.
    """
    arguments = loading()
    if head is not None:
        arguments["num_labels"] = head
        arguments["model_kwargs"]["ignore_mismatched_sizes"] = True
    try:
        return kind(str(base), **arguments)
    except (OSError, ValueError) as error:
        raise InputError(f"{kind.__name__} cannot load {base} for training: {error}") from error
