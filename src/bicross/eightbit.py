"""A collection's model in 8-bit integers: calibrated on the collection's texts, compared with what it was, judged by limits, written.

`quantize` and `plan` have this in common; how the products are made is in `models/int8.py`.
"""

from __future__ import annotations

import hashlib
import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

import numpy as np
from numpy.typing import NDArray

from bicross import durable
from bicross.collection.view import View
from bicross.data.sentences import pieces
from bicross.errors import InputError
from bicross.evaluation.compare import differences, paired
from bicross.evaluation.metrics import mean, per_query
from bicross.evaluation.overlap import overlap
from bicross.models import int8, registry
from bicross.models.folder import CALIBRATION, ModelFolder, read_folder
from bicross.models.names import MODELS, located
from bicross.models.network import has_int8
from bicross.models.tokens import Batch, encode, load_tokenizer, to_arrays
from bicross.records import Hit, Qrels, Ranking, Run
from bicross.settings import QuantizeSettings

Scores = Mapping[str, NDArray[np.float32]]
"""Question id -> scores of its candidates, in the order of their ids."""
CALIBRATED = 64  # texts or pairs that the ranges are measured on
PASSAGES = 1000  # of the collection, that the texts are drawn from
TOP, MEASURE = 10, "nDCG@10"
NOTES, MEASURED = "bicross.json", ("rank_correlation", "top10", "ndcg", "faster")


@dataclass(frozen=True, slots=True)
class Drift:
    """What 8 bits change; where questions are given, on some that no range was measured on. `rank_correlation` (Spearman's) and `top10` are
    means over questions of the scores' order and of the first ten that stay the same; `ndcg` before and after and its `confidence` where
    answers are known; `faster` is how many times, the median of interleaved rounds.
    """

    questions: int
    candidates: int
    rank_correlation: float
    top10: float
    faster: float
    ndcg: tuple[float, float] | None = None
    confidence: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class Trial:
    """A model as it is, `before`, and as it computes in 8 bits, `after`: the same files and the `calibration`, in a folder of links."""

    before: ModelFolder
    after: ModelFolder
    calibration: bytes


def plain(model: str, path: Path) -> ModelFolder:
    """The folder of a collection's model, which computes in floats.

    Raises:
        InputError: it cannot be quantized, is already, or the processor would gain nothing.
    """
    if not has_int8():
        raise InputError("This processor has no fast products of 8-bit integers (VNNI or the like), so nothing would be gained.")
    if model == registry.HASHED:
        raise InputError(f"{model} has no weights; expected a model that has.")
    folder = registry.find(located(model, path))
    int8.check(folder)
    if folder.is_calibrated:
        raise InputError(f"{model} computes in 8-bit integers already. To calibrate it anew, run first: bicross rollback {path}")
    return folder


def stand_ins(view: View, count: int) -> list[str]:
    """Up to `count` sentences of the passages, for questions that nobody has asked: the second of each, for the first may be its title."""
    cut = ((text, pieces(text)) for text in view.sample(count))
    found = (text[piece.start : piece.end].strip() for text, of_it in cut for piece in of_it[1:2] or of_it[:1])
    return [text for text in found if text]


def calibrated(folder: ModelFolder, questions: Sequence[str], texts: Sequence[str], temporary: Path) -> Trial:
    """The model with ranges that these questions and texts of the collection show, in the empty folder `temporary`."""
    calibration = int8.calibrate(folder, _inputs(folder, questions, texts))
    return Trial(folder, read_folder(_with(folder, calibration, temporary)), calibration)


def drift_of(ids: Mapping[str, Sequence[str]], old: Scores, new: Scores, ratios: Sequence[float], known: Qrels) -> Drift:
    """What became of the scores of each question's candidates, `ids`; `ratios` of the times, and the answers that are known."""
    correlations = [float(np.corrcoef(_ranks(old[query]), _ranks(new[query]))[0, 1]) for query in ids]
    orders = [{query: _ordered(ids[query], scores[query]) for query in ids} for scores in (old, new)]
    before, after = ({query: [hit.doc_id for hit in ranking] for query, ranking in order.items()} for order in orders)
    tops = [overlap(before[query], after[query], TOP) for query in ids]
    candidates = round(statistics.fmean(map(len, ids.values())))
    faster = statistics.median(ratios or [1.0])
    drift = Drift(len(ids), candidates, statistics.fmean(correlations), statistics.fmean(tops), faster)
    judged = {query: known[query] for query in ids if query in known}
    if not judged:
        return drift
    old_values, new_values = (per_query([MEASURE], judged, Run("", order))[MEASURE] for order in orders)
    tested = paired(differences(old_values, new_values), 0.95, 2000, 2000, 0)
    return replace(drift, ndcg=(mean(old_values.values()), mean(new_values.values())), confidence=tested.confidence)


