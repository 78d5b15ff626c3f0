"""The starter reranker and late interaction as Scorers."""

from __future__ import annotations

from bicross.models.bi_encoder import BiEncoder
from bicross.models.late_interaction import LateInteraction
from bicross.models.registry import find, load_reranker
from bicross.protocols import Scorer
from bicross.settings import STARTER_ENCODER, STARTER_RERANKER
from tests.conformance import scorer as suite
from tests.conformance.scorer import ScorerConformance


class TestStarterReranker(ScorerConformance):
    def make(self) -> Scorer:
        return load_reranker(STARTER_RERANKER, "f32")

    def test_queries_of_pairs_longer_than_the_model_are_named(self, scorer: Scorer) -> None:
        scorer.cut.clear()
        scorer.score([(suite.QUESTIONS[0], suite.ANSWERS[0]), (suite.QUESTIONS[0], "word " * 600)])
        assert scorer.cut == [suite.QUESTIONS[0]]


class TestLateInteraction(ScorerConformance):
    def make(self) -> Scorer:
        return LateInteraction(BiEncoder(find(STARTER_ENCODER), "f32"))
