"""`quantize`: a collection's model in 8-bit integers, calibrated on its own texts, and taken only if it ranks as before and is faster."""

from __future__ import annotations

import hashlib
import json
import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from bicross import asking, durable
from bicross.collection.store import Collection, Facts
from bicross.data.questions import read_queries
from bicross.data.sentences import pieces
from bicross.errors import InputError, StoreError
from bicross.evaluation.compare import differences, paired
from bicross.evaluation.metrics import mean, per_query
from bicross.evaluation.overlap import overlap
from bicross.models import int8, registry
from bicross.models.bi_encoder import BiEncoder
from bicross.models.cross_encoder import CrossEncoder
from bicross.models.folder import CALIBRATION, ModelFolder, read_folder
from bicross.models.names import MODELS, located
from bicross.models.network import has_int8
from bicross.models.tokens import Batch, encode, load_tokenizer, to_arrays
from bicross.opened import OpenCollection
from bicross.protocols import Progress
from bicross.records import Hit, Qrels, Query, Ranking, Run, reading
from bicross.searchers.stopwatch import Stopwatch
from bicross.settings import QuantizeSettings, SearchSettings
from bicross.upsert import fill
from bicross.vectors import Vectors

Kind = Literal["reranker", "encoder"]
Scores = Mapping[str, NDArray[np.float32]]
"""Question id -> scores of its candidates, in the order of their ids."""
CALIBRATED = 64  # texts or pairs that the ranges are measured on
CANDIDATES = 50  # of a question, that its scores are compared on
PASSAGES = 1000  # that an encoder is compared on
ROUNDS = 3  # of timing, in turn with the model as it is
TOP, MEASURE = 10, "nDCG@10"
NOTES = "bicross.json"


@dataclass(frozen=True, slots=True)
class Drift:
    """What 8 bits change, on questions that no range was measured on. `rank_correlation` (Spearman's) and `top10` are means over questions
    of the scores' order and of the first ten that stay the same; `ndcg` before and after and its `confidence` where answers are known;
    `faster` is how many times, the median of interleaved rounds.
    """

    questions: int
    candidates: int
    rank_correlation: float
    top10: float
    faster: float
    ndcg: tuple[float, float] | None = None
    confidence: tuple[float, float] | None = None


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
    if not has_int8():
        raise InputError("This processor has no fast products of 8-bit integers (VNNI or the like), so nothing would be gained.")
    with OpenCollection(path) as collection, TemporaryDirectory() as temporary:
        facts = collection.facts
        model = facts.reranker if kind == "reranker" else facts.encoder
        folder = _plain(model, path)
        asked, known = _questions(collection, queries, qrels, settings.sample)
        texts = collection.view.sample(PASSAGES)
        progress("calibrating", 0, 0)
        calibration = int8.calibrate(folder, _calibrating(folder, [query.text for query in asked[::2]], texts))
        trial = read_folder(_with(folder, calibration, Path(temporary)))
        compare = _rerankers if kind == "reranker" else _encoders
        drift = compare(collection, folder, trial, asked[1::2], texts, known, settings.sample, progress)
    refused = _refused(drift, settings)
    name = None
    if not refused and not dry_run:
        name = _adopt(path, facts, kind, folder, calibration, drift, progress)
    return Quantized(kind, model, name, drift, refused, dry_run, time.perf_counter() - start)


def _plain(model: str, path: Path) -> ModelFolder:
    """The collection's model, as long as it computes in floats."""
    if model == registry.HASHED:
        raise InputError(f"{model} has no weights; expected a model that has.")
    folder = registry.find(located(model, path))
    int8.check(folder)
    if folder.is_calibrated:
        raise InputError(f"{model} computes in 8-bit integers already. To calibrate it anew, run first: bicross rollback {path}")
    return folder