def refusal(drift: Drift, limits: QuantizeSettings) -> str:
    """Why the model is not taken; "" where it is."""
    if drift.rank_correlation < limits.rank_correlation:
        return f"the rank correlation is {drift.rank_correlation:.4f}; expected {limits.rank_correlation:g} or more"
    if drift.top10 < limits.top10:
        return f"of the first ten {drift.top10:.3f} stay; expected {limits.top10:g} or more"
    if drift.ndcg and drift.ndcg[0] - drift.ndcg[1] > limits.ndcg:
        return f"nDCG@10 falls from {drift.ndcg[0]:.4f} to {drift.ndcg[1]:.4f}; expected by {limits.ndcg:g} at most"
    if drift.faster < limits.faster:
        return f"it is {drift.faster:.2f} times as fast; expected {limits.faster:g} times or more"
    return ""


@dataclass(frozen=True, slots=True)
class Made:
    """A model in 8 bits as a collection keeps it: its `name` there, and what is `said` of it in its folder."""

    name: str
    trial: Trial
    said: Mapping[str, object]

    def write(self, path: Path) -> None:
        """Into the collection at `path`, whose writer's lock is held."""
        target, folder = path / self.name, self.trial.before
        if target.is_dir():
            return
        files = {str(file.relative_to(folder.root)): file.read_bytes() for file in _files(folder)}
        files[str((folder.path / CALIBRATION).relative_to(folder.root))] = self.trial.calibration
        files[NOTES] = json.dumps({**folder.notes, "int8": dict(self.said)}, indent=1, ensure_ascii=False).encode()
        target.parent.mkdir(exist_ok=True)
        durable.write_folder(target, files, {"int8": {name: self.said[name] for name in MEASURED}})


def made(trial: Trial, model: str, drift: Drift) -> Made:
    """What the collection keeps of a model that was called `model`. Its name follows from the weights and the calibration."""
    folder, digest = trial.before, hashlib.sha256(trial.calibration)
    for file in _files(folder):
        with file.open("rb") as content:
            digest.update(str(file.relative_to(folder.root)).encode() + hashlib.file_digest(content, "sha256").digest())
    kind = "reranker" if folder.is_reranker else "encoder"
    said = {"questions": drift.questions, "of": model, **{name: getattr(drift, name) for name in MEASURED}}
    return Made(f"{MODELS}/{kind}-int8-{digest.hexdigest()[:12]}", trial, said)


def _files(folder: ModelFolder) -> list[Path]:
    return [file for file in sorted(folder.root.rglob("*")) if file.is_file() and file.name != durable.MANIFEST]


def _inputs(folder: ModelFolder, questions: Sequence[str], texts: Sequence[str]) -> list[Batch]:
    """What the model will read, each a batch of its own, so that none holds padding."""
    tokenizer = load_tokenizer(folder.path / "tokenizer.json")
    tokenizer.enable_truncation(folder.max_tokens)
    drawn = Random(0).sample(list(texts), min(CALIBRATED, len(texts)))
    if folder.is_reranker:
        asked = [folder.query_prompt + questions[number % len(questions)] for number in range(len(drawn))]
        encodings = encode(tokenizer, list(zip(asked, drawn, strict=True)), folder.max_tokens)
    else:
        asked = [folder.query_prompt + question for question in questions[: len(drawn) // 4]]
        encodings = encode(tokenizer, [*asked, *(folder.document_prompt + text for text in drawn)], folder.max_tokens)
    return [to_arrays([encoding], 0, len(encoding), folder.pair_types and folder.is_reranker) for encoding in encodings]


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


def _ordered(names: Sequence[str], scores: NDArray[np.float32]) -> Ranking:
    return tuple(Hit(names[place], float(scores[place])) for place in np.argsort(-scores, kind="stable"))


def _ranks(scores: NDArray[np.float32]) -> NDArray[np.float64]:
    return np.argsort(np.argsort(scores, kind="stable"), kind="stable").astype(np.float64)
