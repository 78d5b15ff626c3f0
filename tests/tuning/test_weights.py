"""Weights of the stages, in worlds where it is planted which stage knows the answer."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pytest

from bicross.errors import InputError
from bicross.evaluation.calibration import fit as fit_calibration
from bicross.evaluation.calibration import pairs_of
from bicross.protocols import Searcher
from bicross.records import Calibration, Hit, Query, Ranking, Stage, Term
from bicross.searchers.weights import Weights
from bicross.tuning import weights
from bicross.tuning.weights import LEXICAL, Combined, Known, calibrations, combination, cross_fitted, fold_of, joined, lexical_weight
from bicross.vectors import best_first

Grades = dict[str, dict[str, int]]


def searched(stage: str, scores: Mapping[str, Mapping[str, float]]) -> Known:
    """A searcher of query -> document -> score."""
    rankings: dict[str, Ranking] = {}
    for query, found in scores.items():
        order = best_first(Hit(doc_id, score) for doc_id, score in found.items())
        rankings[query] = tuple(Hit(hit.doc_id, hit.score, None, {stage: Stage(rank, hit.score)}) for rank, hit in enumerate(order, 1))
    return Known(rankings)


def world(
    questions: int, told: Mapping[str, float], documents: int = 20, seed: int = 0
) -> tuple[dict[str, dict[str, dict[str, float]]], Grades]:
    """Stage -> query -> document -> score; one document answers, any of them, and its score is higher by what `told` says of the stage."""
    rng, draw = random.Random(seed), random.Random(seed + 1000)
    names = [f"q{number:03}" for number in range(questions)]
    answers = {query: draw.randrange(documents) for query in names}  # ties go by the document's name, which must not tell
    scores = {
        stage: {
            query: {f"d{place}": rng.gauss(gain * (place == answer), 1) for place in range(documents)} for query, answer in answers.items()
        }
        for stage, gain in told.items()
    }
    return scores, {query: {f"d{answer}": 1} for query, answer in answers.items()}


def questions(names: Iterable[str]) -> list[Query]:
    return [Query(name, "?") for name in names]


def by_place(names: Iterable[str]) -> dict[str, int]:
    """Query -> fold."""
    return {name: place % weights.FOLDS for place, name in enumerate(sorted(names))}


def fused(scores: Mapping[str, Mapping[str, Mapping[str, float]]]) -> dict[str, list[Hit]]:
    """The candidates in the order of dense search, with the scores of every stage."""
    order = searched("dense", scores["dense"]).rankings
    return {
        query: [
            Hit(
                hit.doc_id,
                -float(rank),
                None,
                {**{stage: Stage(0, values[query][hit.doc_id]) for stage, values in scores.items()}, "fused": Stage(rank, 0.0)},
            )
            for rank, hit in enumerate(ranking, 1)
        ]
        for query, ranking in order.items()
    }


@pytest.mark.parametrize(("gain", "helps"), [(0.0, False), (2.0, True)])
def test_lexical_search_gets_a_weight_where_it_helps(gain: float, helps: bool) -> None:
    scores, qrels = world(150, {"lexical": gain, "dense": 2.0})
    found = lexical_weight(*(searched(stage, scores[stage]) for stage in ("lexical", "dense")), questions(qrels), qrels, by_place(qrels))
    assert found in LEXICAL
    assert (found > 0) == helps


def test_a_gain_that_may_be_chance_is_none() -> None:
    """Lexical search is right on one question of ten that dense search misses, and as wrong on another."""
    dense = {f"q{n}": {"right": 1.0, "wrong": 0.5} if n else {"right": 0.5, "wrong": 1.0} for n in range(10)}
    lexical = {f"q{n}": {"right": 1.0} if n == 0 else {"wrong": 1.0} if n == 1 else {"right": 1.0} for n in range(10)}
    qrels = {query: {"right": 1} for query in dense}
    assert lexical_weight(searched("lexical", lexical), searched("dense", dense), questions(qrels), qrels, by_place(qrels)) == 0.0


def test_a_weight_is_not_praised_on_the_questions_that_chose_it() -> None:
    """Lexical scores are noise: the best of seven weights looks better on the questions that chose it, often beyond its error."""
    taken = []
    for seed in range(12):
        scores, qrels = world(40, {"lexical": 0.0, "dense": 1.5}, seed=seed)
        searches = (searched(stage, scores[stage]) for stage in ("lexical", "dense"))
        taken.append(lexical_weight(*searches, questions(qrels), qrels, by_place(qrels)))
    assert sum(weight > 0 for weight in taken) <= 1


def test_questions_alike_are_in_one_fold() -> None:
    """Six questions, each asked twice, which stand apart in the file."""
    rng = random.Random(0)
    texts = [" ".join("".join(rng.choices("abcdefgh", k=6)) for _ in range(8)) for _ in range(6)]
    asked = [Query(f"{place}, {time}", text + time) for time in ("?", "??") for place, text in enumerate(texts)]
    found = fold_of(asked)
    assert all(found[f"{place}, ?"] == found[f"{place}, ??"] for place in range(6)) and set(found.values()) == set(range(weights.FOLDS))
    assert fold_of(asked[:4]) == {query.id: place for place, query in enumerate(asked[:4])}  # fewer groups than folds


def test_a_useless_reranker_gets_no_weight_or_by_chance_a_little() -> None:
    """With few questions noise may seem worth its time; its weight is then so small that it cannot hurt."""
    shares, gains = [], []
    for seed in range(1, 7):
        scores, qrels = world(100, {"lexical": 0.5, "dense": 2.0, "rerank": 0.0}, seed=seed)
        found, quality, _ = combination(fused(scores), qrels, by_place(qrels))
        shares.append(found.get("rerank", 0.0) / found["dense"])
        gains.append(quality["lexical + dense + rank + rerank"] - quality["lexical + dense + rank"])
    assert sum(share == 0 for share in shares) >= 4
    assert max(shares) < 0.2
    assert np.mean(gains) == pytest.approx(0, abs=0.003)


def test_a_perfect_reranker_gets_nearly_all_of_it() -> None:
    scores, qrels = world(150, {"lexical": 0.5, "dense": 1.0, "rerank": 12.0})
    found, quality, _ = combination(fused(scores), qrels, by_place(qrels))
    assert found["rerank"] > 3 * max(weight for name, weight in found.items() if name != "rerank")
    assert quality["lexical + dense + rank + rerank"] == pytest.approx(1.0, abs=0.001)
    assert all(weight > 0 for weight in found.values())


def test_what_is_left_out_costs_less_than_it_is_worth() -> None:
    """Late interaction says what dense search says, so it is left out, and its time saved."""
    scores, qrels = world(100, {"lexical": 0.5, "dense": 2.0})
    found, quality, _ = combination(fused({**scores, "late": scores["dense"]}), qrels, by_place(qrels))
    assert "late" not in found and len(quality) == 3


def test_no_question_is_measured_with_weights_that_it_gave(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each question has a candidate table of its own; none that is measured is among those fitted on."""
    scores, qrels = world(23, {"lexical": 0.5, "dense": 1.0})
    fitted: list[list[bytes]] = []
    real_fit = weights.fit

    def watched(tables: Sequence[weights.Table], grades: Sequence[weights.Numbers]) -> dict[str, float]:
        fitted.append([table.tobytes() for table in tables])
        return real_fit(tables, grades)

    measured: list[str] = []
    real_features = weights.features
    names: dict[bytes, str] = {}

    def named(candidates: Sequence[Hit]) -> weights.Table:
        table = real_features(candidates)
        for used in weights.USED[:2]:  # the sets of stages that are known here
            mask = np.array([float(name in used) for name in weights.FEATURES])
            names[(table * mask).tobytes()] = next(query for query, hits in candidates_of.items() if hits is candidates)
        return table

    candidates_of = fused(scores)
    monkeypatch.setattr(weights, "fit", watched)
    monkeypatch.setattr(weights, "features", named)
    combination(candidates_of, qrels, by_place(qrels))
    *held_out, final = fitted
    assert len(final) == 23 and len(held_out) == 2 * weights.FOLDS
    for tables in held_out:
        measured += set(qrels) - {names[table] for table in tables}
    assert sorted(measured) == sorted([*qrels, *qrels])  # each question is left out once for each set of stages


