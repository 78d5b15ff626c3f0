"""Which of sentence-transformers' losses a setting means, with the model's own similarity; and two of them from one forward pass."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from sentence_transformers import util
from sentence_transformers.sentence_transformer import losses
from sentence_transformers.sentence_transformer.losses import (
    CachedMultipleNegativesRankingLoss,
    DistillKLDivLoss,
    MarginMSELoss,
    MultipleNegativesRankingLoss,
)
from sentence_transformers.sentence_transformer.modules import Normalize

from bicross.errors import InputError
from bicross.settings import BiEncoderSettings

Similarity = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
COSINE_MARGIN, DOT_MARGIN = 0.2, 1.0  # by how much a triplet's positive is to be more similar than its negative


def bi_encoder_loss(model: Any, settings: BiEncoderSettings, distils: bool) -> Any:
    """The loss of the settings. `distils`: the rows carry a teacher's scores, which are learned together with the contrastive loss.

    A cosine model gets a cosine student: the trainers' default, the dot product, would let it learn lengths that search never uses.
    The losses of labelled pairs are of the cosine alone.

    Raises:
        InputError: the dimensions to train along are none of the model's, or its similarity is the dot product.
    """
    cosine = is_cosine(model)
    matrix, pairwise = (util.cos_sim, util.pairwise_cos_sim) if cosine else (util.dot_score, util.pairwise_dot_score)
    scale = settings.scale if cosine else 1.0
    found: torch.nn.Module
    if settings.loss == "triplet":
        found = losses.TripletLoss(model, distance_metric=_distance(pairwise), triplet_margin=COSINE_MARGIN if cosine else DOT_MARGIN)
    elif settings.loss == "pairs":
        found = losses.ContrastiveLoss(model)
    elif settings.loss == "cosine":
        found = losses.CosineSimilarityLoss(model)
    elif settings.mini_batch and distils:
        found = _CachedWithTeacher(model, scale, matrix, settings, _teacher_loss(model, settings, pairwise, scale))
    elif settings.mini_batch:
        found = CachedMultipleNegativesRankingLoss(model, scale=scale, similarity_fct=matrix, mini_batch_size=settings.mini_batch)
    elif distils:
        found = _WithTeacher(model, scale, matrix, settings, _teacher_loss(model, settings, pairwise, scale))
    else:
        found = MultipleNegativesRankingLoss(model, scale=scale, similarity_fct=matrix)
    return _at_every_size(model, found, settings.matryoshka) if settings.matryoshka else found


def is_cosine(model: Any) -> bool:
    """Whether search compares the model's vectors by cosine, as `models/folder.py` decides it: a dot product of unit vectors is one."""
    return model.similarity_fn_name != "dot" or any(isinstance(module, Normalize) for module in model.modules())


def _at_every_size(model: Any, loss: torch.nn.Module, sizes: Sequence[int]) -> torch.nn.Module:
    """The loss of the whole vectors and of their first `sizes` dimensions, scaled to length 1 (Kusupati et al. 2022, "Matryoshka")."""
    whole = model.get_embedding_dimension()
    if not all(1 <= size < whole for size in sizes):
        raise InputError(
            f"Dimensions to train along are {', '.join(map(str, sizes))}; expected from 1 to {whole - 1}, the model has {whole}."
        )
    if not is_cosine(model):
        raise InputError(
            "The model compares by dot product, but shorter dimensions are trained on vectors of length 1; use a cosine model."
        )
    return losses.MatryoshkaLoss(model, loss, sorted({whole, *sizes}))


def _distance(pairwise: Similarity) -> Similarity:
    def distance(left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
        return -pairwise(left, right)  # (B,)

    return distance


def _teacher_loss(model: Any, settings: BiEncoderSettings, pairwise: Similarity, scale: float) -> Any:
    """KL divergence of the two softmaxes over a row's documents (Hinton et al. 2015), or squared difference of margins (Hofstätter et al.
    2020). The student's cosine is scaled up to the range of logits, as the contrastive loss does it."""

    def scaled(queries: torch.Tensor, documents: torch.Tensor) -> torch.Tensor:
        return pairwise(queries, documents) * scale  # (B,)

    kind = DistillKLDivLoss if settings.distil == "kl" else MarginMSELoss
    return kind(model, similarity_fct=scaled)


class _WithTeacher(MultipleNegativesRankingLoss):
    """Contrastive loss plus the teacher's, from the same embeddings."""

    def __init__(self, model: Any, scale: float, similarity: Similarity, settings: BiEncoderSettings, teacher: Any) -> None:
        super().__init__(model, scale=scale, similarity_fct=similarity)
        self._teacher, self._weight = teacher, settings.distil_weight

    def compute_loss_from_embeddings(self, embeddings: list[torch.Tensor], labels: torch.Tensor) -> torch.Tensor:
        contrastive = super().compute_loss_from_embeddings(embeddings, labels)
        found: torch.Tensor = contrastive + self._weight * self._teacher.compute_loss_from_embeddings(embeddings, labels)
        return found


class _CachedWithTeacher(CachedMultipleNegativesRankingLoss):
    """The same with cached gradients (Gao et al. 2021): `mini_batch` rows at a time go through the model."""

    def __init__(self, model: Any, scale: float, similarity: Similarity, settings: BiEncoderSettings, teacher: Any) -> None:
        super().__init__(model, scale=scale, similarity_fct=similarity, mini_batch_size=settings.mini_batch)
        self._teacher, self._weight = teacher, settings.distil_weight

    def calculate_loss(
        self, reps: list[list[torch.Tensor]], labels: torch.Tensor | None = None, *, with_backward: bool = False
    ) -> torch.Tensor:
        taught = self._weight * self._teacher.compute_loss_from_embeddings([torch.cat(column) for column in reps], labels)
        if with_backward:  # the embeddings add up the gradients of both losses
            taught.backward()
            taught = taught.detach()
        found: torch.Tensor = super().calculate_loss(reps, labels, with_backward=with_backward) + taught
        return found
