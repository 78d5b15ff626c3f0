"""What each part of the tuning loop brings: models trained with one part more in each row, judged on questions that none of it saw.

    bicross index DATA/stard --into COLLECTION
    bicross tune COLLECTION --queries DATA/stard/queries.jsonl --qrels DATA/stard/qrels/train.tsv --dev DATA/stard/qrels/dev.tsv --rounds 2
    bicross index DATA/stard --into UNTUNED
    python benchmarks/ablation.py UNTUNED --data DATA/stard --split dev --name stard \\
        --mined COLLECTION/tuning/RUN/1-mined/mined.jsonl --second COLLECTION/tuning/RUN/2-mined/mined.jsonl

All mined rows train, or `--questions` of them drawn at random, but for near-duplicates of the questions that judge: those of the split, at
most 150 of them, drawn at random. Bi-encoders search the pool of what lexical and dense search of the collection find for the judged
questions, and their answers; they are trained at the rate of `tune` and mixed with the untuned weights as it does, but to a fixed
`--share`; cross-encoders order what was found for each, alone and in the combination, fitted to the judged questions and cross-fitted.
The collection is one that was not tuned. Each row is nDCG@10 with the paired difference to the untuned model and its 95 % interval, of
one `--seed`.

"two rounds" goes on training the model of "+ distilled" with the rows of `--second`, which `bicross tune --rounds 2` mines with the tuned
models of its first round, or `bicross mine` of a tuned collection; without that file the row is left out. Writes
benchmarks/results/ablation.json.
"""

from __future__ import annotations

import argparse
import json
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

from bicross import asking, durable
from bicross.cli.progress import bar
from bicross.data.examples import read_mined
from bicross.data.splits import held_out
from bicross.evaluation.compare import compare
from bicross.evaluation.metrics import means, per_query
from bicross.mining.denoise import drawn, recalled_early, score
from bicross.mining.sampling import NEGATIVES, examples
from bicross.models import registry
from bicross.opened import OpenCollection
from bicross.pipeline import Progress
from bicross.records import Candidate, Example, Hit, Mined, Qrels, Run
from bicross.settings import STARTER_ENCODER, STARTER_RERANKER, BiEncoderSettings, CrossEncoderSettings, MineSettings, TuneSettings
from bicross.training.batches import filled
from bicross.training.bi_encoder import train_bi_encoder
from bicross.training.cross_encoder import train_cross_encoder
from bicross.training.surgery import average
from bicross.tuning.merging import pool_search
from bicross.tuning.mined import gather
from bicross.tuning.rows import TEACHER, hits, teach, unseen
from bicross.tuning.weights import combination, fold_of
from bicross.vectors import best_first

PATH = Path(__file__).parent / "results" / "ablation.json"
JUDGED, FOUND = 150, 20  # questions, and candidates of each
BI_ENCODER, CROSS_ENCODER = "bi-encoder", "cross-encoder"


@dataclass(frozen=True)
class Variant:
    """How a model is trained: the rows of a draw, how many negatives each has, settings, and the variant whose model it goes on from."""

    rows: Callable[[int], list[Example]]
    negatives: int
    settings: Mapping[str, Any] = field(default_factory=dict)
    base: str = ""


def bi_encoders(mined: Sequence[Mined], second: Sequence[Mined], negatives: int) -> dict[str, Variant]:
    """Name -> variant. In-batch negatives alone know the known answers of a question, nothing that denoising found."""
    plain: dict[str, Any] = {"distil": "none"}
    bare = [replace(row, candidates=()) for row in mined]
    raw, (taught, _) = undenoised(mined), teach(mined)
    found = {
        "in-batch only": Variant(lambda draw: examples(bare, 0, draw), 0, plain),
        "+ raw hard negatives": Variant(lambda draw: examples(raw, negatives, draw), negatives, plain),
        "+ denoised": Variant(lambda draw: examples(mined, negatives, draw), negatives, plain),
        "+ distilled": Variant(lambda draw: examples(taught, negatives, draw, teacher=TEACHER), negatives),
    }
    if second:
        again, _ = teach(unseen(second, registry.load_encoder(STARTER_ENCODER)))
        found["two rounds"] = Variant(lambda draw: examples(again, negatives, draw, teacher=TEACHER), negatives, base="+ distilled")
    return found


