"""`quantize`: a collection's model in 8-bit integers, calibrated on its own texts, and taken only if it ranks as before and is faster."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from bicross import asking, eightbit
from bicross.collection.store import Collection, Facts
from bicross.data.questions import read_queries
from bicross.eightbit import PASSAGES, Drift, Made, Trial
from bicross.errors import InputError, StoreError
from bicross.models import registry
from bicross.models.bi_encoder import BiEncoder
from bicross.models.cross_encoder import CrossEncoder
from bicross.models.names import located
from bicross.opened import OpenCollection
from bicross.protocols import Progress
from bicross.records import Qrels, Query, Ranking, reading
from bicross.searchers.stopwatch import Stopwatch
from bicross.settings import QuantizeSettings, SearchSettings
from bicross.upsert import fill
from bicross.vectors import Vectors

Kind = Literal["reranker", "encoder"]
CANDIDATES = 50  # of a question, that its scores are compared on
ROUNDS = 3  # of timing, in turn with the model as it is


@dataclass(frozen=True, slots=True)
class Quantized:
    """`quantize`: which model, by what name the collection has it now (None where it was refused or the run was dry), and why."""

    kind: Kind
    model: str
    name: str | None
    drift: Drift
    refused: str
    dry_run: bool
    seconds: float


def quantize(
    path: Path,
    kind: Kind = "reranker",
    settings: QuantizeSettings = QuantizeSettings(),
    queries: Path | None = None,
    qrels: Path | None = None,
    dry_run: bool = False,
    progress: Progress = lambda *_: None,
) -> Quantized:
    """Have a collection's model compute in 8-bit integers, calibrated on the collection's own texts, if it ranks as before and is faster.

    What changes is measured on every other question, and refused beyond the limits of the settings. The model is written into the
    collection; an encoder's vectors are made anew, in a space of their own. In a dry run nothing is kept; `rollback` goes back.

    Raises:
        InputError: the model cannot be quantized, or the processor would gain nothing. StoreError: the collection was changed meanwhile.
    """
    start = time.perf_counter()
    with OpenCollection(path) as collection, TemporaryDirectory() as temporary:
        facts = collection.facts
        model = facts.reranker if kind == "reranker" else facts.encoder
        folder = eightbit.plain(model, path)
        asked, known = _questions(collection, queries, qrels, settings.sample)
        texts = collection.view.sample(PASSAGES)
        progress("calibrating", 0, 0)
        trial = eightbit.calibrated(folder, [query.text for query in asked[::2]], texts, Path(temporary))
        compare = _rerankers if kind == "reranker" else _encoders
        drift = compare(collection, trial, asked[1::2], texts, known, settings.sample, progress)
        refused = eightbit.refusal(drift, settings)
        made = None if refused or dry_run else eightbit.made(trial, model, drift)
    if made is not None:
        _adopt(path, facts, kind, made, progress)
    name = None if made is None else made.name
    return Quantized(kind, model, name, drift, refused, dry_run, time.perf_counter() - start)


def _questions(collection: OpenCollection, queries: Path | None, qrels: Path | None, sample: int) -> tuple[list[Query], Qrels]:
    """Twice as many as are compared: every other one calibrates. Without a file, sentences of the passages stand in."""
    known: Qrels = {}
    if queries is None:
        if qrels is not None:
            raise InputError("Known answers are given without their questions: add --queries.")
        asked = [Query(str(number), text) for number, text in enumerate(eightbit.stand_ins(collection.view, 2 * sample))]
    elif qrels is None:
        asked = read_queries(queries)[0]
    else:
        asked, known, _ = asking.judged(queries, qrels)
    asked = Random(0).sample(asked, min(2 * sample, len(asked)))
    if len(asked) < 2:
        raise InputError("There are not two questions to calibrate on and to compare with; expected some dozens: add --queries.")
    return asked, known


def _rerankers(
    collection: OpenCollection,
    trial: Trial,
    asked: Sequence[Query],
    texts: Sequence[str],  # noqa: ARG001 - of encoders
    known: Qrels,
    sample: int,
    progress: Progress,
) -> Drift:
    """On the candidates that recall gives each question."""
    asked = asked[:sample]
    found = asking.ranked(collection, asked, SearchSettings(k=CANDIDATES, stage="fused"), Stopwatch(), progress)
    with collection.snapshot():
        titles = collection.view.titles({hit.doc_id for ranking in found.values() for hit in ranking})
    read = {query.id: _read(query, found[query.id], titles) for query in asked if len(found[query.id]) > 2}
    if not read:
        raise InputError(f"{collection.path} holds fewer than three documents; there is no order to compare.")
    old, new = (CrossEncoder(folder) for folder in (trial.before, trial.after))
    pairs = {query: [(asked_text, text) for _, asked_text, text in rows] for query, rows in read.items()}
    ids = {query: [doc_id for doc_id, _, _ in rows] for query, rows in read.items()}
    scores: list[dict[str, NDArray[np.float32]]] = [{}, {}]
    ratios = []
    for done, (query, rows) in enumerate(pairs.items()):
        taken = []
        for into, model in zip(scores, (old, new), strict=True):
            begun = time.perf_counter()
            into[query] = model.score(rows)
            taken.append(time.perf_counter() - begun)
        ratios += [taken[0] / taken[1]] if done else []  # the first warms up
        progress("questions compared", done + 1, len(pairs))
    return eightbit.drift_of(ids, scores[0], scores[1], ratios, known)


def _read(query: Query, ranking: Ranking, titles: Mapping[str, str]) -> list[tuple[str, str, str]]:
    return [(hit.doc_id, query.text, reading(titles[hit.doc_id], hit.passage.text)) for hit in ranking if hit.passage]


def _encoders(
    collection: OpenCollection,  # noqa: ARG001 - of rerankers
    trial: Trial,
    asked: Sequence[Query],
    texts: Sequence[str],
    known: Qrels,  # noqa: ARG001 - the texts are a sample, which lacks most answers
    sample: int,
    progress: Progress,
) -> Drift:
    """On all the texts of the sample, both sides in 8 bits; a question that is one of them has itself as a neighbour in both."""
    models = [BiEncoder(folder) for folder in (trial.before, trial.after)]
    rows: list[list[Vectors]] = [[], []]
    ratios = []
    for round_, part in enumerate(texts[start::ROUNDS] for start in range(min(ROUNDS, len(texts)))):
        taken = []
        for into, model in zip(rows, models, strict=True):
            begun = time.perf_counter()
            into.append(model.encode_documents(part))
            taken.append(time.perf_counter() - begun)
        ratios.append(taken[0] / taken[1])
        progress("texts compared", round_ + 1, ROUNDS)
    asked = asked[:sample]
    found = [
        model.encode_queries([query.text for query in asked]) @ np.concatenate(parts).T  # (questions, texts)
        for model, parts in zip(models, rows, strict=True)
    ]
    names = [str(number) for number in range(len(texts))]
    old, new = ({query.id: row for query, row in zip(asked, scores, strict=True)} for scores in found)
    return eightbit.drift_of({query.id: names for query in asked}, old, new, ratios, {})


def _adopt(path: Path, facts: Facts, kind: Kind, made: Made, progress: Progress) -> None:
    """The calibrated model becomes the collection's own, and it answers with it from now on."""
    with Collection.write(path) as writer:
        if writer.facts != facts or writer.space is None:
            raise StoreError(f"{path} got other models or weights meanwhile, so nothing is kept. Run `bicross quantize` again.")
        made.write(writer.path)
        if kind == "reranker":
            writer.activate(writer.space, replace(facts, reranker=made.name))
            return
        encoder = registry.load_encoder(located(made.name, path), device="cpu")
        with writer.job("quantize", {"encoder": made.name}):
            writer.register_space(encoder.space, made.name)
            fill(writer, encoder, progress)
            writer.activate(encoder.space, replace(facts, encoder=made.name))
            writer.prune()
            writer.fold()