def test_lexical_scores_that_say_nothing_get_no_weight() -> None:
    scores, qrels = world(100, {"lexical": 0.0, "dense": 2.0})
    assert combination(fused(scores), qrels, by_place(qrels)).weights.keys() == {"dense"}


def test_cross_fitting_does_not_praise_noise() -> None:
    """Five noise stages and ten questions: fitted and measured on the same questions they seem to help, cross-fitted they do not."""
    gains = []
    for seed in range(8):
        scores, qrels = world(10, {"lexical": 0.0, "dense": 0.0, "rerank": 0.0}, seed=seed)
        _, quality, _ = combination(fused(scores), qrels, by_place(qrels))
        gains.append(quality["lexical + dense + rank + rerank"])
    chance = np.mean([1 / np.log2(rank + 1) if rank <= 10 else 0.0 for rank in range(1, 21)])  # the answer at any place alike
    assert np.mean(gains) == pytest.approx(chance, abs=0.08)


def test_a_question_has_no_part_in_anything_that_orders_its_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither in the lexical weight nor in the stages and their weights; the hits that were not read again stay behind."""
    scores, qrels = world(23, {"lexical": 0.5, "dense": 1.0, "rerank": 2.0})
    ranked = {query: tuple(hits) for query, hits in fused(scores).items()}
    queries, folds = questions(qrels), by_place(qrels)
    seen: list[set[str]] = []
    asked: list[float] = []
    real_weight, real_combination = weights.lexical_weight, weights.combination

    def watched_weight(lexical: Searcher, dense: Searcher, rest: Sequence[Query], grades: Grades, folds: Mapping[str, int]) -> float:
        assert {query.id for query in rest} == set(grades)
        seen.append(set(grades))
        return real_weight(lexical, dense, rest, grades, folds)

    def watched_combination(candidates: Mapping[str, Sequence[Hit]], grades: Grades, folds: Mapping[str, int]) -> Combined:
        assert set(candidates) == seen[-1] and all(len(hits) == 8 for hits in candidates.values())
        return real_combination(candidates, grades, folds)

    def read(weight: float) -> Mapping[str, Ranking]:
        asked.append(weight)
        return ranked

    monkeypatch.setattr(weights, "lexical_weight", watched_weight)
    monkeypatch.setattr(weights, "combination", watched_combination)
    found = cross_fitted(searched("lexical", scores["lexical"]), searched("dense", scores["dense"]), read, queries, qrels, folds, 8)
    assert sorted(query for rest in seen for query in set(qrels) - rest) == sorted(qrels)  # each question is left out once
    assert len(asked) == weights.FOLDS and set(asked) <= set(LEXICAL)
    for query, ranking in found.items():
        assert {hit.doc_id for hit in ranking[:8]} == {hit.doc_id for hit in ranked[query][:8]}
        assert ranking[8:] == ranked[query][8:]
    assert list(found.values()) != list(ranked.values())
    with pytest.raises(InputError, match="4 judged questions, expected 5"):
        cross_fitted(searched("lexical", {}), searched("dense", {}), read, queries[:4], qrels, folds, 8)


def test_each_kind_of_search_is_calibrated_by_the_scores_that_it_has() -> None:
    """Only scorers with a weight count, and only the hits that are shown: here the ten best by the weights, whose answers lie apart."""
    scores, qrels = world(40, {"lexical": 0.5, "dense": 1.0, "late": 3.0, "rerank": 3.0})
    dense = searched("dense", scores["dense"]).rankings
    found = calibrations(fused(scores), {"dense": 0.5, "rerank": 1.0, "late": 0.0}, {"dense": dense, "lexical": {}}, qrels, by_place(qrels))
    assert {kind: set(curve.terms) for kind, curve in found.items()} == {"both": {"lexical", "dense", "rerank"}, "dense": {"dense"}}
    assert found["both"].terms["rerank"].slope > found["both"].terms["dense"].slope
    shown = {query: ranking[:10] for query, ranking in dense.items()}
    again = fit_calibration(pairs_of(shown, qrels, by_place(qrels)))
    assert found["dense"] == again


def test_joined_is_what_a_collection_reads_back() -> None:
    calibrated = {"dense": Calibration(-1.0, {"dense": Term(2.0, 0.5)})}
    found = joined(Weights(), 0.35, {"dense": 1.0, "rerank": 0.5}, 30, calibrated)
    assert Weights.of(found.as_json()) == found == Weights({"lexical": 0.35, "dense": 1.0}, {"dense": 1.0, "rerank": 0.5}, 30, calibrated)
