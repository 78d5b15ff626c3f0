"""A stop rule is taken where it keeps what full depth gives, and refused where it does not, or where nothing can be known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pytest

from bicross.adapting import KEEP, LIMITS, Adapted, adapt, replay
from bicross.evaluation.overlap import overlap
from bicross.records import Hit, Ranking, Stage
from bicross.searchers.foresight import FAST
from bicross.searchers.reading import Reading, in_order
from tests.searchers.test_foresight import WEIGHTS, world


def adapted(rankings: Sequence[Ranking], fast: str | None = None) -> Adapted:
    """By agreement with full depth."""
    candidates = {f"q{number}": ranking for number, ranking in enumerate(rankings)}
    full = {query: [hit.doc_id for hit in in_order(ranking, len(ranking), WEIGHTS)] for query, ranking in candidates.items()}

    def value(found: Mapping[str, Ranking]) -> dict[str, float]:
        return {query: overlap([hit.doc_id for hit in ranking], full[query], 10) for query, ranking in found.items()}

    fold_of = {query: number % 5 for number, query in enumerate(candidates)}
    return adapt(candidates, WEIGHTS, fold_of, value, dict.fromkeys(candidates, 1.0), fast)


def test_where_recall_foretells_the_reranker_few_are_read_and_all_is_kept() -> None:
    found = adapted(world(60, candidates=100))
    assert found.foresight is not None and found.reason == "" and set(found.foresight.lines) == {"rerank"}
    assert found.kept >= KEEP and found.confidence[0] <= found.kept <= found.confidence[1]
    assert 10 <= found.read < 60 and found.depth == 100 and len(found.values) == 60


def test_where_nothing_foretells_it_all_is_read() -> None:
    rng = np.random.default_rng(0)

    def random(hit: Hit) -> Hit:
        return replace(hit, stages={**hit.stages, "rerank": Stage(1, float(rng.normal(0, 50)))})

    found = adapted([tuple(map(random, ranking)) for ranking in world(40, candidates=30)])
    assert found.foresight is None and "Always rerank" in found.reason


def test_the_fewer_questions_choose_the_less_is_risked() -> None:
    """Nothing that was asked is lost, whatever is left out."""

    def chosen(questions: int) -> float:
        candidates = {f"q{number}": ranking for number, ranking in enumerate(world(questions))}
        ones = dict.fromkeys(candidates, 1.0)
        fold_of = {query: number % 5 for number, query in enumerate(candidates)}
        foresight = adapt(candidates, WEIGHTS, fold_of, lambda found: dict.fromkeys(found, 1.0), ones).foresight
        assert foresight is not None
        return foresight.limit

    assert (chosen(30), chosen(60)) == (LIMITS[0], LIMITS[-1])


def test_few_questions_prove_nothing() -> None:
    found = adapted(world(20))
    assert found.foresight is None and "20 questions are too few" in found.reason


def read_fast(ranking: Ranking) -> Ranking:
    """By a faster reranker that says nearly the same."""
    return tuple(replace(hit, stages={**hit.stages, "fast": Stage(1, hit.stages["rerank"].score + 0.01)}) for hit in ranking)


def test_a_faster_reranker_that_says_the_same_saves_readings() -> None:
    rankings = [read_fast(ranking) for ranking in world(60, candidates=100)]
    alone, cascade = adapted(rankings), adapted(rankings, "fast one")
    assert cascade.foresight is not None and cascade.read < alone.read and cascade.kept >= KEEP
    assert abs(cascade.foresight.after["rerank"].slopes["fast"]) > 0.9 and cascade.fast == "fast one"
    assert cascade.read <= cascade.read_fast < 60 and alone.read_fast == 0, "the fast one, too, reads no more than may matter"


@pytest.mark.parametrize("fast", [None, "fast one"])
def test_a_replay_is_what_a_search_with_that_limit_would_do(fast: str | None) -> None:
    (ranking,) = map(read_fast, world(1, candidates=60, seed=7))
    lines = adapted([read_fast(one) for one in world(60, candidates=60)], fast).foresight
    assert lines is not None and bool(lines.after) == bool(fast)
    played = replay(ranking, WEIGHTS, ["rerank"], replace(lines, limit=min(LIMITS)))
    for limit, stop in played.items():
        unread = [replace(hit, stages={n: stage for n, stage in hit.stages.items() if n not in ("rerank", "fast")}) for hit in ranking]
        reading = Reading(unread, WEIGHTS, ["rerank"], replace(lines, limit=limit))
        while (wanted := reading.next()).places:
            stage = "fast" if wanted.by == FAST else "rerank"
            reading.told(wanted.by, wanted.places, {stage: [ranking[place].stages[stage].score for place in wanted.places]})
        assert (reading.ranking(), reading.read, reading.read_fast) == stop
