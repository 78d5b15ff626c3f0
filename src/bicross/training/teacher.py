"""A smaller cross-encoder learns from a bigger one: its scores, and its hidden states layer to layer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from sentence_transformers import CrossEncoder

from bicross.errors import InputError
from bicross.training.loading import in_bf16, load
from bicross.training.padding import trim_padding
from bicross.training.surgery import spread

HIDDEN_WEIGHT = 1.0


class TeacherLoss(torch.nn.Module):
    """KL divergence between the softmaxes of both models' scores over each group (Hinton et al. 2015), plus the mean squared difference of
    the hidden states of each student layer and the teacher's top layer of as large a share of its own (Jiao et al. 2020, "TinyBERT"):
    the layer that it was made from, where `keep_layers` made the student."""

    def __init__(self, student: Any, teacher: Path) -> None:
        """Load the teacher beside the student, whose layers may be fewer.

        Raises:
            InputError: the teacher has another width, another vocabulary, fewer layers, or more than one score a pair.
        """
        super().__init__()
        self.model = student
        loaded: Any = load(CrossEncoder, teacher)
        trim_padding(loaded.model.base_model)
        # Kept out of the module tree, so that the trainer neither trains nor saves it.
        self._teacher: list[Any] = [loaded.model.to(student.model.device).eval().requires_grad_(False)]
        ours, theirs = student.model.config, loaded.model.config
        found = (theirs.hidden_size, theirs.vocab_size, theirs.num_labels)
        if found != (ours.hidden_size, ours.vocab_size, 1) or theirs.num_hidden_layers < ours.num_hidden_layers:
            raise InputError(
                f"The teacher {teacher} has width {theirs.hidden_size}, {theirs.vocab_size} tokens, {theirs.num_labels} scores a pair and "
                f"{theirs.num_hidden_layers} layers; expected width {ours.hidden_size}, {ours.vocab_size} tokens, 1 score a pair and at "
                f"least {ours.num_hidden_layers} layers."
            )
        self._layers = spread(ours.num_hidden_layers, theirs.num_hidden_layers)

    def forward(self, inputs: list[Any], labels: Any) -> torch.Tensor:  # noqa: ARG002  # the teacher's scores are the labels
        queries, groups = inputs
        tokens = self.model.preprocess([(query, text) for query, texts in zip(queries, groups, strict=True) for text in texts])
        tokens = {name: value.to(self.model.device) for name, value in tokens.items() if isinstance(value, torch.Tensor)}
        with torch.autocast(self.model.device.type, torch.bfloat16, enabled=in_bf16()):  # the trainer's own is around another method
            ours = self.model.model(**tokens, output_hidden_states=True)
            with torch.no_grad():
                theirs = self._teacher[0](**tokens, output_hidden_states=True)
        sizes = [len(texts) for texts in groups]
        scores = torch.nn.functional.kl_div(
            _log_softmax(ours.logits, sizes), _log_softmax(theirs.logits, sizes), log_target=True, reduction="sum"
        ) / len(sizes)
        visible = tokens["attention_mask"].bool()  # (B, T)
        hidden = [
            torch.nn.functional.mse_loss(ours.hidden_states[place + 1][visible].float(), theirs.hidden_states[layer + 1][visible].float())
            for place, layer in enumerate(self._layers)
        ]
        found: torch.Tensor = scores + HIDDEN_WEIGHT * torch.stack(hidden).mean()
        return found


def _log_softmax(logits: torch.Tensor, sizes: list[int]) -> torch.Tensor:
    """Log-probabilities within each group, one after the other, (pairs,)."""
    return torch.cat([torch.log_softmax(group, dim=0) for group in logits.float().view(-1).split(sizes)])  # type: ignore[no-untyped-call]  # torch's own
