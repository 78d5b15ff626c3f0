"""Whether the numbers of `evaluate` can be believed: its measures beside trec_eval's, its test where nothing differs, its intervals.

    python benchmarks/measures.py --data DATA --sets cranfield:test xquad_zh:test stackfaq:test

Each DATA/folder is a BEIR folder. Of each set `bicross evaluate` measures lexical and dense search and writes a TREC run; pytrec_eval, fed
with the lines of that file and the judgements as they lie on the disk, measures it again. The values of the questions are then the world
from which WORLDS samples are drawn: the two searches under names that are drawn at random for each question, which no test may tell
apart, and means whose truth is known, which the intervals should hold. Prints, and writes to benchmarks/results/measures.json.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytrec_eval
from numpy.typing import NDArray
from scipy.stats import kstest

from bicross import durable, pipeline
from bicross.cli.progress import bar
from bicross.evaluation.compare import APART, WITHIN, bootstrap_interval, randomisation_test
from bicross.settings import STARTER_ENCODER, EvaluateSettings, IndexSettings, SearchSettings

HERE = Path(__file__).parent
TREC = {
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
WORLDS, SIZES = 1000, (100, 300)  # samples, and questions of each
Values = Mapping[str, Mapping[str, float]]


def judged(path: Path) -> dict[str, dict[str, int]]:
    """BEIR's table, read here so that nothing of Bicross stands between the file and pytrec_eval."""
    found: dict[str, dict[str, int]] = defaultdict(dict)
    for line in path.read_text("utf-8").splitlines()[1:]:
        query, document, grade = line.split("\t")
        found[query][document] = int(grade)
    return found


def trec_eval(run: Path, qrels: dict[str, dict[str, int]]) -> dict[str, dict[str, float]]:
    """trec_eval's name -> question -> value; a question of which the run has no line is 0."""
    scores: dict[str, dict[str, float]] = defaultdict(dict)
    for line in run.read_text("utf-8").splitlines():
        query, _, document, _, score, _ = line.split()
        scores[query][document] = float(score)
    found = pytrec_eval.RelevanceEvaluator(qrels, set(TREC.values())).evaluate(scores)
    return {name: {query: found.get(query, {}).get(name, 0.0) for query in qrels} for name in TREC.values()}


def furthest(ours: Values, theirs: Values) -> float:
    """The greatest difference of any measure for any question."""
    return max(abs(ours[name][query] - value) for name, trec in TREC.items() for query, value in theirs[trec].items())


def uniform(differences: NDArray[np.float64]) -> dict[str, float]:
    """p-values of comparisons of a search with itself: which of the two is called first is drawn for each question."""
    rng, p_values = np.random.default_rng(0), []
    for seed in range(WORLDS):
        drawn = rng.choice(differences, SIZES[0]) * rng.choice([-1.0, 1.0], SIZES[0])
        p_values.append(randomisation_test(drawn.tolist(), 1000, seed))
    below = float(np.mean(np.array(p_values) < 0.05))
    return {"kolmogorov_smirnov_p": float(kstest(p_values, "uniform").pvalue), "below_0.05": below}


def covered(values: NDArray[np.float64], size: int, bounds: tuple[float, float]) -> float:
    """The share of 95 % intervals that hold the mean of all values."""
    rng, held = np.random.default_rng(1), 0
    for seed in range(WORLDS):
        low, high = bootstrap_interval(rng.choice(values, size).tolist(), 0.95, 1000, seed, bounds)
        held += low <= values.mean() <= high
    return held / WORLDS


def one_set(source: Path, split: str, work: Path, encoder: str) -> dict[str, Any]:
    """Index, evaluate, and measure again."""
    table = source / "qrels" / f"{split}.tsv"
    qrels, ours = judged(table), dict[str, Values]()
    found: dict[str, Any] = {"questions": len(qrels), "grades": sorted({grade for grades in qrels.values() for grade in grades.values()})}
    with bar() as progress:
        pipeline.index([source], work, IndexSettings(encoder=encoder), progress)
    for stage in ("lexical", "dense"):
        run, measuring = work.with_name(f"{work.name}.{stage}.run"), EvaluateSettings(measures=tuple(TREC), resamples=100)
        settings = SearchSettings.model_validate({"k": 100, "stage": stage})
        ours[stage] = pipeline.evaluate(work, source, table, settings, measuring, run).per_query
        found[stage] = {
            "nDCG@10": float(np.mean(list(ours[stage]["nDCG@10"].values()))),
            "values": sum(map(len, ours[stage].values())),
            "furthest_from_trec_eval": furthest(ours[stage], trec_eval(run, qrels)),
        }
    lexical, dense = (np.array([ours[stage]["nDCG@10"][query] for query in qrels]) for stage in ("lexical", "dense"))
    found["a_a"] = uniform(dense - lexical)
    found["covered"] = {
        f"{size} questions": {"nDCG@10, dense": covered(dense, size, WITHIN), "difference": covered(dense - lexical, size, APART)}
        for size in SIZES
    }
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--sets", nargs="+", default=["cranfield:test", "xquad_zh:test", "stackfaq:test"], help="folder:split")
    parser.add_argument("--encoder", default=STARTER_ENCODER)
    options = parser.parse_args()
    results: dict[str, Any] = {"worlds": WORLDS, "measures": list(TREC)}
    with TemporaryDirectory() as work:
        for name in options.sets:
            folder, _, split = name.partition(":")
            results[name] = one_set(options.data / folder, split, Path(work) / folder, options.encoder)
            print(name, json.dumps(results[name], indent=1), flush=True)
    durable.write_file(HERE / "results" / "measures.json", json.dumps(results, indent=1, ensure_ascii=False).encode() + b"\n")


if __name__ == "__main__":
    main()
