"""Known texts answer what is near them and say nothing of what is not; what they learned can be kept."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from bicross import pipeline
from bicross.answering.nearest import candidates, numbered
from bicross.answering.verbs import CLASSIFY, FAQ
from bicross.errors import InputError
from bicross.models.registry import HASHED

HASHED_MODELS = {"encoder": HASHED, "reranker": HASHED}
TOPICS = {
    "Press the red button.": "printer paper ink toner",
    "Wait for the rain.": "desert sand camel dune",
    "Ask the captain.": "ship anchor sail harbour",
    "按下按钮。": "打印机 纸张 墨水 卡纸",
}
PLACES = ("now", "please", "again", "today", "here")


def rows() -> Iterator[tuple[str, str]]:
    """Three of an answer's four words and one that says nothing."""
    for answer, topic in TOPICS.items():
        for words in combinations(topic.split(), 3):
            for place in PLACES:
                yield f"{' '.join(words)} {place}", answer


@pytest.fixture
def known(tmp_path: Path) -> Path:
    lines = [json.dumps({"question": text, "answer": answer}, ensure_ascii=False) for text, answer in rows()]
    (tmp_path / "faq.jsonl").write_text("\n".join(lines), "utf-8")
    return tmp_path / "faq.jsonl"


def test_an_faq_answers_what_it_knows_and_not_what_it_does_not(known: Path, tmp_path: Path) -> None:
    settings = FAQ.model_copy(update=HASHED_MODELS)
    questions = ["ship anchor sail tomorrow", "zebra xylophone quantum now"]
    found = pipeline.faq(known, questions, settings=settings, into=tmp_path / "kept")
    assert (found.known, found.labels, found.fit.fitted_to) == (80, 4, "known texts")
    right, unknown = found.choices
    assert (right.label, right.answered) == ("Ask the captain.", True) and "ship" in right.nearest
    assert not unknown.answered and unknown.probability < found.fit.cut
    again = pipeline.faq(tmp_path / "kept", questions)
    assert again.choices == found.choices and again.fit == found.fit


def test_what_is_right_is_measured_on_a_file_with_labels(known: Path, tmp_path: Path) -> None:
    asked = tmp_path / "asked.csv"
    asked.write_text("text,label\nmy ship anchor,Ask the captain.\nmy printer paper,Wait for the rain.\n,empty\n", "utf-8")
    settings = CLASSIFY.model_copy(update={**HASHED_MODELS})
    with pytest.raises(InputError, match="no label column: looked for any of label"):
        pipeline.classify(known, [], asked, settings)
    (tmp_path / "texts.jsonl").write_text("\n".join(json.dumps({"text": text, "label": label}) for text, label in rows()), "utf-8")
    found = pipeline.classify(tmp_path / "texts.jsonl", [], asked, settings)
    assert found.measured is not None and found.measured.texts == 2 and found.measured.accuracy.value == 0.5
    assert [one.label for one in found.choices] == ["Ask the captain.", "Press the red button."]
    assert [skip.reason for skip in found.skipped] == ["the text is empty"]


def test_an_faq_of_single_questions_is_judged_by_general_ones_and_says_so(tmp_path: Path) -> None:
    (tmp_path / "faq.csv").write_text("question,answer\nwhat is a volcano,a hot hill\nwhat is a penguin,a cold bird\n", "utf-8")
    found = pipeline.faq(tmp_path / "faq.csv", ["what is a penguin"], settings=FAQ.model_copy(update=HASHED_MODELS))
    assert found.fit.fitted_to == "general questions" and "Add other wordings" in found.remarks[0]
    assert found.choices[0].label == "a cold bird"
    with pytest.raises(InputError, match="several of each label"):
        pipeline.classify(tmp_path / "faq.csv", ["x"], settings=CLASSIFY.model_copy(update={**HASHED_MODELS, "label": "answer"}))


def test_a_text_is_not_its_own_neighbour_and_a_label_can_be_gone() -> None:
    vectors = np.eye(4, dtype=np.float32)[[0, 0, 1, 2]]
    _, labels = numbered(["a", "a", "b", "c"])
    own = np.array([0], dtype=np.int64)
    nearest = candidates(vectors[:1], vectors, labels, 3, own)[0][0]
    assert (nearest.label, nearest.row) == (0, 1)
    assert {one.label for one in candidates(vectors[:1], vectors, labels, 3, own, without_label=True)[0]} == {1, 2}


def test_two_texts_and_a_file_of_pairs(tmp_path: Path) -> None:
    same = pipeline.similarity("the red ship", "the red ship", **HASHED_MODELS)
    assert same.cosine == pytest.approx(1.0) and same.score == same.score_reversed == 1.0
    lines = [("the red ship", "the red ship", 5), ("the red ship", "the red boat", 3), ("the red ship", "a cold bird", 0)]
    (tmp_path / "sts.jsonl").write_text(
        "\n".join(json.dumps(dict(zip(("sentence1", "sentence2", "score"), line, strict=True))) for line in lines)
    )
    found = pipeline.agreement(tmp_path / "sts.jsonl", **HASHED_MODELS)
    assert found.pairs == 3 and found.cosine.value == found.score.value == found.both.value == pytest.approx(1.0)
    with pytest.raises(InputError, match="A text is empty"):
        pipeline.similarity("x", " ", **HASHED_MODELS)
