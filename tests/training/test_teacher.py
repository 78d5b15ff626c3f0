"""A cross-encoder with half of the layers learns the order of the whole one."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from transformers import AutoModelForSequenceClassification  # noqa: E402  # needs torch

from bicross.errors import InputError  # noqa: E402
from bicross.models.registry import find, load_reranker  # noqa: E402
from bicross.records import Example  # noqa: E402
from bicross.settings import CrossEncoderSettings  # noqa: E402
from bicross.training.cross_encoder import train_cross_encoder  # noqa: E402
from bicross.training.loading import load  # noqa: E402
from bicross.training.teacher import HIDDEN_WEIGHT, CrossEncoder, TeacherLoss  # noqa: E402
from tests.training.families import make, words  # noqa: E402

LAYERS = 4
CHANCE = random.Random(0)
ROWS = [
    Example(
        words(CHANCE.randrange(60)), words(CHANCE.randrange(60)), tuple(words(CHANCE.randrange(60), n) for n in range(3)), query_id=str(n)
    )
    for n in range(24)
]


def quietly(what: str, done: int, total: int) -> None:
    pass


def classifier(folder: Path, **changes: Any) -> Path:
    return make(folder, head="ForSequenceClassification", **{"num_labels": 1, "num_hidden_layers": LAYERS, **changes})


@pytest.fixture(scope="module")
def teacher(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return classifier(tmp_path_factory.mktemp("models") / "teacher")


def agreement(student: Path, teacher: Path) -> float:
    """The share of pairs of documents of one question that both put in the same order."""
    same: list[bool] = []
    scorers = [load_reranker(str(folder), "f32") for folder in (student, teacher)]
    for row in ROWS:
        ours, theirs = (scorer.score([(row.query, text) for text in (row.positive, *row.negatives)]) for scorer in scorers)
        orders = [np.sign(scores[:, None] - scores[None, :])[np.triu_indices(len(scores), 1)] for scores in (ours, theirs)]
        same += (orders[0] == orders[1]).tolist()
    return float(np.mean(same))


def train(base: Path, teacher: Path, into: Path, epochs: int, **settings: Any) -> Any:
    given = CrossEncoderSettings(batch=8, max_tokens=16, **{"learning_rate": 5e-3, **settings})
    return train_cross_encoder([ROWS] * epochs, base, into, given, into.with_suffix(".work"), quietly, teacher)


def test_half_of_the_layers_learn_the_teachers_order(teacher: Path, tmp_path: Path) -> None:
    train(teacher, teacher, tmp_path / "cut", 1, layers=LAYERS // 2, learning_rate=1e-12)
    done = train(teacher, teacher, tmp_path / "taught", 25, layers=LAYERS // 2)
    assert find(str(tmp_path / "taught")).config["num_hidden_layers"] == LAYERS // 2
    assert done.losses[-1][1] < 0.3 * done.losses[0][1]
    assert agreement(tmp_path / "taught", teacher) > agreement(tmp_path / "cut", teacher) + 0.2


def test_the_loss_is_that_of_scores_and_of_layers(teacher: Path, tmp_path: Path) -> None:
    """By hand, without padding: each pair goes through both models alone."""
    student = load(CrossEncoder, classifier(tmp_path, num_hidden_layers=2))
    rows = [(row.query, [row.positive, *row.negatives][: 2 + number % 3]) for number, row in enumerate(ROWS[:5])]
    loss = TeacherLoss(student, teacher)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("bicross.training.teacher.in_bf16", lambda: False)
        value = loss([[query for query, _ in rows], [texts for _, texts in rows]], None)
    value.backward()
    assert all(parameter.grad is None for parameter in loss._teacher[0].parameters())
    assert not any(name.startswith("_teacher") for name, _ in loss.named_parameters())
    plain = AutoModelForSequenceClassification.from_pretrained(teacher).eval()
    kl, squares, count = torch.zeros(()), [torch.zeros(()), torch.zeros(())], 0
    with torch.no_grad():
        for query, texts in rows:
            scores: list[list[Any]] = [[], []]
            for text in texts:
                tokens = {name: value for name, value in student.preprocess([(query, text)]).items() if isinstance(value, torch.Tensor)}
                outputs = [model(**tokens, output_hidden_states=True) for model in (student.model, plain)]
                for side, output in zip(scores, outputs, strict=True):
                    side.append(output.logits[0, 0])
                for layer, (ours, theirs) in enumerate(((1, 2), (2, 4))):  # of two layers each the upper one
                    squares[layer] = squares[layer] + (outputs[0].hidden_states[ours] - outputs[1].hidden_states[theirs]).square().sum()
                count += tokens["input_ids"].numel() * 32
            ours, theirs = (torch.log_softmax(torch.stack(side), dim=0) for side in scores)
            kl = kl + (theirs.exp() * (theirs - ours)).sum()
    expected = kl / len(rows) + HIDDEN_WEIGHT * (squares[0] + squares[1]) / count / 2
    assert value.item() == pytest.approx(expected.item(), rel=1e-4)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"hidden_size": 16, "intermediate_size": 32}, "expected width 32"),
        ({"vocab_size": 99}, "expected width 32, 64 tokens"),
        ({"num_labels": 3}, "1 score a pair"),
        ({"num_hidden_layers": 2}, "at least 4 layers"),
    ],
)
def test_teachers_that_do_not_fit_are_refused(changes: dict[str, Any], message: str, teacher: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message):
        train(teacher, classifier(tmp_path / "other", **changes), tmp_path / "taught", 1)
