"""`export`: a collection's vectors with their ids, or a model converted, for tools of others."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np

from bicross import durable
from bicross.collection.store import Collection
from bicross.collection.view import View
from bicross.data.arrow import parquet_of_vectors
from bicross.errors import InputError
from bicross.models import hub, registry
from bicross.records import Passage
from bicross.results import ExportedModel, ExportedVectors, PushedModel
from bicross.vectors import Keys, Vectors

VectorFormat = Literal["npy", "parquet"]
TOGETHER = 4096  # passages that are looked up at once


def export(source: str, into: Path, form: str | None = None) -> ExportedModel | ExportedVectors:
    """A collection's vectors with their ids, as "npy" (the default) or "parquet"; or a model of any family, as "openvino" (the default) or
    "onnx", which the runtime reads, with the drift measured; for a model the extra `train` is needed.

    Raises:
        InputError: `into` exists, or there is no such collection, model or format.
    """
    if Collection.exists(Path(source)):
        return export_vectors(Path(source), into, _chosen(form, VectorFormat, "a collection"))
    folder = registry.find(source).root
    from bicross.training.export import ModelFormat  # torch is loaded for this verb only
    from bicross.training.export import export as traced

    named = _chosen(form, ModelFormat, "a model")
    return ExportedModel(str(into), named, *traced(folder, into, named))


def push(model: str, name: str, private: bool = False, dry_run: bool = False) -> PushedModel:
    """Send a model's folder with its card to a hub, as `name` (owner/model). A dry run says what would be sent.

    Raises:
        InputError: there is no such model, or nobody is logged in. StoreError: the hub cannot be reached, or refuses.
    """
    folder = registry.find(model).root
    files = hub.files_of(folder)
    address = None if dry_run else hub.push(folder, name, private)
    return PushedModel(str(folder), name, address, files, sum(files.values()))


def _chosen(given: str | None, formats: Any, what: str) -> Any:
    """The format that was given, or the first of a Literal of them. Raises InputError."""
    known = get_args(formats)
    if given not in (None, *known):
        raise InputError(f"--format is {given!r}; {what} is exported as {' or '.join(known)}.")
    return given or known[0]


def export_vectors(path: Path, into: Path, form: VectorFormat) -> ExportedVectors:
    """Write the vectors of all live passages and what they are of into a new folder, whole or not at all.

    "npy": vectors.npy, float32 (passages, dim), and ids.jsonl, whose line i names the passage of row i (id, doc_id, start, end).
    "parquet": vectors.parquet with the columns id, doc_id, start, end, vector. MANIFEST.json, and the Parquet file's metadata, tell the
    space (model, dimensions, similarity).

    Raises:
        InputError: `into` exists, or nothing was indexed. Damaged: a vector is not what was written. MissingExtra: no pyarrow is there.
    """
    if into.exists():
        raise InputError(f"{into} exists already; name a folder that does not.")
    with Collection.open(path).view() as view, view.snapshot():
        space, encoder = view.space, view.facts.encoder
        keys, vectors = view.vectors(space)  # (n,), (n, dim)
        rows = [row for part in _passages(view, keys) for row in part]
    facts = {"encoder": encoder, "space": asdict(space), "passages": len(rows)}
    files = _npy(rows, vectors) if form == "npy" else {"vectors.parquet": parquet_of_vectors(_columns(rows), vectors, facts)}
    into.parent.mkdir(parents=True, exist_ok=True)
    durable.write_folder(into, files, facts)
    size = sum(len(content) for content in files.values())
    return ExportedVectors(str(into), form, len({row.doc_id for row in rows}), len(rows), encoder, space, size)


def _passages(view: View, keys: Keys) -> Iterator[list[Passage]]:
    """The passages of the keys in their order, without their texts."""
    for start in range(0, len(keys), TOGETHER):
        found = view.passages(keys[start : start + TOGETHER].tolist()).values()
        yield [Passage(one.id, one.doc_id, one.start, one.end, "") for one in found]


def _columns(rows: list[Passage]) -> dict[str, list[str] | list[int]]:
    return {
        "id": [row.id for row in rows],
        "doc_id": [row.doc_id for row in rows],
        "start": [row.start for row in rows],
        "end": [row.end for row in rows],
    }


def _npy(rows: list[Passage], vectors: Vectors) -> dict[str, durable.Content]:
    columns, buffer = _columns(rows), io.BytesIO()
    np.save(buffer, vectors)
    lines = (json.dumps(dict(zip(columns, values, strict=True)), ensure_ascii=False) for values in zip(*columns.values(), strict=True))
    return {"vectors.npy": buffer.getbuffer(), "ids.jsonl": "".join(f"{line}\n" for line in lines).encode()}
