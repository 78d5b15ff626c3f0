"""Each loss against its formula, written out in torch, on the embeddings of a tiny model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from sentence_transformers import SentenceTransformer  # noqa: E402  # needs torch
from sentence_transformers.sentence_transformer import losses  # noqa: E402
from sentence_transformers.sentence_transformer.modules import Normalize, Pooling, Transformer  # noqa: E402

from bicross.errors import InputError  # noqa: E402
from bicross.settings import BiEncoderSettings  # noqa: E402
from bicross.training.losses import COSINE_MARGIN, DOT_MARGIN, bi_encoder_loss, is_cosine  # noqa: E402
from tests.training.families import make, words  # noqa: E402

ROWS, NEGATIVES, SCALE = 6, 2, 50.0
LABELS = torch.tensor([[3.0, 1.0, -2.0], [2.0, 2.5, 0.0], [5.0, 0.0, 0.0], [1.0, 0.5, 0.2], [0.0, 4.0, -1.0], [2.0, -2.0, 1.0]])


def model_of(folder: Path, similarity: str = "cosine", normalised: bool = False) -> Any:
    transformer = Transformer(str(make(folder)))
    modules = [transformer, Pooling(32, pooling_mode="mean"), *([Normalize()] if normalised else [])]
    return SentenceTransformer(modules=modules, similarity_fn_name=similarity, device="cpu")


@pytest.fixture(scope="module")
def cosine(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return model_of(tmp_path_factory.mktemp("cosine"))


@pytest.fixture(scope="module")
def dot(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return model_of(tmp_path_factory.mktemp("dot"), "dot")


def features(model: Any, columns: int = 2 + NEGATIVES) -> list[dict[str, Any]]:
    """Tokens of the queries, the positives and the negatives, of different lengths."""
    return [
        model.preprocess([words(*range(7 * row + 3 * column, 8 * row + 5 * column + 2)) for row in range(ROWS)])
        for column in range(columns)
    ]


def embedded(model: Any, columns: int = 2 + NEGATIVES) -> list[Any]:
    return [model(dict(column))["sentence_embedding"] for column in features(model, columns)]


def contrastive(embeddings: list[Any], scale: float, unit: bool) -> Any:
    """Cross-entropy of each query over all documents of the batch."""
    queries, *documents = [torch.nn.functional.normalize(one) for one in embeddings] if unit else embeddings
    logits = queries @ torch.cat(documents).T * scale
    return torch.nn.functional.cross_entropy(logits, torch.arange(len(queries)))


def own_logits(embeddings: list[Any], scale: float, unit: bool) -> Any:
    """Of each query its own documents, (rows, 1 + negatives)."""
    queries, *documents = [torch.nn.functional.normalize(one) for one in embeddings] if unit else embeddings
    return torch.stack([(queries * document).sum(dim=1) * scale for document in documents], dim=1)


def divergence(logits: Any, labels: Any) -> Any:
    """KL(teacher || student), the mean of the rows."""
    teacher = torch.softmax(labels, dim=1)
    return (teacher * (torch.log(teacher) - torch.log_softmax(logits, dim=1))).sum(dim=1).mean()


def margins(logits: Any, labels: Any) -> Any:
    """Squared difference of (positive - negative), the mean of all negatives."""
    return ((logits[:, :1] - logits[:, 1:]) - (labels[:, :1] - labels[:, 1:])).square().mean()


def value_and_gradients(model: Any, loss: Any, labels: Any, columns: int = 2 + NEGATIVES) -> tuple[float, dict[str, Any]]:
    model.zero_grad()
    value = loss(features(model, columns), labels)
    value.backward()
    found = {name: parameter.grad.clone() for name, parameter in model.named_parameters() if parameter.grad is not None}
    model.zero_grad()
    return value.item(), found


@pytest.mark.parametrize("mini_batch", [0, 4])
@pytest.mark.parametrize("kind", ["cosine", "dot"])
@pytest.mark.parametrize("distil", ["none", "kl", "margin-mse"])
def test_the_formula(distil: str, kind: str, mini_batch: int, request: pytest.FixtureRequest) -> None:
    model = request.getfixturevalue(kind)
    settings = BiEncoderSettings(distil=distil, distil_weight=0.3, scale=SCALE, mini_batch=mini_batch)
    scale, unit = (SCALE, True) if kind == "cosine" else (1.0, False)
    embeddings = embedded(model)
    expected = contrastive(embeddings, scale, unit)
    if distil != "none":
        formula = divergence if distil == "kl" else margins
        expected = expected + 0.3 * formula(own_logits(embeddings, scale, unit), LABELS)
    model.zero_grad()
    expected.backward()
    slopes = {name: parameter.grad.clone() for name, parameter in model.named_parameters() if parameter.grad is not None}
    value, found = value_and_gradients(model, bi_encoder_loss(model, settings, distil != "none"), LABELS)
    assert value == pytest.approx(expected.item(), rel=1e-5)
    assert found.keys() == slopes.keys()
    largest = max(float(slope.abs().max()) for slope in slopes.values())
    for name, slope in slopes.items():
        torch.testing.assert_close(found[name], slope, atol=1e-5 * largest, rtol=1e-4)


def test_without_scores_nothing_is_distilled(cosine: Any) -> None:
    loss = bi_encoder_loss(cosine, BiEncoderSettings(distil="kl"), distils=False)
    assert type(loss) is losses.MultipleNegativesRankingLoss
    assert type(bi_encoder_loss(cosine, BiEncoderSettings(mini_batch=2), False)) is losses.CachedMultipleNegativesRankingLoss


@pytest.mark.parametrize(("loss", "columns"), [("contrastive", 4), ("triplet", 3)])
def test_the_length_of_a_vector_counts_only_where_search_counts_it(loss: str, columns: int, cosine: Any, dot: Any) -> None:
    for model, alike in ((cosine, True), (dot, False)):
        found = bi_encoder_loss(model, BiEncoderSettings(loss=loss), distils=loss == "contrastive")
        plain = [one.detach() for one in embedded(model, columns)]
        stretched = [one * (2.0 + place) for place, one in enumerate(plain)]
        values = [found.compute_loss_from_embeddings(some, LABELS).item() for some in (plain, stretched)]
        assert (values[0] == pytest.approx(values[1], rel=1e-4)) is alike


def test_a_dot_product_of_unit_vectors_is_a_cosine(tmp_path: Path) -> None:
    model = model_of(tmp_path, "dot", normalised=True)
    assert is_cosine(model)
    assert bi_encoder_loss(model, BiEncoderSettings(), False).scale == SCALE


def test_triplets(cosine: Any, dot: Any) -> None:
    for model, margin, unit in ((cosine, COSINE_MARGIN, True), (dot, DOT_MARGIN, False)):
        loss = bi_encoder_loss(model, BiEncoderSettings(loss="triplet"), False)
        assert isinstance(loss, losses.TripletLoss)
        logits = own_logits(embedded(model, 3), 1.0, unit)
        expected = torch.relu(logits[:, 1] - logits[:, 0] + margin).mean()
        assert value_and_gradients(model, loss, None, 3)[0] == pytest.approx(expected.item(), rel=1e-4)


def test_labelled_pairs(cosine: Any) -> None:
    logits = own_logits(embedded(cosine, 2), 1.0, unit=True)[:, 0]
    zeros_and_ones, grades = torch.tensor([1, 0, 1, 0, 0, 1]).float(), torch.tensor([1.0, 0.5, -0.2, 0.0, 0.9, 0.3])
    pairs = bi_encoder_loss(cosine, BiEncoderSettings(loss="pairs"), False)
    assert isinstance(pairs, losses.ContrastiveLoss)
    apart = 1 - logits
    expected = 0.5 * (zeros_and_ones * apart.square() + (1 - zeros_and_ones) * torch.relu(0.5 - apart).square()).mean()
    assert value_and_gradients(cosine, pairs, zeros_and_ones, 2)[0] == pytest.approx(expected.item(), rel=1e-4)
    regression = bi_encoder_loss(cosine, BiEncoderSettings(loss="cosine"), False)
    assert isinstance(regression, losses.CosineSimilarityLoss)
    assert value_and_gradients(cosine, regression, grades, 2)[0] == pytest.approx((logits - grades).square().mean().item(), rel=1e-4)


@pytest.mark.parametrize("distils", [False, True])
@pytest.mark.parametrize("mini_batch", [0, 4])
def test_shorter_dimensions_are_trained_along(mini_batch: int, distils: bool, cosine: Any) -> None:
    settings = BiEncoderSettings(matryoshka=(8, 16), mini_batch=mini_batch)
    value, slopes = value_and_gradients(cosine, bi_encoder_loss(cosine, settings, distils), LABELS)
    expected = torch.zeros(())
    embeddings = embedded(cosine)
    for size in (8, 16, 32):
        shorter = [one[:, :size] for one in embeddings]
        expected = expected + contrastive(shorter, SCALE, unit=True)
        if distils:
            expected = expected + divergence(own_logits(shorter, SCALE, unit=True), LABELS)
    cosine.zero_grad()
    expected.backward()
    assert value == pytest.approx(expected.item(), rel=1e-4)
    largest = max(float(slope.abs().max()) for slope in slopes.values())
    for name, parameter in cosine.named_parameters():
        if parameter.grad is not None:
            torch.testing.assert_close(slopes[name], parameter.grad, atol=1e-4 * largest, rtol=1e-3)


@pytest.mark.parametrize("sizes", [(0,), (32,), (8, 64)])
def test_dimensions_that_are_not_shorter_are_refused(sizes: tuple[int, ...], cosine: Any) -> None:
    with pytest.raises(InputError, match="expected from 1 to 31"):
        bi_encoder_loss(cosine, BiEncoderSettings(matryoshka=sizes), False)


def test_shorter_dimensions_of_a_dot_model_are_refused(dot: Any) -> None:
    with pytest.raises(InputError, match="dot product"):
        bi_encoder_loss(dot, BiEncoderSettings(matryoshka=(8,)), False)
