"""How long a search takes, learnt from those before, so that it is known beforehand how deep one can go in the time that is left."""

from __future__ import annotations

from collections.abc import Mapping

NEW = 0.2  # what the newest measurement counts in the moving mean
OUTLIER, MOMENT = 4, 0.001  # times the mean that one measurement counts at most, and the seconds that a mean counts at least in that
TRY = 8  # where there is time for none, every so many times one is tried: what was slow once may be slow no more
SPARE = 0.8  # share of the time left that is planned with: the rest is for what was not foreseen


class Pace:
    """Moving means of the seconds that one question takes to recall and one pair to rerank."""

    def __init__(self) -> None:
        self._question: float | None = None
        self._pair: float | None = None
        self._without = 0

    def took(self, questions: int, pairs: int, seconds: Mapping[str, float]) -> None:
        """Learn from a search of so many questions that reranked so many pairs, by the seconds of its stages."""
        if questions:
            self._question = _moved(self._question, (seconds.get("encode", 0.0) + seconds.get("recall", 0.0)) / questions)
        if pairs:
            self._pair = _moved(self._pair, seconds.get("rerank", 0.0) / pairs)

    def depth(self, wanted: int, questions: int, seconds_left: float) -> int:
        """How many candidates of each question can be reranked in the time left: at most `wanted`, and 0 where there is time for none.
        Where recall alone leaves time, 1 now and then, for what is never tried is never learnt.

        As long as nothing is known, `wanted`.
        """
        if self._pair is None or not questions:
            return wanted
        left = SPARE * seconds_left - questions * (self._question or 0.0)
        fits = max(0, min(wanted, int(left / (questions * max(self._pair, 1e-9)))))
        if fits or not wanted or left <= 0:
            return fits
        self._without += 1
        return int(self._without % TRY == 0)


def _moved(mean: float | None, newest: float) -> float:
    return newest if mean is None else mean + NEW * (min(newest, OUTLIER * max(mean, MOMENT)) - mean)
