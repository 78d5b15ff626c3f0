"""What was proven goes into the collection: models with cards and lineage, vectors in their space, and one swap."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from bicross import durable
from bicross.ancestry import LINEAGE
from bicross.collection.store import Facts, Writer
from bicross.errors import StoreError
from bicross.models import registry
from bicross.models.names import MODELS, located
from bicross.protocols import Progress
from bicross.searchers.weights import Weights
from bicross.training.card import CARD
from bicross.training.card import card as card_of
from bicross.tuning.run import json_bytes
from bicross.upsert import fill

NOTES = "bicross.json"
MADE_FROM = ("parents", "untuned", "data", "plan", "settings", "seed", "threads", "versions")
MEASURED = """On {questions} development questions that no model saw, depth {depth}, with {level} intervals.

| {measure} | before | after | difference | interval |
|---|---|---|---|---|
{stages}

{verdict}

What must not fall by more than its limit; latency, the median seconds of a search, must not rise by more:

| guard | before | after | limit |
|---|---|---|---|
{guards}
{calibration}
## Mined documents, by kind, as a cross-encoder scored them that did not train on the question

{kinds}
"""
CALIBRATION = """
How far the probabilities of the first hits are from what was the case on the same questions (expected calibration error):

| search | hits | error | 95 % interval | right probabilities would show |
|---|---|---|---|---|
{rows}
"""


def own(writer: Writer, models: Mapping[str, str | Path], weights: Weights, lineage: Mapping[str, Any]) -> Facts:
    """Copy the models into the collection, with cards, lineage and fitted weights; returns the facts that `promote` makes active.

    `models` are "encoder" and "reranker", folders, or names of models that stay; `lineage` says what made them. A model of the same name
    is there already: the same.
    """

    def kept(kind: str, notes: Mapping[str, Any] | None = None) -> str:
        model = models[kind]
        if isinstance(model, str):
            return model
        name = f"{MODELS}/{model_name(kind, model, notes)}"
        more = {} if notes is None else {NOTES: json.dumps(notes, indent=1).encode()}
        _copy(model, writer.path / name, {LINEAGE: json_bytes(lineage), CARD: card(kind, lineage).encode(), **more})
        return name

    encoder = kept("encoder")
    reranker = kept("reranker", {"encoder": encoder, **weights.as_json()})
    return Facts(encoder, reranker, writer.facts.passage_tokens, weights.as_json())


def promote(writer: Writer, facts: Facts, measured: Facts, progress: Progress) -> None:
    """Search with the collection's own models from now on; what was indexed since their space was filled is embedded first.

    Space, models and weights are swapped in one transaction, and one step back is kept for `rollback`.

    Raises:
        StoreError: the collection no longer answers with what the models were `measured` against.
    """
    if writer.facts != measured:
        raise StoreError(
            f"{writer.path} answers with other models or weights than those that the new ones were measured against "
            f"({writer.facts.encoder} and {writer.facts.reranker}; measured against {measured.encoder} and {measured.reranker}), "
            "so nothing is promoted. Run `bicross tune` again to measure against what answers now."
        )
    encoder = registry.load_encoder(located(facts.encoder, writer.path))
    writer.register_space(encoder.space, facts.encoder)
    fill(writer, encoder, progress)
    writer.activate(encoder.space, facts)
    writer.prune()
    writer.fold()


def model_name(kind: str, folder: Path, notes: Mapping[str, Any] | None = None) -> str:
    """The name of a tuned model in its collection: what it is and a hash of its files, so that other weights never share it.

    Nor does a reranker that goes with another encoder or other fitted weights, its `notes`.
    """
    files = durable.read_manifest(folder)["files"]
    prints = {name: entry["sha256"] for name, entry in files.items()}
    return f"{kind}-{hashlib.sha256(json_bytes([prints, notes] if notes else prints)).hexdigest()[:12]}"


def card(kind: str, lineage: Mapping[str, Any]) -> str:
    """The card of a tuned model: what was measured, and what it was made from."""
    decision, audit = lineage["decision"], lineage["audit"]
    auc, measure = audit["auc"]["rerank"], lineage["settings"]["gate"]["measure"]
    kinds = [f"- {name}: {count}" for name, count in audit["kinds"].items()]
    measured = MEASURED.format(
        questions=decision["comparison"]["queries"],
        depth=lineage["depth"],
        level=f"{100 * lineage['settings']['gate']['confidence']:g} %",
        measure=measure,
        stages="\n".join(_stages(lineage["dev"], measure)),
        verdict=decision["comparison"]["verdict"],
        guards="\n".join(f"| {one['name']} | {one['before']:.4f} | {one['after']:.4f} | {one['limit']:g} |" for one in decision["guards"]),
        calibration=_calibration(lineage["dev"].get("calibration", {})),
        kinds="\n".join(kinds + ([] if auc is None else [f"- {auc:.3f} of the pairs of a known answer and another are in this order"])),
    )
    return card_of(kind, "tuned", measured, {key: lineage[key] for key in MADE_FROM})


def _calibration(measured: Mapping[str, Any]) -> str:
    rows = []
    for stage, one in measured.items():
        low, high = one["confidence"]
        rows.append(f"| {stage} | {one['hits']} | {one['error']:.4f} | [{low:.4f}, {high:.4f}] | {one['by_chance']:.4f} |")
    return CALIBRATION.format(rows="\n".join(rows)) if rows else ""


def _stages(measured: Mapping[str, Any], measure: str) -> Iterator[str]:
    """A row of the card's table for each stage of search."""
    for stage, before in measured["before"].items():
        paired = measured["difference"][stage]
        low, high = paired["confidence"]
        after = measured["after"][stage][measure]
        yield f"| {stage} | {before[measure]:.4f} | {after:.4f} | {paired['difference']:+.4f} | [{low:+.4f}, {high:+.4f}] |"


def _copy(model: Path, into: Path, more: Mapping[str, bytes]) -> None:
    """The model's files and `more`, which come before files of the same name."""
    if into.exists():
        return
    files = {str(file.relative_to(model)): file.read_bytes() for file in sorted(model.rglob("*")) if file.is_file()}
    files.pop(durable.MANIFEST, None)
    durable.write_folder(into, {**files, **more}, {"bicross": version("bicross")})
