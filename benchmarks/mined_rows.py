"""Two rounds of mining, as `bicross tune` mines, with a fixed small amount of work: the rows that benchmarks/ablation.py trains on.

    python benchmarks/mined_rows.py COLLECTION RUN --data DATA/stard --questions 240

COLLECTION has the starter pair and was not tuned; its vectors in the space of the second round's encoder are removed at the end. RUN is a
new folder: RUN/1-mined/mined.jsonl and RUN/2-mined/mined.jsonl are the rows, the second mined with the bi-encoder that the first ones
trained, mixed half and half with the untuned one. Interrupted, it goes on. Of the train split so many questions, drawn at random.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from random import Random

from bicross import asking
from bicross.cli.progress import bar
from bicross.collection.store import Collection
from bicross.data.splits import folds
from bicross.models import registry
from bicross.opened import OpenCollection
from bicross.settings import STARTER_ENCODER, STARTER_RERANKER, TuneSettings
from bicross.training.surgery import average
from bicross.tuning.loop import FOLDS, Task, mine, train_encoder
from bicross.tuning.plan import Plan
from bicross.tuning.run import Run
from bicross.upsert import fill

WORK = Plan(
    rounds=2,
    candidates=15,
    cross_encoder_epochs=1,
    cross_encoder_negatives=3,
    bi_encoder_epochs=2,
    bi_encoder_negatives=1,
    cross_encoder_frozen=6,
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("collection", type=Path)
    parser.add_argument("run", type=Path)
    parser.add_argument("--data", type=Path, required=True, help="a BEIR folder with qrels/train.tsv")
    parser.add_argument("--questions", type=int, default=240)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    asked, qrels, _ = asking.judged(options.data / "queries.jsonl", options.data / "qrels" / "train.tsv")
    train = Random(options.seed).sample(asked, min(options.questions, len(asked)))
    encoder, reranker = (registry.find(name).root for name in (STARTER_ENCODER, STARTER_RERANKER))
    settings = TuneSettings(seed=options.seed)
    run, fold_of = Run(options.run), folds(train, FOLDS, options.seed)
    with bar() as progress, run.locked():
        task = Task(run, WORK, settings, train, (), qrels, fold_of, encoder, reranker, progress)
        with OpenCollection(options.collection) as collection:
            mined = mine(task, 1, collection)
            tuned, mixed = train_encoder(task, 1, mined, encoder), run.path("1-mixed")
            run.once("1-mixed", lambda: average([tuned, encoder], [0.5, 0.5], mixed, {"share": 0.5}))
            model = registry.load_encoder(str(mixed))
            with Collection.write(options.collection) as writer:
                writer.register_space(model.space, str(mixed))
                fill(writer, model, progress)
            facts = replace(collection.facts, encoder=str(mixed))
            with OpenCollection(options.collection, trial=(facts, model.space)) as latest:
                mine(task, 2, latest)
        with Collection.write(options.collection) as writer:
            writer.prune()


if __name__ == "__main__":
    main()
