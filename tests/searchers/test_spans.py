"""The sentence that decides comes first, in both languages; what an effect is, by hand."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from bicross.data.sentences import pieces
from bicross.models import registry
from bicross.models.hashed import HashedScorer
from bicross.protocols import Scorer
from bicross.searchers.spans import Span, mattering
from bicross.settings import STARTER_RERANKER
from bicross.vectors import Scores

ENGLISH = [
    "The case is made of aluminium and comes in three colours.",
    "A cloth and a cable are in the box.",
    "To reset the device, hold the power button for ten seconds.",
    "The display has rounded corners.",
    "Please recycle the packaging.",
]
CHINESE = ["外壳由铝制成，有三种颜色。", "盒内有布和数据线。", "要重置设备，请按住电源键十秒钟。", "屏幕有圆角。", "请回收包装。"]


class CountingScorer:
    """A document's score is how often the question's letters are in it; and a memory of the calls."""

    fingerprint = "counting"

    def __init__(self) -> None:
        self.calls: list[list[tuple[str, str]]] = []

    def score(self, pairs: Sequence[tuple[str, str]]) -> Scores:
        self.calls.append(list(pairs))
        return np.array([sum(document.count(letter) for letter in question) for question, document in pairs], dtype=np.float32)


def of(scorer: Scorer, question: str, text: str) -> list[str]:
    """The spans that mattered, as texts."""
    (found,) = mattering(scorer, question, [text], [[(piece.start, piece.end) for piece in pieces(text)]])
    return [text[span.start : span.end] for span in found]


@pytest.mark.parametrize("place", range(5))
@pytest.mark.parametrize("scorer", [HashedScorer(), registry.load_reranker(STARTER_RERANKER)], ids=["hashed", "starter"])
def test_the_planted_sentence_comes_first_wherever_it_stands(scorer: Scorer, place: int) -> None:
    for sentences, glue, question in ((ENGLISH, " ", "How do I reset the device?"), (CHINESE, "", "怎么重置设备？")):
        others = [one for one in sentences if one != sentences[2]]
        text = glue.join([*others[:place], sentences[2], *others[place:]])
        assert of(scorer, question, text)[0] == sentences[2]


def test_effects_are_what_the_score_loses_and_only_those_that_help_are_told() -> None:
    scorer = CountingScorer()
    text = "𠮷x. a a. b. a."
    cuts = [(0, 3), (4, 8), (9, 11), (12, 14)]
    assert mattering(scorer, "a", [text], [cuts]) == [[Span(4, 8, 2.0), Span(12, 14, 1.0)]]
    without = ["a a. b. a.", "𠮷x. b. a.", "𠮷x. a a. a.", "𠮷x. a a. b."]
    assert scorer.calls == [[("a", one) for one in (text, *without)]]


def test_all_texts_are_scored_in_one_call_and_equal_spans_stand_in_the_order_of_the_text() -> None:
    scorer = CountingScorer()
    found = mattering(scorer, "a", ["a. a.", "", "b", "a"], [[(0, 2), (3, 5)], [], [(0, 1)], [(0, 1)]])
    assert found == [[Span(0, 2, 1.0), Span(3, 5, 1.0)], [], [], [Span(0, 1, 1.0)]]
    assert len(scorer.calls) == 1
    assert mattering(scorer, "a", [], []) == [] and len(scorer.calls) == 1