def cross_encoders(mined: Sequence[Mined], negatives: int) -> dict[str, Variant]:
    """Name -> variant. Random negatives are documents that were drawn, and nothing else, taken again where there are too few."""
    raw = undenoised(mined)
    return {
        "random negatives": Variant(lambda draw: examples(raw, negatives, draw, kinds=("random",)), negatives),
        "mined negatives": Variant(lambda draw: examples(raw, negatives, draw, NEGATIVES, randoms=1), negatives),
        "mined and denoised": Variant(lambda draw: examples(mined, negatives, draw, NEGATIVES, randoms=1), negatives),
    }


def undenoised(mined: Sequence[Mined]) -> list[Mined]:
    """Suspects count as negatives again; near-duplicates of answers still do not."""
    return [replace(row, candidates=tuple(_trusted(one, row) if one.kind == "suspect" else one for one in row.candidates)) for row in mined]


def _trusted(one: Candidate, row: Mined) -> Candidate:
    if drawn(one):
        return replace(one, kind="random")
    early = recalled_early(row, row.source["settings"]["hard_depth"])
    return replace(one, kind="hard" if one.doc_id in early else "easy")


def judged_rows(collection: Path, data: Path, split: str, progress: Progress) -> tuple[list[Mined], Qrels]:
    """The judged questions with their answers and what the collection's searches find for them; and the judgements."""
    asked, qrels, _ = asking.judged(data / "queries.jsonl", data / "qrels" / f"{split}.tsv")
    asked = sorted(Random(0).sample(asked, min(JUDGED, len(asked))), key=lambda query: query.id)
    settings = MineSettings()
    with OpenCollection(collection) as opened:
        rows = gather(opened, asked, qrels, settings, FOUND, {}, progress)
    found = [replace(row, candidates=tuple(one for one in row.candidates if not drawn(one))) for row in rows]
    return found, {query.id: qrels[query.id] for query in asked}


def reranked(model: str, judged: Sequence[Mined], qrels: Qrels) -> tuple[Run, float]:
    """What was found, in the cross-encoder's order; and nDCG@10 of the fitted combination, cross-fitted."""
    found: dict[str, list[Hit]] = {}
    for row in score(judged, registry.load_reranker(model)):
        recalled = {one.doc_id for one in (*row.positives, *row.candidates) if not drawn(one)}
        found[row.query.id] = [hit for hit in hits(row) if hit.doc_id in recalled]
    alone = {query: best_first(Hit(hit.doc_id, hit.stages["rerank"].score) for hit in several)[:100] for query, several in found.items()}
    joined = combination(found, qrels, fold_of([row.query for row in judged]))
    return Run(Path(model).name, alone), joined.quality["lexical + dense + rank + rerank"]


