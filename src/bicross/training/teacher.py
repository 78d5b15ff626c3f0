"""A smaller cross-encoder learns from a bigger one: its scores, and its hidden states layer to layer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from sentence_transformers import CrossEncoder

from bicross.errors import InputError
from bicross.training.fitting import loading
from bicross.training.padding import trim_padding

HIDDEN_WEIGHT = 1.0


class TeacherLoss(torch.nn.Module):
    """KL divergence between the softmaxes of both models' scores over each group (Hinton et al. 2015), plus the mean squared difference of
    the hidden states of each student layer and the teacher layer that it was made from (Jiao et al. 2020, "TinyBERT")."""

    def __init__(self, student: Any, teacher: Path, kept: list[int] | None) -> None:
        """`kept` are the teacher's layers that the student's came from, in order; None where it has all of them.

        Raises:
            InputError: the teacher has another width, another vocabulary, or too few layers.
        """
        super().__init__()
        self.model = student
        loaded: Any = CrossEncoder(str(teacher), **loading())
        trim_padding(loaded.model.base_model)
        # Kept out of the module tree, so that the trainer neither trains nor saves it.
        self._teacher: list[Any] = [loaded.model.to(student.model.device).eval().requires_grad_(False)]
        ours, theirs = student.model.config, loaded.model.config
        self._layers = list(range(ours.num_hidden_layers)) if kept is None else kept
        wanted = (ours.hidden_size, ours.vocab_size, max(self._layers) < theirs.num_hidden_layers)
        found = (theirs.hidden_size, theirs.vocab_size, True)
        if wanted != found:
            raise InputError(
                f"The teacher {teacher} has width {theirs.hidden_size}, {theirs.vocab_size} tokens and {theirs.num_hidden_layers} layers; "
                f"expected width {ours.hidden_size}, {ours.vocab_size} tokens and at least {max(self._layers) + 1} layers."
            )

    def forward(self, inputs: list[Any], labels: Any) -> torch.Tensor:  # noqa: ARG002  # the teacher's scores are the labels
        queries, groups = inputs
        tokens = self.model.preprocess([(query, text) for query, texts in zip(queries, groups, strict=True) for text in texts])
        tokens = {name: value.to(self.model.device) for name, value in tokens.items() if isinstance(value, torch.Tensor)}
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
