"""The cross-encoder's second opinion: it reads both texts of a pair together, which is why it can read a few pairs only."""

from __future__ import annotations

import time
from collections.abc import Sequence
from random import Random

import numpy as np

from bicross.analysing.results import Opinion
from bicross.analysing.texts import Texts
from bicross.analysis.groups import Groups
from bicross.models import registry
from bicross.protocols import Progress
from bicross.settings import STARTER_RERANKER, AnalysisSettings
from bicross.vectors import Scores, unit

CHUNK = 32  # pairs read between two signs of progress


class Reader:
    """A cross-encoder that reads pairs of texts in both directions, and keeps the time."""

    def __init__(self, texts: Texts, settings: AnalysisSettings, progress: Progress) -> None:
        self._name = settings.reranker or texts.reranker or STARTER_RERANKER
        self._texts, self._progress = texts, progress
        self._scorer = registry.load_reranker(self._name)
        self._read, self._seconds = 0, 0.0

    def scores(self, pairs: Sequence[tuple[int, int]]) -> Scores:
        """Of pairs of row numbers, (len(pairs),): the mean of both directions, higher for texts that belong together."""
        start, scores = time.perf_counter(), np.empty(len(pairs), dtype=np.float32)
        for first in range(0, len(pairs), CHUNK):
            part = [(self._texts.texts[left], self._texts.texts[right]) for left, right in pairs[first : first + CHUNK]]
            both = self._scorer.score([*part, *((right, left) for left, right in part)]).reshape(2, len(part))
            scores[first : first + CHUNK] = both.mean(axis=0)
            self._progress("pairs read by the cross-encoder", first + len(part), len(pairs))
        self._seconds += time.perf_counter() - start
        self._read += len(pairs)
        return scores

    def opinion(self) -> Opinion:
        """What it read, and what all pairs would have taken."""
        needed = all_pairs(self._texts)
        return Opinion(self._name, self._read, needed, self._seconds, needed * self._seconds / max(1, self._read))


def all_pairs(texts: Texts) -> int:
    """How many pairs a cross-encoder alone would have to read."""
    return len(texts.ids) * (len(texts.ids) - 1) // 2


def asked(
    texts: Texts, pairs: Sequence[tuple[int, int]], settings: AnalysisSettings, progress: Progress
) -> tuple[list[float | None], Opinion | None]:
    """The cross-encoder's scores of the first `second_opinion` pairs, None for the others."""
    if not settings.second_opinion or not pairs:
        return [None] * len(pairs), None
    reader = Reader(texts, settings, progress)
    scores = reader.scores(pairs[: settings.second_opinion]).tolist()
    texts.seconds["second_opinion"] = reader.opinion().seconds
    return [*scores, *[None] * (len(pairs) - len(scores))], reader.opinion()


def doubtful(
    texts: Texts, made: Groups, settings: AnalysisSettings, progress: Progress
) -> tuple[float | None, tuple[str, ...], Opinion | None]:
    """Members that the cross-encoder finds closer to the most typical text of the nearest other group than to that of their own, among
    `second_opinion` of them drawn at random; and the share that it leaves where they are."""
    if not settings.second_opinion or len(made) < 2:
        return None, (), None
    members = [(row, number) for number, group in enumerate(made) for row in group[1:]]
    drawn = Random(0).sample(members, min(settings.second_opinion, len(members)))
    means = unit(np.stack([texts.vectors[group].mean(axis=0) for group in made]))  # (groups, dim)
    similar = texts.vectors[[row for row, _ in drawn]] @ means.T  # (drawn, groups)
    similar[np.arange(len(drawn)), [number for _, number in drawn]] = -np.inf
    others = similar.argmax(axis=1).tolist()
    reader = Reader(texts, settings, progress)
    scores = reader.scores(
        [(row, made[number][0]) for row, number in drawn] + [(row, made[other][0]) for (row, _), other in zip(drawn, others, strict=True)]
    )
    own, other_ones = scores.reshape(2, len(drawn))
    texts.seconds["second_opinion"] = reader.opinion().seconds
    moved = tuple(texts.ids[row] for (row, _), here, there in zip(drawn, own, other_ones, strict=True) if there > here)
    return 1 - len(moved) / max(1, len(drawn)), moved, reader.opinion()
