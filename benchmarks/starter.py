"""What the starter models are worth, on sets that none of them was trained on or fitted to.

    python benchmarks/starter.py --data DATA --minilm ALL_MINILM_L6_V2 --untuned E5_SMALL_ZH_EN --work WORK [--sets NAME ...]

DATA holds the BEIR folders of SETS; of the training splits of drcd and squad_sentences the models saw questions, of the dev splits
none. Of a set with more questions than SETS says, as many are drawn at random; all rows answer the same ones. nDCG@10 with its
95 % interval of

- BM25; all-MiniLM-L6-v2, on English sets; the e5-small-zh-en that the starter bi-encoder was made from; the starter bi-encoder;
  fused search,
- and of the best DEPTH of fused search in another order: late interaction, the fast and the full cross-encoder, each alone and, as
  a search does it, in the combination whose weights `tools/fit_starter_weights.py` fitted on other questions, beside the scores of
  recall alone in such a combination; against fused search as a paired difference; the same by depth; and how far the shipped
  probabilities are from what was the case.

Prints, and writes benchmarks/results/starter.json. Interrupted, it goes on.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from starter_scores import DEPTH, Scored, indexed, judged, scored, shown

from bicross import durable
from bicross.evaluation.calibration import probabilities
from bicross.evaluation.compare import bootstrap_interval, compare
from bicross.evaluation.metrics import per_query
from bicross.evaluation.reliability import reliability
from bicross.records import Hit, Qrels, Ranking, Run
from bicross.searchers.stopwatch import Stopwatch
from bicross.searchers.weights import Weights
from bicross.settings import SearchSettings
from bicross.starter import HERE as STARTER

SETS = {  # the split, the language, and how many questions at most
    "xquad_en": ("test", "en", 400),
    "xquad_zh": ("test", "zh", 400),
    "stackfaq": ("test", "en", 250),
    "cranfield": ("test", "en", 400),
    "drcd": ("dev", "zh", 250),
    "stard": ("dev", "zh", 400),
    "medquad": ("test", "en", 250),
    "squad_sentences": ("dev", "en", 400),
}
HERE = Path(__file__).parent
DEPTHS = (5, 10, 15)
MEASURE = "nDCG@10"
FOLDERS = {"fast": "reranker-fast", "full": "reranker"}
Row = dict[str, Any]


def shipped(folder: str) -> Weights:
    """How the starter's stages are joined with this reranker."""
    return Weights.of(json.loads((STARTER / folder / "bicross.json").read_bytes()))


class Table:
    """The rows of one set."""

    def __init__(self, qrels: Qrels) -> None:
        self.qrels, self.rows, self.fused = qrels, dict[str, Row](), Run("fused", {})
        self.errors: dict[str, Row] = {}

    def add(self, label: str, rankings: Mapping[str, Ranking], against_fused: bool = False) -> None:
        run = Run(label, rankings)
        values = list(per_query([MEASURE], self.qrels, run)[MEASURE].values())
        self.rows[label] = {"nDCG@10": float(np.mean(values)), "interval": bootstrap_interval(values), "questions": len(values)}
        if against_fused:
            found = compare(self.fused, run, self.qrels, MEASURE)
            self.rows[label]["against fused"] = {"difference": found.difference, "confidence": found.confidence}


