"""The starter reranker and late interaction as Scorers."""

from __future__ import annotations

from bicross.models.bi_encoder import BiEncoder
from bicross.models.cross_encoder import CrossEncoder
from bicross.models.late_interaction import LateInteraction
from bicross.models.registry import find
from bicross.models.tokens import load_tokenizer
from bicross.protocols import Scorer
from bicross.settings import STARTER_ENCODER, STARTER_RERANKER
from tests.conformance import scorer as suite
from tests.conformance.scorer import ScorerConformance


class TestStarterReranker(ScorerConformance):
    def make(self) -> CrossEncoder:
        return CrossEncoder(find(STARTER_RERANKER), "f32")

    def test_queries_of_pairs_longer_than_the_model_are_named(self, scorer: Scorer) -> None:
        scorer.cut.clear()
        scorer.score([(suite.QUESTIONS[0], suite.ANSWERS[0]), (suite.QUESTIONS[0], "word " * 600)])
        assert scorer.cut == [suite.QUESTIONS[0]]

    def test_tokens_are_counted_and_what_is_cut_is_told_of_each_pair(self, scorer: CrossEncoder) -> None:
        pairs = [("Two words", "两个词"), ("What?", "word " * 600), ("What?", ""), ("word " * 600, "word")]
        scorer.cut.clear()
        scores, tokens, cut = scorer.score_counted(pairs)
        assert scorer.cut == [] and scores.tolist() == scorer.score(pairs).tolist()
        tokenizer = load_tokenizer(scorer.folder.path / "tokenizer.json")
        assert tokens == [min(scorer.folder.max_tokens, len(tokenizer.encode(*pair).ids)) for pair in pairs]
        assert cut == [False, True, False, True] and scorer.folder.query_prompt == ""


class TestLateInteraction(ScorerConformance):
    def make(self) -> Scorer:
        return LateInteraction(BiEncoder(find(STARTER_ENCODER), "f32"))
