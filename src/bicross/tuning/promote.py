"""What was proven goes into the collection: models with cards and lineage, vectors in their space, and one swap."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from bicross import durable
from bicross.collection.store import Facts, Writer
from bicross.models.names import MODELS
from bicross.searchers.weights import Weights
from bicross.tuning.run import json_bytes

LINEAGE, NOTES, CARD = "lineage.json", "bicross.json", "README.md"
TASKS = {"encoder": ("sentence-similarity", "bi-encoder"), "reranker": ("text-ranking", "cross-encoder")}


def promote(writer: Writer, models: Mapping[str, Path], space: Any, weights: Weights, lineage: Mapping[str, Any]) -> Facts:
    """Copy the models into the collection and search with them from now on; the space must be filled. One step back is kept.

    `models` are "encoder" and "reranker", folders; `lineage` says what made them.
    """
    named = {kind: f"{MODELS}/{model_name(kind, path)}" for kind, path in models.items()}
    for kind, path in models.items():
        into = writer.path / named[kind]
        if into.exists():
            continue
        files = {str(file.relative_to(path)): file.read_bytes() for file in sorted(path.rglob("*")) if file.is_file()}
        files.pop(durable.MANIFEST, None)
        files[LINEAGE] = json_bytes({**lineage, "versions": versions()})
        files[CARD] = card(kind, lineage).encode()
        if kind == "reranker":
            files[NOTES] = json.dumps({"encoder": named["encoder"], **weights.as_json()}, indent=1).encode()
        durable.write_folder(into, files, {"bicross": version("bicross")})
    facts = Facts(named["encoder"], named["reranker"], writer.facts.passage_tokens, weights.as_json())
    writer.activate(space, facts)
    writer.prune()
    writer.fold()
    return facts


def model_name(kind: str, folder: Path) -> str:
    """The name of a tuned model in its collection: what it is and a hash of its files, so that other weights never share it."""
    files = durable.read_manifest(folder)["files"]
    digest = hashlib.sha256(json_bytes({name: entry["sha256"] for name, entry in files.items()}))
    return f"{kind}-{digest.hexdigest()[:12]}"


def versions() -> dict[str, str]:
    """The libraries that decide a number."""
    return {name: version(name) for name in ("bicross", "torch", "transformers", "sentence-transformers", "openvino", "tokenizers")}


def card(kind: str, lineage: Mapping[str, Any]) -> str:
    """A model card as sentence-transformers' users know it: front matter, use, what it was trained on, and what was measured."""
    task, what = TASKS[kind]
    loading = {
        "encoder": 'from sentence_transformers import SentenceTransformer\n\nmodel = SentenceTransformer("PATH")\n'
        'model.encode_query(["a question"]), model.encode_document(["a passage"])',
        "reranker": 'from sentence_transformers import CrossEncoder\n\nmodel = CrossEncoder("PATH")\n'
        'model.predict([("a question", "a passage")])',
    }[kind]
    decision, measured = lineage["decision"], lineage["dev"]
    found = decision["comparison"]
    rows = [
        f"| {stage} | {measured['before'][stage]['nDCG@10']:.4f} | {measured['after'][stage]['nDCG@10']:.4f} "
        f"| {measured['difference'][stage]['difference']:+.4f} | [{measured['difference'][stage]['confidence'][0]:+.4f}, "
        f"{measured['difference'][stage]['confidence'][1]:+.4f}] |"
        for stage in measured["before"]
    ]
    guards = [f"| {guard['name']} | {guard['before']:.4f} | {guard['after']:.4f} | {guard['limit']:g} |" for guard in decision["guards"]]
    return "\n".join(
        [
            "---",
            "library_name: sentence-transformers",
            f"pipeline_tag: {task}",
            "tags:",
            "- sentence-transformers",
            f"- {what}",
            "- bicross",
            "---",
            "",
            f"# A {what} tuned by Bicross {version('bicross')}",
            "",
            "```python",
            loading,
            "```",
            "",
            "## Measured",
            "",
            f"On {found['queries']} development questions that no model saw, depth {lineage['depth']}, with 95 % intervals.",
            "",
            "| nDCG@10 | before | after | difference | interval |",
            "|---|---|---|---|---|",
            *rows,
            "",
            found["verdict"],
            "",
            "| guard | before | after | limit |",
            "|---|---|---|---|",
            *guards,
            "",
            "## Mined negatives",
            "",
            "".join(f"- {kind}: {count}\n" for kind, count in lineage["audit"]["kinds"].items()),
            f"Known answers score above other candidates in {lineage['audit']['auc']['rerank'] or 0:.3f} of all pairs (cross-fitted).",
            "",
            "## Made from",
            "",
            "```json",
            json.dumps(
                {key: lineage[key] for key in ("parents", "data", "plan", "settings", "seed", "threads")}, indent=1, ensure_ascii=False
            ),
            "```",
            "",
        ]
    )
