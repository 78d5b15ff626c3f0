"""How far the starter models' scores move when their weights are rounded to 8 bits once more.

    python benchmarks/starter_drift.py --data DATA --work WORK [--questions 25]

The trained weights are kept in 8 bits alone. The same rounding with its blocks shifted by half a block adds an error of the same size to
the one that is there: what that changes is what rounding them changed. Of each set's collection, which `benchmarks/starter.py` keeps in
WORK, some questions' candidates: Spearman's correlation of all scores, and nDCG@10 of the order by them alone. Exits 1 where nDCG@10
falls by more than LIMIT over all sets. Prints, and writes benchmarks/results/starter_drift.json.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save_file
from scipy.stats import spearmanr
from starter import HERE, SETS
from starter_scores import DEPTH, indexed, judged

from bicross import durable
from bicross.evaluation.metrics import means, per_query
from bicross.models import registry
from bicross.models.weights import read_weights
from bicross.records import Hit, Qrels, Ranking, Run, reading
from bicross.searchers.stopwatch import Stopwatch
from bicross.settings import STARTER_ENCODER, STARTER_FAST, STARTER_RERANKER, SearchSettings
from bicross.starter import unpacked
from bicross.starter.packing import BLOCK, pack, restored
from bicross.vectors import best_first

LIMIT = 0.003
Half = NDArray[np.float16]


def rounded_again(name: str, into: Path) -> Path:
    """A copy of the model whose layers' matrices were rounded to 8 bits in other blocks."""
    source = unpacked(name)
    for path in source.rglob("*"):
        if path.is_file() and path.suffix != ".safetensors" and path.name != durable.MANIFEST:
            (into / path.relative_to(source)).parent.mkdir(parents=True, exist_ok=True)
            (into / path.relative_to(source)).write_bytes(path.read_bytes())
    weights: dict[str, Half] = {key: value.astype(np.float16) for key, value in read_weights(source).items()}
    for key, value in weights.items():
        if ".layer." in key and value.ndim == 2:
            shifted = restored(pack({key: np.roll(value, BLOCK // 2, axis=1)}))[key]
            weights[key] = np.ascontiguousarray(np.roll(shifted, -BLOCK // 2, axis=1))
    save_file(weights, into / "model.safetensors", metadata={"format": "pt"})
    return into


def scores_of(model: str, pairs: Sequence[tuple[str, str]]) -> NDArray[np.float64]:
    """What a model says of (question, passage) pairs, (pairs,): logits, or cosines."""
    if registry.find(model).is_reranker:
        return np.asarray(registry.load_reranker(model).score(pairs), np.float64)
    encoder = registry.load_encoder(model)
    asked, told = encoder.encode_queries([one for one, _ in pairs]), encoder.encode_documents([one for _, one in pairs])
    return np.asarray((asked * told).sum(axis=1), np.float64)


def ordered(recalled: Mapping[str, Ranking], scores: NDArray[np.float64]) -> Run:
    """Each question's candidates by these scores, which stand in the order of the rankings."""
    rest = iter(scores.tolist())
    return Run("", {query: best_first([Hit(hit.doc_id, next(rest)) for hit in ranking]) for query, ranking in recalled.items()})


def candidates(source: Path, split: str, collection: Path, count: int) -> tuple[Mapping[str, Ranking], list[tuple[str, str]], Qrels]:
    """The best of fused search, and what a reranker reads of them."""
    queries, qrels = judged(source, split, count)
    texts = {query.id: query.text for query in queries}
    with indexed(source, collection) as opened:
        recalled = opened.rank(queries, SearchSettings(k=DEPTH, stage="fused"), Stopwatch())
        titles = opened.corpus.titles({hit.doc_id for ranking in recalled.values() for hit in ranking})
    pairs = [
        (texts[query], reading(titles[hit.doc_id], hit.passage.text if hit.passage else ""))
        for query, ranking in recalled.items()
        for hit in ranking
    ]
    return recalled, pairs, qrels


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--questions", type=int, default=25, help="of each set")
    options = parser.parse_args()
    results: dict[str, dict[str, Any]] = {}
    for name in (STARTER_ENCODER, STARTER_RERANKER, STARTER_FAST):
        with TemporaryDirectory() as folder:
            again, rows = str(rounded_again(name, Path(folder) / "model")), {}
            for one, (split, *_) in SETS.items():
                recalled, pairs, qrels = candidates(options.data / one, split, options.work / one, options.questions)
                before, after = scores_of(name, pairs), scores_of(again, pairs)
                quality = [means(per_query(["nDCG@10"], qrels, ordered(recalled, scores)))["nDCG@10"] for scores in (before, after)]
                rows[one] = {"spearman": float(spearmanr(before, after).statistic), "nDCG@10": quality[0], "moves": quality[1] - quality[0]}
                print(f"{name:<30}{one:<18}" + "  ".join(f"{key} {value:+.5f}" for key, value in rows[one].items()), flush=True)
        moved = float(np.mean([row["moves"] for row in rows.values()]))
        results[name] = {"sets": rows, "mean": moved}
        print(f"{name:<30}{'mean':<18}moves {moved:+.5f}")
    durable.write_file(HERE / "results" / "starter_drift.json", json.dumps(results, indent=1).encode() + b"\n")
    sys.exit(any(found["mean"] < -LIMIT for found in results.values()))


if __name__ == "__main__":
    main()
