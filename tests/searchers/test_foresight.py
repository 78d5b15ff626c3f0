"""What is foretold of candidates: exact where all was read, right on average where the world is as the model has it."""

from __future__ import annotations

import numpy as np
import pytest

from bicross.records import Hit, Stage
from bicross.searchers.combination import column, combine
from bicross.searchers.foresight import FAST, Expected, Foresight, Line, Outlook, chances, fit
from bicross.searchers.reading import ALL, Reading, in_order

WEIGHTS = {"lexical": 0.6, "dense": 0.8, "rerank": 1.0}
SLOPES = {"lexical": 0.5, "dense": 1.5}
LEVEL, SCATTER, NOISE = -3.0, 2.0, 0.4


def world(questions: int, candidates: int = 40, seed: int = 0) -> list[tuple[Hit, ...]]:
    """Candidates whose cross-encoder's score is a line in what recall says, at a level of each question's own, with noise."""
    rng, found = np.random.default_rng(seed), []
    for _ in range(questions):
        signs = {name: rng.normal(10, 3, candidates) for name in SLOPES}
        score = rng.normal(LEVEL, SCATTER) + rng.normal(0, NOISE, candidates)
        for name, slope in SLOPES.items():
            score = score + slope * (signs[name] - signs[name].mean()) / signs[name].std()
        order = np.argsort(-sum(signs.values()))
        found.append(tuple(hit(rank, {n: float(s[row]) for n, s in signs.items()}, float(score[row])) for rank, row in enumerate(order, 1)))
    return found


def hit(rank: int, signs: dict[str, float], score: float) -> Hit:
    stages = {name: Stage(1, value) for name, value in {**signs, "rerank": score}.items()}
    return Hit(f"d{rank:02}", 0.0, None, {**stages, "fused": Stage(rank, 0.0)})


def test_the_lines_of_a_known_world_are_found() -> None:
    line = fit(world(300), ["rerank"])["rerank"]
    assert {name: line.slopes[name] for name in SLOPES} == pytest.approx(SLOPES, abs=0.03)
    assert line.slopes["rank"] == pytest.approx(0, abs=0.05) and set(line.slopes) == {*SLOPES, "rank"}
    assert (line.level, line.scatter, line.noise) == pytest.approx((LEVEL, SCATTER, NOISE), abs=0.25)


def test_where_all_was_read_nothing_is_foretold() -> None:
    (ranking,) = world(1, seed=1)
    outlook = Outlook(ranking, WEIGHTS, Foresight({"rerank": Line({"dense": 9.0}, 5.0, 1.0, 1.0)}, 0.1))
    finals, spread = outlook.expected({"rerank": column(ranking, "rerank")})
    assert finals == pytest.approx(combine(ranking, WEIGHTS)) and not spread.any()


def test_expected_scores_and_their_spread_are_right_on_average() -> None:
    lines, errors = fit(world(200), ["rerank"]), []
    for ranking in world(200, seed=2):
        scores = column(ranking, "rerank")
        unread = np.arange(len(scores)) >= 10
        found = Outlook(ranking, WEIGHTS, Foresight(lines, 0.1)).expected({"rerank": np.where(unread, np.nan, scores)})
        assert not found.spread[~unread].any() and (found.spread[unread] > 0).all()
        errors += list((combine(ranking, WEIGHTS) - found.finals)[unread] / found.spread[unread])
    assert np.mean(errors) == pytest.approx(0, abs=0.05) and np.std(errors) == pytest.approx(1, abs=0.1)


def test_chances_rise_with_the_score_and_with_what_is_not_known() -> None:
    rivals = Expected(np.array([0.0, 1.0, 2.0, 2.0]), np.array([1.0, 1.0, 1.0, 0.0]))
    assert chances(rivals, 1.0) == pytest.approx([0.14, 0.5, 0.86, 1.0], abs=0.01)
    assert chances(Expected(rivals.finals, 3 * rivals.spread), 1.0)[0] > 0.3


# --- reading in rounds -----------------------------------------------------------------------------------------------


def read(ranking: tuple[Hit, ...], foresight: Foresight | None, most: int | None = None) -> Reading:
    reading = Reading([Hit(one.doc_id, 0.0, None, {n: s for n, s in one.stages.items() if n != "rerank"}) for one in ranking],
                      WEIGHTS, ["rerank"], foresight)  # fmt: skip
    while (wanted := reading.next()).places:
        by, places = wanted.by, wanted.places[:most]
        told = "fast" if by == FAST else "rerank"
        reading.told(by, places, {told: [ranking[place].stages[told].score for place in places]})
        if most is not None:
            break
    return reading


