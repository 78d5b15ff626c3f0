"""Which of sentence-transformers' losses a setting means, with the model's own similarity; and two of them from one forward pass."""

from __future__ import annotations

from collections.abc import Callable
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

from bicross.settings import BiEncoderSettings

Similarity = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


def bi_encoder_loss(model: Any, settings: BiEncoderSettings, distils: bool) -> Any:
    """The loss of the settings. `distils`: the rows carry a teacher's scores, which are learned together with the contrastive loss.

    A cosine model gets a cosine student: the trainers' default, the dot product, would let it learn lengths that search never uses.
    """
    cosine = model.similarity_fn_name == "cosine"
    matrix, pairwise = (util.cos_sim, util.pairwise_cos_sim) if cosine else (util.dot_score, util.pairwise_dot_score)
    scale = settings.scale if cosine else 1.0
    found: torch.nn.Module
    if settings.loss == "triplet":
        metric = losses.TripletDistanceMetric.COSINE if cosine else losses.TripletDistanceMetric.EUCLIDEAN
        found = losses.TripletLoss(model, distance_metric=metric, triplet_margin=0.2 if cosine else 5.0)
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
    return losses.MatryoshkaLoss(model, found, [model.get_embedding_dimension(), *settings.matryoshka]) if settings.matryoshka else found


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
