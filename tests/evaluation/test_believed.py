"""What a sceptic would check: p-values where nothing changed, intervals in worlds whose truth is known, and values beside trec_eval's.

The worlds have the shapes that measures of questions have: many at 0 and at 1, and, of two runs, most differences 0.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import pytrec_eval
from numpy.typing import NDArray
from scipy.stats import kstest

from bicross.data.trec import read_run, write_run
from bicross.evaluation.compare import bootstrap_interval, randomisation_test
from bicross.evaluation.metrics import per_query
from bicross.records import Hit, Run
from bicross.vectors import best_first

Numbers = NDArray[np.float64]
POPULATION, WORLDS = 100_000, 1000


def ndcg(rng: np.random.Generator, size: int) -> Numbers:
    """A quarter finds nothing, a quarter is perfect."""
    place = rng.random(size)
    return np.where(place < 0.25, 0, np.where(place < 0.5, 1, rng.beta(2, 2, size)))


def reciprocal_rank(rng: np.random.Generator, size: int) -> Numbers:
    """Three quarters of the answers stand first."""
    return 1 / np.minimum(rng.geometric(0.75, size), 11)


def difference(rng: np.random.Generator, size: int) -> Numbers:
    """Between two runs: half is the same."""
    return np.where(rng.random(size) < 0.5, 0, rng.normal(0.03, 0.3, size))


def skewed_difference(rng: np.random.Generator, size: int) -> Numbers:
    """Seven tenths are the same, two gain a little, one loses much."""
    place = rng.random(size)
    return np.where(place < 0.7, 0, np.where(place < 0.9, rng.beta(1, 3, size), -rng.beta(1, 1, size)))


@pytest.mark.parametrize("shape", [ndcg, difference])
def test_p_values_of_a_a_comparisons_are_uniform(shape: Callable[[np.random.Generator, int], Numbers]) -> None:
    rng = np.random.default_rng(0)
    p_values = []
    for seed in range(WORLDS):
        first, second = shape(rng, 100), shape(rng, 100)
        p_values.append(randomisation_test((second - first).tolist(), 500, seed))
    assert kstest(p_values, "uniform").pvalue > 0.01
    assert 0.03 <= np.mean(np.array(p_values) < 0.05) <= 0.07


@pytest.mark.parametrize("questions", [30, 100, pytest.param(300, marks=pytest.mark.slow)])
@pytest.mark.parametrize("shape", [ndcg, reciprocal_rank, difference, skewed_difference])
def test_intervals_cover_the_truth(shape: Callable[[np.random.Generator, int], Numbers], questions: int) -> None:
    rng = np.random.default_rng(1)
    population = shape(rng, POPULATION)
    truth, covered = population.mean(), 0
    for seed in range(WORLDS):
        low, high = bootstrap_interval(rng.choice(population, questions).tolist(), 0.95, 400, seed)
        covered += low <= truth <= high
    assert 0.93 <= covered / WORLDS <= 0.97


def test_a_run_that_is_written_has_trec_evals_values_however_many_scores_are_equal(tmp_path: Path) -> None:
    qrels, scores = world(9)
    run = Run("run", {query: best_first(Hit(doc, score) for doc, score in found.items()) for query, found in scores.items()})
    write_run(tmp_path / "run", run)
    rows = [line.split() for line in (tmp_path / "run").read_text().splitlines()]
    written = {query: {row[2]: float(row[4]) for row in rows if row[0] == query} for query in scores}
    expected = pytrec_eval.RelevanceEvaluator(qrels, {"ndcg_cut_10", "map"}).evaluate(written)
    again = read_run(tmp_path / "run")
    for name, trec_name in (("nDCG@10", "ndcg_cut_10"), ("AP", "map")):
        found, read = (per_query([name], qrels, one)[name] for one in (run, again))
        assert found == read == pytest.approx({query: expected.get(query, {}).get(trec_name, 0.0) for query in qrels}, abs=1e-6)


def world(seed: int) -> tuple[dict[str, dict[str, int]], dict[str, dict[str, float]]]:
    """Graded qrels, and a run with tied scores, questions that it misses, and questions that nobody judged."""
    rng = random.Random(seed)
    docs = [f"d{number:02}" for number in range(40)]
    qrels = {f"q{query}": {doc: rng.choice([0, 0, 1, 2, 3]) for doc in rng.sample(docs, 10)} for query in range(20)}
    asked = [*rng.sample(sorted(qrels), 15), "unjudged"]
    return qrels, {query: {doc: float(rng.randrange(5)) for doc in rng.sample(docs, 25)} for query in asked}


@pytest.mark.parametrize("seed", range(5))
def test_every_measure_is_trec_evals_with_grades_ties_and_missing_questions(seed: int) -> None:
    names = {
        "nDCG@10": "ndcg_cut_10",
        "nDCG": "ndcg",
        "RR": "recip_rank",
        "AP": "map",
        "AP@10": "map_cut_10",
        "R@5": "recall_5",
        "R@100": "recall_100",
        "P@10": "P_10",
        "Rprec": "Rprec",
        "Success@5": "success_5",
        "Bpref": "bpref",
    }
    qrels, scores = world(seed)
    expected = pytrec_eval.RelevanceEvaluator(qrels, set(names.values())).evaluate(scores)
    # trec_eval puts the later id first where scores are equal; what is measured here is the order itself.
    orders = {query: sorted(found, key=lambda doc: (found[doc], doc), reverse=True) for query, found in scores.items()}
    run = Run("run", {query: tuple(Hit(doc, scores[query][doc]) for doc in order) for query, order in orders.items()})
    found = per_query(list(names), qrels, run)
    for name, trec_name in names.items():
        assert list(found[name]) == list(qrels)
        for query in qrels:
            assert found[name][query] == pytest.approx(expected.get(query, {}).get(trec_name, 0.0), abs=1e-6)