class Ablation:
    """The models of the variants, each trained once, and the table of what they found."""

    def __init__(self, options: argparse.Namespace, judged: Sequence[Mined], qrels: Qrels, folder: Path, progress: Progress) -> None:
        self._options, self._judged, self._qrels = options, judged, qrels
        self._folder, self._progress = folder, progress
        self._made: dict[str, dict[str, Any]] = {}
        self._updates = {
            name: float(value) if set(value) & set(".e") else int(value) for name, value in (one.split("=") for one in options.set)
        }

    def rows(self, kind: str, variants: Mapping[str, Variant]) -> None:
        """Train and judge the variants that are wanted."""
        before, extra = self._found(kind, STARTER_ENCODER if kind == BI_ENCODER else STARTER_RERANKER)
        self._keep(f"{kind}: untuned", before, None, extra)
        for name in variants:
            if not self._options.only or any(name.startswith(part) for part in self._options.only):
                model = self._model(kind, name, variants)
                after, extra = self._found(kind, str(model))
                self._keep(f"{kind}: {name}", after, before, {**extra, **self._made[model.name]})

    def _model(self, kind: str, name: str, variants: Mapping[str, Variant]) -> Path:
        """The folder of the variant's model."""
        into = self._folder / f"{kind} {name}"
        if into.exists():
            return into
        variant, starter, seed = variants[name], STARTER_ENCODER if kind == BI_ENCODER else STARTER_RERANKER, self._options.seed
        base = self._model(kind, variant.base, variants) if variant.base else registry.find(starter).root
        count = self._options.epochs if kind == BI_ENCODER else max(1, self._options.epochs - 1)
        epochs = [filled(variant.rows(seed + epoch), variant.negatives, seed + epoch) for epoch in range(count)]
        rate = {"learning_rate": TuneSettings().bi_encoder.learning_rate} if kind == BI_ENCODER else {}
        chosen = {**rate, "epochs": count, "negatives": variant.negatives, "seed": seed, **variant.settings, **self._updates}
        work, start = self._folder / f"{into.name}.work", time.perf_counter()
        settings: BiEncoderSettings | CrossEncoderSettings
        if kind == BI_ENCODER:
            settings = BiEncoderSettings(**chosen)
            trained, share = self._folder / f"{into.name} alone", self._options.share
            train_bi_encoder(epochs, base, trained, settings, work, self._progress)
            average([trained, registry.find(starter).root], [share, 1 - share], into, {"share": share})
        else:
            settings = CrossEncoderSettings(**chosen)
            train_cross_encoder(epochs, base, into, settings, work, self._progress)
        seconds = time.perf_counter() - start
        shutil.rmtree(work)
        self._made[into.name] = {"rows": len(epochs[0]), "seconds": seconds, "settings": settings.model_dump()}
        if kind == BI_ENCODER:
            self._made[into.name]["share"] = self._options.share
        return into

    def _found(self, kind: str, model: str) -> tuple[Run, dict[str, Any]]:
        if kind == BI_ENCODER:
            return pool_search(registry.load_encoder(model), self._judged), {}
        run, joined = reranked(model, self._judged, self._qrels)
        return run, {"combined": joined}

    def _keep(self, name: str, run: Run, against: Run | None, extra: Mapping[str, Any]) -> None:
        found = {**means(per_query(["nDCG@10", "R@100"], self._qrels, run)), "questions": len(self._qrels), "split": self._options.split}
        found |= {"seed": self._options.seed, **extra}
        if against is not None:
            paired = compare(against, run, self._qrels, "nDCG@10")
            found |= {"difference": paired.difference, "confidence": paired.confidence, "p_value": paired.p_value}
        name += f"{self._options.label}, seed {self._options.seed}"
        table = json.loads(PATH.read_text()) if PATH.exists() else {}
        table.setdefault(self._options.name, {})[name] = found
        durable.write_file(PATH, json.dumps(table, indent=1, ensure_ascii=False).encode() + b"\n")
        print(name, json.dumps(found), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("collection", type=Path, help="an indexed collection with the starter pair, not tuned")
    parser.add_argument("--data", type=Path, required=True, help="a BEIR folder: queries.jsonl and qrels/SPLIT.tsv")
    parser.add_argument("--split", default="dev", help="the questions that judge")
    parser.add_argument("--mined", type=Path, required=True, help="mined rows of the first round")
    parser.add_argument("--questions", type=int, help="so many of the mined questions train, drawn at random; by default all")
    parser.add_argument("--second", type=Path, help="mined rows of the second round")
    parser.add_argument("--name", required=True, help="of the table in the results")
    parser.add_argument("--only", nargs="*", help="rows to compute, by the beginning of their names")
    parser.add_argument("--kinds", nargs="*", default=[BI_ENCODER, CROSS_ENCODER])
    parser.add_argument("--set", nargs="*", default=[], help="settings of the trainers, as learning_rate=5e-5")
    parser.add_argument("--label", default="", help="added to the names of the rows")
    parser.add_argument("--epochs", type=int, default=2, help="of bi-encoders; cross-encoders have one less")
    parser.add_argument("--negatives", type=int, default=4, help="of bi-encoders; cross-encoders have one more")
    parser.add_argument("--share", type=float, default=0.5, help="of a tuned bi-encoder's weights, the rest being the untuned one's")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with TemporaryDirectory() as folder, bar() as progress:
        judged, qrels = judged_rows(options.collection, options.data, options.split, progress)

        mined = read_mined(options.mined)
        ids = sorted(row.query.id for row in mined)
        some = set(Random(0).sample(ids, min(options.questions or len(ids), len(ids))))

        def training(rows: Sequence[Mined]) -> list[Mined]:
            rows = [row for row in rows if row.query.id in some and row.positives]
            kept = {query.id for query in held_out([row.query for row in rows], [row.query for row in judged])}
            return [row for row in rows if row.query.id in kept]

        mined, second = training(mined), training(read_mined(options.second)) if options.second else []
        ablation = Ablation(options, judged, qrels, Path(folder), progress)
        if BI_ENCODER in options.kinds:
            if not second:
                print("two rounds: left out, for --second names no rows of a second round")
            ablation.rows(BI_ENCODER, bi_encoders(mined, second, options.negatives))
        if CROSS_ENCODER in options.kinds:
            ablation.rows(CROSS_ENCODER, cross_encoders(mined, options.negatives + 1))


if __name__ == "__main__":
    main()