def _questions(collection: OpenCollection, queries: Path | None, qrels: Path | None, sample: int) -> tuple[list[Query], Qrels]:
    """Twice as many as are compared: every other one calibrates. Without a file, sentences of the passages stand in."""
    known: Qrels = {}
    if queries is None:
        if qrels is not None:
            raise InputError("Known answers are given without their questions: add --queries.")
        said = [text[piece.start : piece.end].strip() for text in collection.view.sample(2 * sample) for piece in pieces(text)[1:2]]
        asked = [Query(str(number), text) for number, text in enumerate(said) if text]
    elif qrels is None:
        asked = read_queries(queries)[0]
    else:
        asked, known, _ = asking.judged(queries, qrels)
    asked = Random(0).sample(asked, min(2 * sample, len(asked)))
    if len(asked) < 2:
        raise InputError("There are not two questions to calibrate on and to compare with; expected some dozens: add --queries.")
    return asked, known


def _calibrating(folder: ModelFolder, questions: Sequence[str], texts: Sequence[str]) -> list[Batch]:
    """Inputs as the model will read them, each a batch of its own, so that none holds padding."""
    tokenizer = load_tokenizer(folder.path / "tokenizer.json")
    tokenizer.enable_truncation(folder.max_tokens)
    drawn = Random(0).sample(list(texts), min(CALIBRATED, len(texts)))
    if folder.is_reranker:
        asked = [folder.query_prompt + questions[number % len(questions)] for number in range(len(drawn))]
        encodings = encode(tokenizer, list(zip(asked, drawn, strict=True)), folder.max_tokens)
    else:
        asked = [folder.query_prompt + question for question in questions[: len(drawn) // 4]]
        encodings = encode(tokenizer, [*asked, *(folder.document_prompt + text for text in drawn)], folder.max_tokens)
    arrays = (to_arrays([encoding], 0, len(encoding), folder.pair_types and folder.is_reranker) for encoding in encodings)
    return list(arrays)


def _with(folder: ModelFolder, calibration: bytes, temporary: Path) -> Path:
    """The model with the calibration, in a folder of links."""
    for path in folder.root.rglob("*"):
        target = temporary / path.relative_to(folder.root)
        if path.is_dir():
            target.mkdir(parents=True, exist_ok=True)
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.symlink_to(path.resolve())
    (temporary / folder.path.relative_to(folder.root) / CALIBRATION).write_bytes(calibration)
    return temporary


def _rerankers(
    collection: OpenCollection,
    before: ModelFolder,
    after: ModelFolder,
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
    old, new = (CrossEncoder(folder) for folder in (before, after))
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
    return _drift(ids, scores[0], scores[1], statistics.median(ratios or [1.0]), known)


def _read(query: Query, ranking: Ranking, titles: Mapping[str, str]) -> list[tuple[str, str, str]]:
    return [(hit.doc_id, query.text, reading(titles[hit.doc_id], hit.passage.text)) for hit in ranking if hit.passage]


def _encoders(
    collection: OpenCollection,  # noqa: ARG001 - of rerankers
    before: ModelFolder,
    after: ModelFolder,
    asked: Sequence[Query],
    texts: Sequence[str],
    known: Qrels,  # noqa: ARG001 - the texts are a sample, which lacks most answers
    sample: int,
    progress: Progress,
) -> Drift:
    """On all the texts of the sample, both sides in 8 bits; a question that is one of them has itself as a neighbour in both."""
    models = [BiEncoder(folder) for folder in (before, after)]
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
    return _drift({query.id: names for query in asked}, old, new, statistics.median(ratios), {})


def _drift(ids: Mapping[str, Sequence[str]], old: Scores, new: Scores, faster: float, known: Qrels) -> Drift:
    ranks = [(_ranks(old[query]), _ranks(new[query])) for query in ids]
    correlations = [float(np.corrcoef(*pair)[0, 1]) for pair in ranks]
    orders = [{query: _ordered(ids[query], scores[query]) for query in ids} for scores in (old, new)]
    before, after = ({query: [hit.doc_id for hit in ranking] for query, ranking in order.items()} for order in orders)
    tops = [overlap(before[query], after[query], TOP) for query in ids]
    candidates = round(statistics.fmean(map(len, ids.values())))
    drift = Drift(len(ids), candidates, statistics.fmean(correlations), statistics.fmean(tops), faster)
    judged = {query: known[query] for query in ids if query in known}
    if not judged:
        return drift
    old_values, new_values = (per_query([MEASURE], judged, Run("", order))[MEASURE] for order in orders)
    tested = paired(differences(old_values, new_values), 0.95, 2000, 2000, 0)
    return replace(drift, ndcg=(mean(old_values.values()), mean(new_values.values())), confidence=tested.confidence)


def _ordered(names: Sequence[str], scores: NDArray[np.float32]) -> Ranking:
    return tuple(Hit(names[place], float(scores[place])) for place in np.argsort(-scores, kind="stable"))


def _ranks(scores: NDArray[np.float32]) -> NDArray[np.float64]:
    return np.argsort(np.argsort(scores, kind="stable"), kind="stable").astype(np.float64)


def _refused(drift: Drift, settings: QuantizeSettings) -> str:
    """Why the model is not taken; "" where it is."""
    if drift.rank_correlation < settings.rank_correlation:
        return f"the rank correlation is {drift.rank_correlation:.4f}; expected {settings.rank_correlation:g} or more"
    if drift.top10 < settings.top10:
        return f"of the first ten {drift.top10:.3f} stay; expected {settings.top10:g} or more"
    if drift.ndcg and drift.ndcg[0] - drift.ndcg[1] > settings.ndcg:
        return f"nDCG@10 falls from {drift.ndcg[0]:.4f} to {drift.ndcg[1]:.4f}; expected by {settings.ndcg:g} at most"
    if drift.faster < settings.faster:
        return f"it is {drift.faster:.2f} times as fast; expected {settings.faster:g} times or more"
    return ""


def _adopt(path: Path, facts: Facts, kind: Kind, folder: ModelFolder, calibration: bytes, drift: Drift, progress: Progress) -> str:
    """The calibrated model becomes the collection's own, and it answers with it from now on."""
    files = {
        str(file.relative_to(folder.root)): file.read_bytes()
        for file in sorted(folder.root.rglob("*"))
        if file.is_file() and file.name != durable.MANIFEST
    }
    files[str((folder.path / CALIBRATION).relative_to(folder.root))] = calibration
    shown = {"rank_correlation": drift.rank_correlation, "top10": drift.top10, "ndcg": drift.ndcg, "faster": drift.faster}
    notes = {**folder.notes, "int8": {"questions": drift.questions, "of": facts.reranker if kind == "reranker" else facts.encoder, **shown}}
    files[NOTES] = json.dumps(notes, indent=1, ensure_ascii=False).encode()
    digest = hashlib.sha256(b"".join(hashlib.sha256(name.encode() + content).digest() for name, content in files.items()))
    name = f"{MODELS}/{kind}-int8-{digest.hexdigest()[:12]}"
    with Collection.write(path) as writer:
        if writer.facts != facts or writer.space is None:
            raise StoreError(f"{path} got other models or weights meanwhile, so nothing is kept. Run `bicross quantize` again.")
        target = writer.path / name
        if not target.is_dir():
            target.parent.mkdir(exist_ok=True)
            durable.write_folder(target, files, {"int8": shown})
        if kind == "reranker":
            writer.activate(writer.space, replace(facts, reranker=name))
            return name
        encoder = registry.load_encoder(located(name, path), device="cpu")
        with writer.job("quantize", {"encoder": name}):
            writer.register_space(encoder.space, name)
            fill(writer, encoder, progress)
            writer.activate(encoder.space, replace(facts, encoder=name))
            writer.prune()
            writer.fold()
    return name
