"""What an evaluation was made with: the collection, its models, the settings, the files, the versions, the machine."""

from __future__ import annotations

import hashlib
import json
import os
import platform
from collections.abc import Mapping
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from bicross.collection.store import Collection
from bicross.opened import OpenCollection
from bicross.settings import EvaluateSettings, SearchSettings

PACKAGES = ("numpy", "openvino", "tokenizers", "faiss-cpu", "bm25s", "ir-measures")
_CPUINFO = Path("/proc/cpuinfo")


def made_by(
    collection: OpenCollection, settings: SearchSettings, measuring: EvaluateSettings, files: Mapping[str, Mapping[str, str]]
) -> dict[str, Any]:
    """As the report and its JSON show it; `files` as `hashed` gives them. The space is that of the vectors that were searched. The contents
    are those of now: who asked before looks whether the revision is still the same."""
    status, weights = Collection.open(collection.path).status(), collection.weights
    space = collection.corpus.space
    models: dict[str, Any] = {
        "encoder": collection.facts.encoder,
        "space": space.fingerprint,
        "dimensions": space.dim,
        "similarity": space.similarity,
        "reranker": collection.facts.reranker,
    }
    if collection.reranker.made:
        models["reranker fingerprint"] = collection.reranker().fingerprint
    return {
        "collection": collection.path.resolve().name,
        "date": datetime.now().astimezone().isoformat(timespec="seconds"),
        "contents": {
            "documents": status.documents,
            "passages": status.passages,
            "revision": status.seq,
            "digest": collection.view.digest(),
            "generation": status.generation or "none: every passage was compared",
            "passages outside the generation": status.tail,
            "passage tokens": collection.facts.passage_tokens,
        },
        "models": models,
        "weights": {
            "fusion": dict(weights.fusion),
            "combination": dict(weights.combination),
            "depth": weights.depth,
            "stage": weights.stage,
            "adaptive": weights.foresight is not None,
            "fast": weights.fast,
        },
        "search": settings.model_dump(exclude={"explain"}),
        "measuring": measuring.model_dump(),
        "files": {what: dict(entry) for what, entry in files.items()},
        "versions": {"bicross": version("bicross"), "python": platform.python_version(), **_versions()},
        "machine": {"system": platform.platform(), "processor": processor(), "cores": _cores()},
    }


def hashed(path: Path, content: object) -> dict[str, str]:
    """A file's name and the sha256 of its bytes; of what is no file, such as a folder, of its `content` as JSON."""
    if path.is_file():
        return {"path": str(path), "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
    text = json.dumps(content, ensure_ascii=True, sort_keys=True)
    return {"path": str(path), "sha256": hashlib.sha256(text.encode()).hexdigest(), "hashed": "what was read of it"}


def _versions() -> dict[str, str]:
    found = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:  # another build of it may give the module
            found[name] = "not known"
    return found


def processor() -> str:
    """What the processor calls itself."""
    lines = _CPUINFO.read_text("utf-8", "replace").splitlines() if _CPUINFO.is_file() else []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.processor() or platform.machine())


def _cores() -> int:
    """Cores that this process may use, which is how many threads the models have."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
