"""Train the starter pair with the parts of the tuning loop, on many sets at once.

    python tools/train_starter.py --pairs PAIRS --data DATA --work WORK candidates reranker fast encoder

PAIRS is what `tools/starter_pairs.py` made: pairs that free text gives. DATA holds BEIR folders drcd, cmrc_trial and squad_sentences,
of which the training questions alone are used. Each step is kept under WORK and made once; interrupted and run again, it goes on.

- candidates: every set is indexed with today's starter, and of some of its questions, drawn at random, lexical and dense candidates are
  gathered, near-duplicates of the answer marked, random documents beside them.
- reranker: today's starter reranker, trained on an answer against candidates and a random document of
  its own set, listwise softmax. Embeddings and lower layers are frozen, so that they stay on the 4-bit grid that the package stores.
- fast: half of its layers, taught by its scores and its hidden states (Jiao et al. 2020, "TinyBERT").
- encoder: the rows scored and sorted by the reranker, which has seen their answers but few of their candidates; contrastive loss and
  distillation at the rate of `tune`, mixed with its base as `tune` does.

Then `tools/pack_starter.py` makes the models small, `tools/fit_starter_weights.py` fits how they are joined, and `benchmarks/starter.py`
says what they are worth.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

from bicross import asking, durable, pipeline
from bicross.cli.progress import bar
from bicross.data.examples import mined_bytes, read_mined
from bicross.mining.sampling import NEGATIVES, RAW, examples
from bicross.models import registry
from bicross.opened import OpenCollection
from bicross.records import Example, Mined
from bicross.settings import STARTER_ENCODER, STARTER_RERANKER, CrossEncoderSettings, MineSettings, TunedBiEncoderSettings
from bicross.training.batches import filled
from bicross.training.bi_encoder import train_bi_encoder
from bicross.training.cross_encoder import train_cross_encoder
from bicross.training.surgery import average
from bicross.tuning.mined import MINED, denoised, gather
from bicross.tuning.rows import TEACHER, first_candidates, teach
from bicross.tuning.run import Run
from bicross.tuning.scoring import scored

QUESTIONS = {  # of each set, at random; sets of many short entries weigh less than their size, questions that people asked weigh more
    "squad_sentences": 4000,
    "drcd": 3000,
    "cmrc_trial": 900,
    "descriptions_en": 1500,
    "software_en": 1500,
    "libreoffice_en": 1200,
    "foldoc_en": 1000,
    "manuals_en": 1000,
    "wordnet_en": 700,
    "webster_en": 700,
    "kernel_en": 600,
    "gnome_en": 500,
    "debian_en": 500,
    "perl_en": 400,
    "jargon_en": 200,
    "anarchism_en": 150,
    "libreoffice_zh_cn": 1000,
    "debian_zh_cn": 500,
    "manuals_zh_cn": 500,
    "software_zh_cn": 500,
    "descriptions_zh_cn": 400,
    "gnome_zh_cn": 400,
    "libreoffice_zh_tw": 400,
    "manuals_zh_tw": 300,
    "debian_zh_tw": 200,
    "software_zh_tw": 150,
    "poems_zh_cn": 100,
    "gnucash_zh_cn": 100,
    "appstream_zh_cn": 80,
    "appstream_zh_tw": 40,
}
MINE = MineSettings(random=2)
CANDIDATES = 12  # of a question
TAUGHT, READ = 8000, 6  # questions that teach the encoder, and candidates of each that the reranker scores
RERANKER = CrossEncoderSettings(negatives=3, max_tokens=160, frozen_layers=6, batch=16)
FAST = CrossEncoderSettings(negatives=3, max_tokens=160, layers=6, batch=16)
ENCODER = TunedBiEncoderSettings(negatives=1, max_tokens=160, batch=64, epochs=1)
SHARE = 0.5  # of the trained encoder's weights
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Starter:
    """The steps. Models and rows lie under `run`."""

    pairs: Path
    data: Path
    run: Run
    progress: Progress

    def candidates(self) -> None:
        """Mined rows of every set, unsorted."""
        for name, count in QUESTIONS.items():
            self.run.once(name, lambda name=name, count=count: self._gather(name, count))

    def reranker(self) -> None:
        """The full cross-encoder."""
        self._rerank("reranker", registry.find(STARTER_RERANKER).root, RERANKER, None)

    def fast(self) -> None:
        """The cross-encoder of half the layers."""
        full = self.run.path("reranker")
        self._rerank("fast", full, FAST, full)

    def encoder(self) -> None:
        """The bi-encoder, mixed with its base."""
        base, tuned = registry.find(STARTER_ENCODER).root, self.run.path("encoder-alone")
        self.run.once("taught", self._teach)
        taught, _ = teach(read_mined(self.run.checked("taught", MINED)))
        rows = filled(examples(taught, ENCODER.negatives, 0, NEGATIVES, teacher=TEACHER), ENCODER.negatives, 0)
        self.run.once(tuned.name, lambda: train_bi_encoder([rows], base, tuned, ENCODER, self.run.work(tuned.name), self.progress))
        into = self.run.path("encoder")
        self.run.once(into.name, lambda: average([tuned, base], [SHARE, 1 - SHARE], into, {"share": SHARE}))

    def _gather(self, name: str, count: int) -> None:
        """Index a set, and gather the candidates of some of its questions."""
        source = self.data / name if (self.data / name).is_dir() else self.pairs / name
        collection = self.run.work(name) / "collection"
        pipeline.index([source], collection, progress=self.progress)
        asked, qrels, _ = asking.judged(source / "queries.jsonl", source / "qrels" / "train.tsv")
        asked = sorted(Random(0).sample(asked, min(count, len(asked))), key=lambda query: query.id)
        with OpenCollection(collection) as opened:
            rows = gather(opened, asked, qrels, MINE, CANDIDATES, {"set": name}, self.progress)
        durable.write_folder(self.run.path(name), {MINED: mined_bytes([row for row in rows if row.positives])}, {"step": name})

    def _rows(self, some: Mapping[str, int]) -> list[Mined]:
        """The mined rows of all sets, of each at most so many, in random order."""
        rows = [row for name in QUESTIONS for row in read_mined(self.run.checked(name, MINED))[: some.get(name, 0)]]
        Random(0).shuffle(rows)
        return rows

    def _rerank(self, name: str, base: Path, settings: CrossEncoderSettings, teacher: Path | None) -> None:
        groups: Sequence[Example] = examples(self._rows(QUESTIONS), settings.negatives, 0, RAW, randoms=1)
        groups, into, work = filled(groups, settings.negatives, 0), self.run.path(name), self.run.work(name)
        self.run.once(name, lambda: train_cross_encoder([groups], base, into, settings, work, self.progress, teacher))

    def _teach(self) -> None:
        """Rows with the scores of the full reranker, and kinds by the threshold of each set's own answers."""
        share = TAUGHT / sum(QUESTIONS.values())
        scorer, kinds = registry.load_reranker(str(self.run.path("reranker"))), list[Mined]()
        for name, count in QUESTIONS.items():
            rows = first_candidates(self._rows({name: max(20, round(share * count))}), READ)
            kinds += denoised(scored(self.run, f"taught-{name}", rows, scorer, self.progress), MINE)
        durable.write_folder(self.run.path("taught"), {MINED: mined_bytes(kinds)}, {"step": "taught"})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("steps", nargs="+", choices=["candidates", "reranker", "fast", "encoder"])
    options = parser.parse_args()
    with bar() as progress:
        starter = Starter(options.pairs, options.data, Run(options.work), progress)
        for step in options.steps:
            getattr(starter, step)()


if __name__ == "__main__":
    main()