def order(ranking: tuple[Hit, ...]) -> list[str]:
    return [one.doc_id for one in ranking]


@pytest.mark.parametrize("limit", [None, 0.0])
def test_without_foresight_and_without_a_limit_all_are_read(limit: float | None) -> None:
    for ranking in world(5, seed=3):
        reading = read(ranking, None if limit is None else Foresight(fit(world(50), ["rerank"]), limit))
        assert reading.read == len(ranking) and reading.settled
        full = in_order(ranking, len(ranking), WEIGHTS)
        assert [(one.doc_id, one.stages["rerank"]) for one in reading.ranking()] == [
            (one.doc_id, one.stages["rerank"]) for one in _ranked(full)
        ]
        assert [one.score for one in reading.ranking()] == pytest.approx([one.score for one in full])


def test_no_more_is_read_than_can_change_the_first_ten() -> None:
    lines = fit(world(200), ["rerank"])
    reads, kept = [], []
    for ranking in world(50, candidates=100, seed=4):
        reading = read(ranking, Foresight(lines, 0.1))
        reads.append(reading.read)
        kept.append(len(set(order(reading.ranking())[:10]) & set(order(in_order(ranking, 100, WEIGHTS))[:10])) / 10)
    assert np.mean(reads) < 45 and np.mean(kept) > 0.98


def test_a_looser_limit_reads_less() -> None:
    lines, (ranking,) = fit(world(200), ["rerank"]), world(1, candidates=100, seed=5)
    counts = [read(ranking, Foresight(lines, limit)).read for limit in (0.0, 0.05, 0.5, 10.0)]
    assert counts == sorted(counts, reverse=True) and counts[0] == 100 and counts[-1] == 10


def test_the_fast_one_reads_as_long_as_more_is_to_be_expected_of_what_it_has_not_read() -> None:
    rng = np.random.default_rng(8)
    worlds = [_with_fast(ranking, rng) for ranking in world(201, candidates=100, seed=8)]
    ranking, foresight = worlds[0], Foresight(fit(worlds[1:], ["rerank"]), 0.1, fit(worlds[1:], ["rerank"], fast=True))
    assert foresight.after["rerank"].noise < foresight.lines["rerank"].noise / 2, "what the fast one said makes it surer"
    unread = [Hit(one.doc_id, 0.0, None, {n: s for n, s in one.stages.items() if n not in ("rerank", "fast")}) for one in ranking]
    reading, rounds, first = Reading(unread, WEIGHTS, ["rerank"], foresight), [], set[int]()
    while (wanted := reading.next()).places:
        rounds.append(wanted.by)
        stage = "fast" if wanted.by == FAST else "rerank"
        assert wanted.by == FAST or first.issuperset(wanted.places), "the other reads only what the fast one has read"
        first |= set(wanted.places) if wanted.by == FAST else set()
        reading.told(wanted.by, wanted.places, {stage: [ranking[place].stages[stage].score for place in wanted.places]})
    assert rounds[:2] == [FAST, ALL] and reading.settled and reading.changes <= 0.1
    assert 10 <= reading.read <= reading.read_fast == len(first) < 100
    assert sum("fast" in one.stages for one in reading.ranking()) == len(first)


def _with_fast(ranking: tuple[Hit, ...], rng: np.random.Generator) -> tuple[Hit, ...]:
    """As a faster cross-encoder with a level of its own reads them, nearly like the other."""
    return tuple(
        Hit(one.doc_id, 0.0, None, {**one.stages, "fast": Stage(1, one.stages["rerank"].score + 4 + float(rng.normal(0, 0.1)))})
        for one in ranking
    )


def test_no_more_is_read_than_there_is_time_for() -> None:
    (ranking,) = world(1, seed=6)
    reading = read(ranking, None, most=3)
    assert reading.read == 3 and not reading.settled
    assert order(reading.ranking()) == order(in_order(ranking, 3, WEIGHTS))
    assert not any("rerank" in one.stages for one in reading.ranking()[3:])


def _ranked(ranking: tuple[Hit, ...]) -> list[Hit]:
    """With the ranks that the scores of the cross-encoder alone would give."""
    best = sorted(ranking, key=lambda one: (-one.stages["rerank"].score, one.doc_id))
    ranks = {one.doc_id: rank for rank, one in enumerate(best, 1)}
    return [Hit(one.doc_id, one.score, None, {"rerank": Stage(ranks[one.doc_id], one.stages["rerank"].score)}) for one in ranking]
