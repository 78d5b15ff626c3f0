"""What `mine`, `distill`, `weigh`, `train` and `evaluate` would take here: what they are given is checked as they check it, and a sample of
their own work is done and timed. Nothing is written. What an interrupted run has done already is counted too."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from statistics import fmean
from tempfile import TemporaryDirectory
from typing import NamedTuple, TypeVar

from bicross import ancestry, asking, evaluating
from bicross.data.examples import read_mined
from bicross.evaluation import depths
from bicross.models import registry
from bicross.opened import OpenCollection
from bicross.protocols import Progress, Scorer, silent
from bicross.records import Mined, Query, Skip
from bicross.results import Estimated
from bicross.searchers.explained import was_read
from bicross.searchers.stopwatch import Stopwatch
from bicross.settings import BiEncoderSettings, CrossEncoderSettings, EvaluateSettings, MineSettings, SearchSettings
from bicross.tuning import fitting, steps
from bicross.tuning.plan import alike, tokens_a_second
from bicross.vectors import check_scores

T = TypeVar("T")
MEASURED = 3.0  # seconds for each rate, unless one call or one step takes longer
SAMPLE = 64  # questions, spread over all; as many as are mined together
TOGETHER = 4  # of them searched in one call
SHARE = 16  # pairs for each core that are scored in one call: fewer would leave cores idle


def estimate_mine(
    path: Path,
    queries_path: Path,
    qrels_path: Path,
    into: Path,
    settings: MineSettings = MineSettings(),
    reranker: str | None = None,
    audit_path: Path | None = None,
    progress: Progress = silent,
) -> Estimated:
    """What `mine` would take: candidates are found for some questions, and the cross-encoder reads some of these. Raises as it."""
    steps.require_targets(into, audit_path)
    asked, known, skipped = asking.judged(queries_path, qrels_path)
    some = _spread(asked)
    with OpenCollection(path) as collection:
        scorer, remarks = steps.denoiser(collection, asked, known, reranker)
        steps.candidates(collection, some[:1], known, settings, silent)  # models and index are loaded
        start = time.perf_counter()
        rows = steps.candidates(collection, some, known, settings, progress)
        found = len(some) / (time.perf_counter() - start)
    pairs = _pairs(rows)
    counts = {"questions": len(asked), "pairs": round(len(pairs) / len(rows) * len(asked))}
    return Estimated.of(counts, {"questions": found, **_reading(scorer, pairs)}, remarks, skipped)


def estimate_distill(source: Path, reranker: str, into: Path) -> Estimated:
    """What `distill` would take: the teacher reads some of the pairs. Raises as it."""
    steps.require_targets(into)
    rows, teacher = read_mined(source), registry.load_reranker(reranker)
    counts = {"questions": len(rows), "pairs": len(_pairs(rows))}
    return Estimated.of(counts, _reading(teacher, _pairs(_spread(rows))))


def estimate_weigh(path: Path, queries_path: Path, qrels_path: Path, depth: int | None = None, progress: Progress = silent) -> Estimated:
    """What `weigh` would take: a sample of the questions is searched with every scorer. Raises as it.

    The candidates are read once with the weights of before and once for the fitted ones: again, which is not counted, where folds choose
    other weights of lexical search. The fit itself is not counted either.
    """
    asked, _, skipped = asking.judged(queries_path, qrels_path)
    with OpenCollection(path) as collection:
        asked, seen = steps.fitting_questions(asked, path, collection.facts)
        own = collection.weights
        deepest = depth or own.depth
        settings = SearchSettings(k=max(fitting.RECALLED, deepest), depth=deepest)
        cost = _searched(collection.trying(replace(own, combination=fitting.ASKED)), asked, settings, progress)
    passes = 2 if own.combination.get("rerank") else 1
    # Recall is asked for lexical and dense search apart, which are one search together, and before each reading.
    return cost.estimated(len(asked), 3 * len(asked), passes * len(asked) * cost.read, (), (*skipped, *seen))


def estimate_evaluate(
    path: Path,
    queries_path: Path,
    qrels_path: Path,
    settings: SearchSettings = SearchSettings(k=100),
    measuring: EvaluateSettings = EvaluateSettings(),
    run_path: Path | None = None,
    progress: Progress = silent,
    report_path: Path | None = None,
    against_path: Path | None = None,
) -> Estimated:
    """What `evaluate` would take: a sample of the questions is searched. Raises as it.

    All questions are searched with reranking and, where there is any, without; some are then timed alone, at each depth that is timed.
    """
    given = evaluating.given_of(queries_path, qrels_path, settings, measuring, run_path, report_path, against_path)
    with OpenCollection(path) as collection:
        depth, adaptive = collection.depth(given.settings), collection.adaptive(given.settings)
        cost = _searched(collection, given.asked, given.settings.model_copy(update={"k": max(given.settings.k, depth)}), progress)
        remarks = ancestry.remarks(path, collection.facts, given.asked)
    asked, timed = len(given.asked), depths.timed_steps(depth)
    alone = min(asking.TIMED_QUESTIONS, asked)
    read = [cost.read if step == depth else step if adaptive else min(step, cost.read) for step in timed]
    searches = asked * (2 if depth else 1) + alone * len(timed)
    return cost.estimated(asked, searches, asked * cost.read + alone * sum(read), remarks, given.skipped)


def estimate_train(
    kind: str,
    rows: Path,
    base: str | None,
    into: Path,
    settings: BiEncoderSettings | CrossEncoderSettings,
    teacher: str | None = None,
    progress: Progress = silent,
) -> Estimated:
    """What `train` would take: its first steps are made and thrown away. Raises as it. Needs the extra `train`."""
    given, timed = steps.training_of(kind, rows, base, settings, teacher), _TimedSteps(progress)
    with TemporaryDirectory(prefix="bicross-") as work, suppress(_Enough):
        steps.fitted(given, Path(os.path.realpath(into)), settings, Path(work), timed)
    return Estimated.of({"rows": len(given.epochs[0]), "steps": timed.total}, {"steps": timed.rate()})


def _reading(scorer: Scorer, pairs: Sequence[tuple[str, str]]) -> dict[str, float]:
    """{"pairs"}: how many a cross-encoder reads a second, as long on average as these are; nothing where there are none.

    Lengths are of UTF-8, which grows with a model's tokens in any language. Raises InputError where a score is not finite.
    """
    from bicross.models.network import cores  # the runtime is loaded where it is needed

    if not pairs:
        return {}

    def score(part: Sequence[tuple[str, str]]) -> None:
        check_scores(scorer.score(part), part)

    lengths = [1 + len(query.encode()) + len(text.encode()) for query, text in pairs]
    size = SHARE * cores()
    order = alike(lengths, size)
    read = tokens_a_second(score, [pairs[n] for n in order], [lengths[n] for n in order], size, MEASURED, time.perf_counter)
    return {"pairs": read / fmean(lengths)}


class _Cost(NamedTuple):
    """What a search of one question costs: seconds of recall, and pairs that are read; and how many pairs are read a second."""

    recall: float
    read: float
    rate: float

    def estimated(self, questions: int, searches: int, pairs: float, remarks: Sequence[str], skipped: Sequence[Skip]) -> Estimated:
        """What so many searches take, which read so many pairs."""
        counts, rates = {"questions": questions, "searches": searches, "pairs": round(pairs)}, {"searches": 1 / self.recall}
        return Estimated.of(counts, {**rates, "pairs": self.rate} if self.read else rates, remarks, skipped)


def _searched(collection: OpenCollection, queries: Sequence[Query], settings: SearchSettings, progress: Progress) -> _Cost:
    """A sample of the questions searched, until MEASURED seconds are over; models are warm, as they are for all but the first question."""
    some = _spread(queries)
    collection.rank(some[:1], settings, Stopwatch())
    rest, stopwatch, start, asked, read = some[1:] or some, Stopwatch(), time.perf_counter(), 0, 0
    while asked < len(rest) and (not asked or time.perf_counter() - start < MEASURED):
        found = collection.rank(rest[asked : asked + TOGETHER], settings, stopwatch)
        asked += len(found)
        read += sum(was_read(hit) for ranking in found.values() for hit in ranking)
        progress("measuring searches", asked, len(rest))
    reading = stopwatch.seconds.get("rerank", 0.0)
    recall = sum(stopwatch.seconds.values()) - reading
    return _Cost(recall / asked, read / asked, read / reading if read else 0.0)


class _Enough(Exception):
    """Enough steps are timed."""


class _TimedSteps:
    """A Progress that notes when each step of a training ends, and ends all when MEASURED seconds are over, or the last step is."""

    def __init__(self, progress: Progress) -> None:
        self._progress, self._moments, self.total = progress, list[float](), 0

    def __call__(self, _: str, done: int, total: int) -> None:
        self._moments.append(time.perf_counter())
        self.total = total
        self._progress("measuring steps", done, total)
        if done == total or (done and self._moments[-1] - self._moments[0] >= MEASURED):
            raise _Enough

    def rate(self) -> float:
        """Steps a second; the first, which warms up, counts only where it is the only one."""
        moments = self._moments[1:] if len(self._moments) > 2 else self._moments
        return (len(moments) - 1) / (moments[-1] - moments[0])


def _pairs(rows: Sequence[Mined]) -> list[tuple[str, str]]:
    """What the cross-encoder reads of mined rows."""
    return [(row.query.text, one.text) for row in rows for one in (*row.positives, *row.candidates)]


def _spread(items: Sequence[T]) -> Sequence[T]:
    """SAMPLE of them or fewer, at equal distances."""
    return items[:: -(-len(items) // SAMPLE)]
