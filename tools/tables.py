"""Put the tables that benchmarks/results/*.json give between their marks in README.md and the starter's TRAINING.md.

    python tools/tables.py [--check]

A mark is `<!-- table: NAME -->`, a table ends at `<!-- end -->`. With --check nothing is written, and the exit is 1 where a table is
not what the results say.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

HERE = Path(__file__).parents[1]
FILES = (HERE / "README.md", HERE / "src" / "bicross" / "starter" / "TRAINING.md")
RESULTS = HERE / "benchmarks" / "results"
SYSTEMS = {
    "BM25": "BM25",
    "all-MiniLM-L6-v2": "all-MiniLM-L6-v2",
    "untuned e5-small-zh-en": "the e5 that it was made from",
    "starter bi-encoder": "starter bi-encoder",
    "fused": "fused",
    "late interaction alone": "late interaction alone",
    "fast alone": "fast cross-encoder alone",
    "full alone": "full cross-encoder alone",
    "recall scores, weighted": "recall scores, weighted",
    "fused + late interaction": "fused + late interaction",
    "fused + fast": "fused + fast cross-encoder",
    "fused + full": "**fused + full cross-encoder**",
}


def _results(name: str) -> Any:
    return json.loads((RESULTS / f"{name}.json").read_text())


def _rows(header: list[str], rows: list[list[str]]) -> str:
    return "\n".join("| " + " | ".join(row) + " |" for row in [header, ["---"] * len(header), *rows])


def starter() -> str:
    """nDCG@10 of every system on every set."""
    sets: Mapping[str, Any] = _results("starter")["sets"]
    rows = [[label, *(f"{one[name]['nDCG@10']:.3f}" if name in one else "" for one in sets.values())] for name, label in SYSTEMS.items()]
    counts = ["questions", *(str(one["BM25"]["questions"]) for one in sets.values())]
    return _rows(["nDCG@10", *(name.replace(":", " ") for name in sets)], [counts, *rows])


def starter_gain() -> str:
    """Two-stage search against fused search, with the interval of the paired difference."""
    rows = []
    for name, one in _results("starter")["sets"].items():
        found = one["fused + full"]["against fused"]
        low, high = found["confidence"]
        verdict = "better" if low > 0 else "worse" if high < 0 else "no difference shown"
        rows.append([name.replace(":", " "), f"{found['difference']:+.4f}", f"[{low:+.4f}, {high:+.4f}]", verdict])
    return _rows(["set", "fused + full against fused", "95 % interval", ""], rows)


def starter_depth() -> str:
    """The mean over all sets by depth."""
    sets = list(_results("starter")["sets"].values())
    header, rows = ["depth", "5", "10", "15", "20"], []
    for name in ("fast", "full"):
        labels = [f"fused + {name}, depth {depth}" for depth in (5, 10, 15)] + [f"fused + {name}"]
        rows.append([f"fused + {name}", *(f"{sum(one[label]['nDCG@10'] for one in sets) / len(sets):.4f}" for label in labels)])
    return _rows(header, rows)


def starter_error() -> str:
    """How far the shipped probabilities are from what was the case."""
    errors: Mapping[str, Any] = _results("starter")["calibration errors"]
    rows = [[name, *(f"{one[name]['error']:.3f}" for one in errors.values())] for name in ("full", "fast")]
    return _rows(["calibration error", *(name.replace(":", " ") for name in errors)], rows)


def speed() -> str:
    """Ratios against the usual code, with what they cost in quality."""
    found = {name: _results(name) for name in ("speed", "vectors", "pairs", "search", "serving")}
    rows = []

    def add(what: str, beside: str, ratio: float, spread: Iterable[float] | None, kept: str, script: str, of: str = "") -> None:
        between = of + "–".join(f"{value:.1f}" for value in spread) if spread else ""
        rows.append([what, beside, f"{ratio:.1f}", between, kept, f"`benchmarks/{script}`"])

    library = "sentence-transformers"
    encode, rerank = found["speed"]["encode"], found["speed"]["rerank"]
    for name in (name for name in ("bf16", "int8") if name in encode):
        kept = f"{encode[name]['same_neighbours']:.3f} of the ten nearest are the same"
        add(f"embed {encode['texts']:,} short texts, {name}", library, encode[name]["ratio"], encode[name]["spread"], kept, "speed.py")
    for name in (name for name in ("bf16", "int8") if name in rerank):
        kept = f"rank correlation {rerank[name]['spearman']:.4f}"
        add(f"rerank {rerank['candidates']} paragraphs, {name}", library, rerank[name]["ratio"], rerank[name]["spread"], kept, "speed.py")
    one = found["search"]
    ways = {"full": "all read", "full, int8": "all read, int8", "adaptive": "adaptive depth"}
    ways |= {"adaptive, int8": "adaptive depth, int8", "cascade": "cascade"}
    for name, label in ways.items():
        if name in one:
            what = f"one question, {one['passages']:,} passages, {one['depth']} candidates, {label}"
            add(
                what,
                library,
                one[name]["ratio"],
                one[name]["quartiles"],
                f"{one[name]['kept']:.3f} of nDCG@10 at full depth",
                "search.py",
                "quartiles ",
            )
    one = found["vectors"]
    add(
        f"search {one['rows']:,} vectors, one thread",
        "FAISS, flat",
        one["ratio"],
        None,
        f"recall@100 {one['recall@100']:.4f}",
        "vectors.py",
    )
    one = found["pairs"]
    add(
        f"find the pairs among {one['texts']:,} texts",
        f"{library}, `paraphrase_mining`",
        one["ratio"],
        None,
        f"recall {one['recall']:.4f}",
        "pairs.py",
    )
    for name, what in (("search", "searches"), ("rerank", "rerankings")):
        one = found["serving"]["throughput"][name]
        beside, spread = f"FastAPI around {library}", (min(one["ratios"]), max(one["ratios"]))
        add(f"{what} a second, 32 clients", beside, one["ratio"], spread, "", "serving.py")
    return _rows(["what", "beside", "times as fast", "from–to", "what is kept", "measured by"], rows)


TABLES: dict[str, Callable[[], str]] = {
    "starter": starter,
    "starter gain": starter_gain,
    "starter depth": starter_depth,
    "starter error": starter_error,
    "speed": speed,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    stale = False
    for path in FILES:
        text = path.read_text(encoding="utf-8")
        fresh = re.sub(
            r"(<!-- table: ([\w ]+) -->\n).*?(\n<!-- end -->)",
            lambda found: found[1] + TABLES[found[2]]() + found[3],
            text,
            flags=re.DOTALL,
        )
        stale |= fresh != text
        if fresh != text and not options.check:
            path.write_text(fresh, encoding="utf-8")
        print(f"{path.relative_to(HERE)}: {'as the results say' if fresh == text else 'stale' if options.check else 'written'}")
    sys.exit(options.check and stale)


if __name__ == "__main__":
    main()
