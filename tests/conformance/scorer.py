"""The suite of the Scorer plug."""

from __future__ import annotations

from abc import abstractmethod

import numpy as np
import pytest

from bicross.protocols import Scorer
from bicross.vectors import Scores

QUESTIONS = ["How do I reset the printer?", "如何重置打印机？", "", "🙂", "long question " * 300]
ANSWERS = ["To reset the printer, press the button.", "要重置打印机，请按按钮。", "Cats sleep.", "", "长答案" * 800]
PAIRS = [(question, answer) for question in QUESTIONS for answer in ANSWERS]


class ScorerConformance:
    """Subclass it and define `make`. `make` is called once for a class."""

    tolerance = 1e-4  # of a score, absolute

    @abstractmethod
    def make(self) -> Scorer:
        """The scorer under test."""

    @pytest.fixture(scope="class")
    @classmethod
    def scorer(cls) -> Scorer:
        return cls().make()

    @pytest.fixture(scope="class")
    @classmethod
    def scores(cls, scorer: Scorer) -> Scores:
        return scorer.score(PAIRS)  # (len(PAIRS),)

    def test_shape_type_and_values(self, scores: Scores) -> None:
        assert scores.shape == (len(PAIRS),)
        assert scores.dtype == np.float32
        assert np.isfinite(scores).all()

    def test_no_pairs_give_no_scores(self, scorer: Scorer) -> None:
        assert scorer.score([]).shape == (0,)

    def test_scores_stand_in_the_order_asked(self, scorer: Scorer, scores: Scores) -> None:
        order = np.random.default_rng(0).permutation(len(PAIRS))
        assert scorer.score([PAIRS[place] for place in order]) == pytest.approx(scores[order], abs=self.tolerance)

    def test_pairs_of_many_queries_score_as_one_by_one(self, scorer: Scorer, scores: Scores) -> None:
        alone = np.concatenate([scorer.score([pair]) for pair in PAIRS])
        assert alone == pytest.approx(scores, abs=self.tolerance)

    def test_a_pair_twice_scores_the_same(self, scorer: Scorer) -> None:
        first, second = scorer.score([PAIRS[0], PAIRS[0]])
        assert first == pytest.approx(second, abs=self.tolerance)

    def test_higher_is_better(self, scorer: Scorer) -> None:
        for question, answer in ((QUESTIONS[0], ANSWERS[0]), (QUESTIONS[1], ANSWERS[1])):
            right, wrong = scorer.score([(question, answer), (question, ANSWERS[2])])
            assert right > wrong

    def test_a_megabyte_in_one_document(self, scorer: Scorer) -> None:
        assert np.isfinite(scorer.score([(QUESTIONS[0], "every word of it " * 65_000)])).all()

    def test_the_same_model_has_the_same_fingerprint(self, scorer: Scorer) -> None:
        assert scorer.fingerprint
        assert self.make().fingerprint == scorer.fingerprint
