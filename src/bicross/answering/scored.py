"""The candidates of texts with the scores that say how probably they are right, and what turns these into probabilities."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from bicross.answering.nearest import Candidate, Rows, candidates, numbered
from bicross.answering.results import Fit
from bicross.answering.rows import Known
from bicross.data.questions import read_qrels, read_queries
from bicross.data.sources import read_documents
from bicross.errors import InputError
from bicross.evaluation.calibration import FOLDS, Pair, cross_fitted, fit
from bicross.evaluation.reliability import Threshold, best_hits, threshold
from bicross.protocols import Encoder, Progress, Scorer
from bicross.records import Calibration, Document, reading
from bicross.starter import GENERAL
from bicross.vectors import Vectors, unit

SAMPLE = 500  # known texts that are asked as if they were not there
LIKELIER = 0.5  # what is answered is more probably right than wrong, even where less would bring the precision
FEWEST = 20  # of them that another text of their label could answer
GENERAL_QUESTIONS = 50  # of each general set
LEAST, MOST = 0.001, 0.999  # a share of votes, so that its log-odds stay finite


@dataclass(slots=True)
class Examples:
    """Known texts, their vectors (known, dim), and the models. `read` of the candidates of a text are read by the cross-encoder: the
    known question with its answer, where the labels are `answers`."""

    known: list[Known]
    vectors: Vectors
    encoder: Encoder
    scorer: Scorer | None
    read: int
    answers: bool
    names: list[str] = field(init=False)
    labels: Rows = field(init=False)

    def __post_init__(self) -> None:
        self.names, self.labels = numbered([one.label for one in self.known])

    def scored(
        self, texts: Sequence[str], vectors: Vectors, progress: Progress, own: Rows | None = None, gone: bool = False
    ) -> list[list[tuple[Candidate, Mapping[str, float]]]]:
        """The candidates of each text with their scores: "cosine", "vote" (log-odds of its share), and "rerank", the cross-encoder's."""
        found = candidates(vectors, self.vectors, self.labels, max(1, self.read), own, gone)
        scores = [[{"cosine": one.cosine, "vote": _log_odds(one.vote)} for one in near] for near in found]
        if self.scorer is not None:
            pairs = [(text, self._reading(one.row)) for text, near in zip(texts, found, strict=True) for one in near]
            places = [place for near in scores for place in near]
            for start in range(0, len(pairs), 1024):
                values = self.scorer.score(pairs[start : start + 1024]).tolist()
                for place, value in zip(places[start : start + 1024], values, strict=True):
                    place["rerank"] = value
                progress("pairs read by the cross-encoder", min(start + 1024, len(pairs)), len(pairs))
        return [list(zip(near, one, strict=True)) for near, one in zip(found, scores, strict=True)]

    def _reading(self, row: int) -> str:
        one = self.known[row]
        return reading(one.text, one.label) if self.answers else one.text


def _log_odds(share: float) -> float:
    held = min(MOST, max(LEAST, share))
    return math.log(held / (1 - held))


def learn(examples: Examples, precision: float, seed: int, progress: Progress) -> tuple[Calibration, Fit]:
    """What turns scores into probabilities, and the cut: fitted to known texts asked as if they were not there (leave one out), and of an
    FAQ also as if their answer was not there, so that half of them are to be left unanswered. An FAQ with one question an answer has no
    such text; there the cross-encoder's score alone is used, fitted to the general questions that ship with the package.

    Raises:
        InputError: too few labels have two texts, and there are no answers to read.
    """
    drawn = np.sort(np.random.default_rng(seed).permutation(len(examples.known))[:SAMPLE])  # (drawn,)
    counts = np.bincount(examples.labels)
    several = int((counts[examples.labels[drawn]] > 1).sum())
    if several >= FEWEST:
        return _fitted(_left_out(examples, drawn, progress), precision, "known texts")
    if not examples.answers or examples.scorer is None:
        raise InputError(
            f"{several} of the known texts have another of the same label; expected {FEWEST} or more, from which it is learned when to say "
            "nothing. Add texts, several of each label."
        )
    return _fitted(_general(examples.encoder, examples.scorer), precision, "general questions")


def _left_out(examples: Examples, drawn: Rows, progress: Progress) -> list[Pair]:
    texts = [examples.known[row].text for row in drawn.tolist()]
    pairs = list[Pair]()
    for gone in (False, True) if examples.answers else (False,):
        found = examples.scored(texts, examples.vectors[drawn], progress, drawn, gone)
        for number, (row, near) in enumerate(zip(drawn.tolist(), found, strict=True)):
            label = examples.labels[row]
            pairs += [Pair(f"{row} {gone}", number % FOLDS, dict(scores), bool(one.label == label), True) for one, scores in near]
    return pairs


def _general(encoder: Encoder, scorer: Scorer) -> list[Pair]:
    """Questions with the text that answers them and the nearest that does not."""
    pairs, asked = list[Pair](), list[tuple[str, str]]()
    for name in ("xquad_en", "xquad_zh"):
        rows = [row for row in read_documents([GENERAL / name]) if isinstance(row, Document)]
        questions, qrels = read_queries(GENERAL / name)[0][:GENERAL_QUESTIONS], read_qrels(GENERAL / name)
        vectors = unit(encoder.encode_documents([row.text for row in rows]))  # (rows, dim)
        cosines = unit(encoder.encode_queries([question.text for question in questions])) @ vectors.T  # (questions, rows)
        for number, question in enumerate(questions):
            right = np.array([qrels[question.id].get(row.id, 0) > 0 for row in rows])
            for place, relevant in ((int(np.argmax(right)), True), (int(np.argmax(np.where(right, -np.inf, cosines[number]))), False)):
                pairs.append(Pair(f"{question.id} {name} {relevant}", number % FOLDS, {}, relevant, True))
                asked.append((question.text, rows[place].text))
    return [pair._replace(scores={"rerank": score}) for pair, score in zip(pairs, scorer.score(asked).tolist(), strict=True)]


def _fitted(pairs: list[Pair], precision: float, what: str) -> tuple[Calibration, Fit]:
    chances = cross_fitted(pairs)
    best = best_hits(pairs, chances)
    found: Threshold = threshold([pairs[row] for row in best], chances[best], "precision", precision, "best hits")
    cut = precision if found.probability is None else max(LIKELIER, found.probability)
    return fit(pairs), Fit(what, len(best), found, cut)
