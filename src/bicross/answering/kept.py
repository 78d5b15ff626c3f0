"""Known texts with their vectors and their fit, kept in a folder, so that asking again takes no time."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bicross import durable
from bicross.answering.results import Fit
from bicross.answering.rows import Known
from bicross.answering.scored import Examples
from bicross.errors import InputError, SpaceMismatch
from bicross.evaluation.reliability import Share, Threshold
from bicross.models import registry
from bicross.records import Calibration
from bicross.searchers.weights import Weights

KIND = "known texts"  # what the manifest calls such a folder
KNOWN, VECTORS, FIT = "known.jsonl", "vectors.npy", "fit.json"


@dataclass(slots=True)
class Learned:
    """Examples with what was learned of them, and the names of the models."""

    examples: Examples
    calibration: Calibration
    fit: Fit
    encoder: str
    reranker: str


def is_kept(path: Path) -> bool:
    """Whether `keep` made this folder."""
    return (path / durable.MANIFEST).is_file() and durable.read_manifest(path).get("kind") == KIND


def keep(learned: Learned, into: Path) -> None:
    """Write a new folder, whole or not at all. Raises InputError where something is there."""
    if into.exists():
        raise InputError(f"{into} exists already; name a folder that does not.")
    buffer, examples = io.BytesIO(), learned.examples
    np.save(buffer, examples.vectors)
    rows = "".join(json.dumps(asdict(one), ensure_ascii=False) + "\n" for one in examples.known)
    fitted = {"calibration": asdict(learned.calibration), "fit": asdict(learned.fit)}
    files: dict[str, durable.Content] = {KNOWN: rows.encode(), VECTORS: buffer.getbuffer(), FIT: json.dumps(fitted).encode()}
    facts = {"encoder": learned.encoder, "reranker": learned.reranker, "space": examples.encoder.space.fingerprint}
    into.parent.mkdir(parents=True, exist_ok=True)
    durable.write_folder(into, files, {"kind": KIND, "read": examples.read, "answers": examples.answers, **facts})


def load(path: Path) -> Learned:
    """What `keep` wrote, with its models.

    Raises:
        Damaged: a file is not what was written. SpaceMismatch: the encoder of that name is another one now.
    """
    facts, files = durable.read_folder(path)
    encoder = registry.load_encoder(facts["encoder"])
    if encoder.space.fingerprint != facts["space"]:
        raise SpaceMismatch(f"{path} was made with another {facts['encoder']} than is there now; make it again from its source.")
    scorer = registry.load_reranker(facts["reranker"]) if facts["read"] else None
    known = [Known(**json.loads(line)) for line in bytes(files[KNOWN]).decode().split("\n")[:-1]]
    vectors = np.load(io.BytesIO(files[VECTORS]))  # (known, dim)
    fitted = json.loads(bytes(files[FIT]))
    calibration = Weights.of({"calibration": {KIND: fitted["calibration"]}}).calibration[KIND]
    examples = Examples(known, vectors, encoder, scorer, facts["read"], facts["answers"])
    return Learned(examples, calibration, _fit(fitted["fit"]), facts["encoder"], facts["reranker"])


def _fit(stored: Mapping[str, Any]) -> Fit:
    given = dict(stored["threshold"])
    for name in ("precision", "recall", "answered"):
        if given[name] is not None:
            given[name] = Share(given[name]["value"], tuple(given[name]["confidence"]))
    return Fit(**{**stored, "threshold": Threshold(**{**given, "confidence": given["confidence"] and tuple(given["confidence"])})})
