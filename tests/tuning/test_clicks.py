"""From a click log alone to promoted models: no question has a known answer, and some that the log gives are wrong."""

from __future__ import annotations

import csv
import random
from pathlib import Path

import pytest

pytest.importorskip("torch")

from bicross import pipeline
from bicross.data.questions import read_qrels, read_queries
from bicross.settings import QuestionSettings
from tests.tuning.world import make_collection, quick

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")  # the libraries' own
DOCUMENTS, SHOWN, SEARCHES = 66, 6, 40


def test_a_collection_is_tuned_on_what_was_clicked(tmp_path: Path) -> None:
    collection, queries, qrels = make_collection(tmp_path, 400)
    answers, rng, log = read_qrels(qrels), random.Random(0), tmp_path / "log.csv"
    texts = {query.id: query.text for query in read_queries(queries)[0]}
    with log.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["query", "doc_id", "position", "clicked", "time"])
        for search in range(SEARCHES):
            for query, (answer,) in answers.items():
                shown = rng.sample([answer, *rng.sample([f"doc{number}" for number in range(DOCUMENTS)], SHOWN - 1)], SHOWN)
                for position, doc_id in enumerate(dict.fromkeys(shown), 1):
                    clicked = rng.random() < (0.9 if doc_id == answer else 0.1) / position
                    rows.writerow([texts[query], doc_id, position, int(clicked), search])
    made = pipeline.questions([log], tmp_path / "made", QuestionSettings(source="clicks", dev_share=0.4))
    assert made.questions["train"] > 100 and made.questions["dev"] > 100, made
    folder = tmp_path / "made"
    found = pipeline.tune(collection, folder / "queries.jsonl", folder / "qrels" / "train.tsv", folder / "qrels" / "dev.tsv", quick())
    assert found.promoted, found.reason