def measured(source: Path, split: str, work: Path, count: int, peers: Mapping[str, str]) -> Table:
    """Every row of one set."""
    queries, qrels = judged(source, split, count)
    table = Table(qrels)
    opened = indexed(source, work / source.name)

    def ranked(stage: str) -> Mapping[str, Ranking]:
        return opened.trying(shipped("reranker")).rank(queries, SearchSettings(k=100, stage=stage), Stopwatch())  # type: ignore[arg-type]

    table.add("BM25", ranked("lexical"))
    for label, encoder in peers.items():
        kept = work / f"{source.name}-{label}.json"
        if not kept.is_file():
            with indexed(source, work / f"{source.name}-{Path(encoder).name}", encoder) as other:
                found = other.rank(queries, SearchSettings(k=100, stage="dense"), Stopwatch())
            durable.write_file(
                kept, json.dumps({query: [(hit.doc_id, hit.score) for hit in ranking] for query, ranking in found.items()}).encode()
            )
        table.add(label, read_run(kept))
    table.add("starter bi-encoder", ranked("dense"))
    table.fused = Run("fused", ranked("fused"))
    table.add("fused", table.fused.rankings)
    one = scored(opened, queries, qrels, work / f"{source.name}-scored")
    opened.close()
    _reordered(table, one)
    for reranker, folder in FOLDERS.items():
        weights = shipped(folder)
        pairs = shown(one, reranker, weights.combination, DEPTH)
        found = reliability(pairs, probabilities(weights.calibration["both"], pairs))
        table.errors[reranker] = {"error": found.error, "interval": found.confidence, "by chance": found.by_chance}
    return table


def read_run(path: Path) -> dict[str, Ranking]:
    """A ranking a question, as it was kept."""
    return {query: tuple(Hit(*hit) for hit in hits) for query, hits in json.loads(path.read_bytes()).items()}


def _reordered(table: Table, one: Scored) -> None:
    for label, reranker, feature in (("late interaction", "full", "late"), ("fast", "fast", "rerank"), ("full", "full", "rerank")):
        table.add(f"{label} alone", one.reordered(reranker, {feature: 1.0}, DEPTH), True)
    others = json.loads((HERE / "results" / "starter_weights.json").read_bytes())
    table.add("recall scores, weighted", one.reordered("full", others["recall"], DEPTH), True)
    table.add("fused + late interaction", one.reordered("full", others["late"], DEPTH), True)
    for label, folder in FOLDERS.items():
        weights = shipped(folder).combination
        table.add(f"fused + {label}", one.reordered(label, weights, DEPTH), True)
        for depth in DEPTHS:
            table.add(f"fused + {label}, depth {depth}", one.reordered(label, weights, depth), True)


def show(name: str, rows: Mapping[str, Row]) -> None:
    print(f"\n{name}, {next(iter(rows.values()))['questions']} questions")
    for label, row in rows.items():
        low, high = row["interval"]
        line = f"  {label:<32}{row['nDCG@10']:.4f}  [{low:.4f}, {high:.4f}]"
        if "against fused" in row:
            below, above = row["against fused"]["confidence"]
            line += f"   {row['against fused']['difference']:+.4f} [{below:+.4f}, {above:+.4f}]"
        print(line, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--minilm", required=True, metavar="FOLDER")
    parser.add_argument("--untuned", required=True, metavar="FOLDER")
    parser.add_argument("--work", type=Path, required=True, help="keeps the collections and all scores")
    parser.add_argument("--sets", nargs="+", choices=sorted(SETS), default=list(SETS))
    options = parser.parse_args()
    options.work.mkdir(exist_ok=True)
    results, errors = {}, {}
    for name in options.sets:
        split, language, count = SETS[name]
        peers = {"all-MiniLM-L6-v2": options.minilm} if language == "en" else {}
        peers["untuned e5-small-zh-en"] = options.untuned
        table = measured(options.data / name, split, options.work, count, peers)
        results[f"{name}:{split}"] = table.rows
        errors[f"{name}:{split}"] = table.errors
        show(f"{name}:{split}", table.rows)
        for reranker, found in table.errors.items():
            print(f"  calibration error, {reranker:<13}{found['error']:.4f}  (right probabilities: {found['by chance']:.4f})")
        durable.write_file(
            HERE / "results" / "starter.json", json.dumps({"sets": results, "calibration errors": errors}, indent=1).encode() + b"\n"
        )
    for language in ("en", "zh"):
        rows = [results[f"{name}:{split}"] for name, (split, of, _) in SETS.items() if of == language and name in options.sets]
        labels = [label for label in rows[0] if all(label in one for one in rows)] if rows else []
        print(f"\nmean of {len(rows)} sets, {language}")
        for label in labels:
            print(f"  {label:<32}{np.mean([one[label]['nDCG@10'] for one in rows]):.4f}")


if __name__ == "__main__":
    main()
