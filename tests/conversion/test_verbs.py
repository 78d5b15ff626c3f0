"""Data sets between formats: what was written is read back equal, what does not fit is counted, nothing leaks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bicross.conversion.verbs import convert, inspect_data, split_data
from bicross.data.click_log import read_clicks
from bicross.data.examples import read_training
from bicross.data.questions import read_queries, read_splits
from bicross.data.sources import read_documents
from bicross.errors import InputError
from bicross.records import Example, LabelledPair

DOCUMENTS = [
    {"_id": "d 1", "title": "Reset", "text": "Press the red button.", "lang": "en"},
    {"_id": "d2", "text": "保修期为两年。", "lang": "zh"},
    {"_id": "50%", "text": "Half of it."},
]
QUERIES = [{"_id": "q1", "text": "how to reset?"}, {"_id": "q2", "text": "保修多久？"}]
SPLITS = {"train": {"q1": {"d 1": 2, "d2": 0}}, "test": {"q2": {"d2": 1, "50%": 0}}}


def lines(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")
    return path


@pytest.fixture
def beir(tmp_path: Path) -> Path:
    folder = tmp_path / "beir"
    (folder / "qrels").mkdir(parents=True)
    lines(folder / "corpus.jsonl", DOCUMENTS)
    lines(folder / "queries.jsonl", QUERIES)
    for split, qrels in SPLITS.items():
        rows = [f"{query}\t{doc}\t{grade}" for query, grades in qrels.items() for doc, grade in grades.items()]
        (folder / "qrels" / f"{split}.tsv").write_text("query-id\tcorpus-id\tscore\n" + "\n".join(rows) + "\n")
    return folder


def told(folder: Path, documents: str, queries: str) -> tuple[Any, Any]:
    found = list(read_documents([folder / documents if documents else folder]))
    asked = read_queries(folder / queries if queries else folder)[0]
    return [(one.id, one.title, one.text) for one in found if not hasattr(one, "reason")], [(one.id, one.text) for one in asked]


def test_judged_sets_read_back_equal(beir: Path, tmp_path: Path) -> None:
    expected = told(beir, "", "")
    for form, documents, queries, qrels in (("beir", "", "", ""), ("mteb", "", "", ""), ("trec", "documents.jsonl", "topics.tsv", None)):
        done = convert(beir, tmp_path / "out" / form, form)
        assert done.counts == {"documents": 3, "queries": 2, "judgements train": 2, "judgements test": 2}
        assert told(tmp_path / "out" / form, documents, queries) == expected
        if qrels is not None:
            assert read_splits(tmp_path / "out" / form) == SPLITS
        for split in SPLITS if qrels is None else ():
            assert read_splits(tmp_path / "out" / form / f"qrels.{split}.txt") == {"test": SPLITS[split]}
    again = convert(tmp_path / "out" / "mteb", tmp_path / "again", "beir")
    assert again.counts == done.counts and told(tmp_path / "again", "", "") == expected
    meta = next(iter(read_documents([tmp_path / "again"])))
    assert not hasattr(meta, "reason") and meta.meta["metadata"]["lang"] == "en"


FLAG = [
    {"query": "reset", "pos": ["red button", "the red one"], "neg": ["blue", "green"], "pos_scores": [3.0, 2.5], "neg_scores": [0.5, -1.0]},
    {"query": "保修", "pos": ["两年"], "neg": ["三天", "没有", "一周"], "pos_scores": [4.0], "neg_scores": [1.0, 0.0, 0.5]},
]


def test_flagembedding_and_sentence_transformers_with_scores(tmp_path: Path) -> None:
    source = lines(tmp_path / "flag.jsonl", FLAG)
    for target in ("st.jsonl", "st.parquet"):
        done = convert(source, tmp_path / target, "sentence-transformers")
        assert (done.counts, done.left_out) == ({"rows": 3}, {"negatives beyond 2 of a row": 1})
        found = read_training(tmp_path / target)
        assert isinstance(found[2], Example)
        assert (found[2].query, found[2].positive, found[2].negatives, found[2].scores) == (
            "保修",
            "两年",
            ("三天", "没有"),
            (4.0, 1.0, 0.0),
        )
    whole = convert(source, tmp_path / "three.jsonl", "sentence-transformers", negatives=3)
    assert whole.left_out == {"rows with fewer than 3 negatives": 2}
    convert(source, tmp_path / "flag2.jsonl", "flagembedding")
    assert [json.loads(line) for line in (tmp_path / "flag2.jsonl").read_text("utf-8").splitlines()] == FLAG
    judged = convert(source, tmp_path / "set", "beir")
    assert judged.counts == {"documents": 8, "queries": 2, "judgements train": 8}
    triplets = convert(tmp_path / "set", tmp_path / "back.jsonl", "flagembedding")
    assert triplets.counts == {"rows": 2}


def test_what_sentence_transformers_reads_back(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    convert(lines(tmp_path / "flag.jsonl", FLAG), tmp_path / "st.parquet", "sentence-transformers")
    found = datasets.Dataset.from_parquet(str(tmp_path / "st.parquet"), cache_dir=str(tmp_path / "cache"))
    assert found.column_names == ["anchor", "positive", "negative_1", "negative_2", "label"]
    found.save_to_disk(str(tmp_path / "saved"))
    assert read_training(tmp_path / "saved") and len(read_training(tmp_path / "saved")) == 3


def test_labelled_pairs_stay_pairs(tmp_path: Path) -> None:
    source = lines(tmp_path / "pairs.jsonl", [{"sentence1": "a", "sentence2": "b", "score": 0.5}])
    convert(source, tmp_path / "out.jsonl", "sentence-transformers")
    assert read_training(tmp_path / "out.jsonl") == [LabelledPair("a", "b", 0.5)]
    with pytest.raises(InputError, match="Labelled pairs have no positive"):
        convert(source, tmp_path / "no.jsonl", "flagembedding")


def test_click_logs_to_ubi_and_back(tmp_path: Path) -> None:
    log = tmp_path / "log.csv"
    log.write_text(
        "query,doc_id,position,clicked,time\nreset,d1,1,1,2026-01-02T03:04:05\nreset,d2,2,0,2026-01-02T03:04:05\n保修,d2,1,1,1767323045\n"
    )
    convert(log, tmp_path / "ubi.jsonl", "ubi")
    event = json.loads((tmp_path / "ubi.jsonl").read_text("utf-8").splitlines()[0])
    assert event == {
        "action_name": "click",
        "user_query": "reset",
        "timestamp": "2026-01-02T03:04:05+00:00",
        "event_attributes": {"object": {"object_id": "d1", "object_id_field": "id"}, "position": {"ordinal": 1}},
    }
    convert(tmp_path / "ubi.jsonl", tmp_path / "flat.jsonl", "clicks")
    first, *others = (read_clicks([path], {}, lambda *_: None) for path in (log, tmp_path / "ubi.jsonl", tmp_path / "flat.jsonl"))
    for other in others:
        assert (other.queries, other.documents) == (first.queries, first.documents)
        for column in ("query", "document", "position", "clicked", "time"):
            assert getattr(other, column).tolist() == getattr(first, column).tolist()
    with pytest.raises(InputError, match="bicross questions --from clicks"):
        convert(log, tmp_path / "no", "beir")


def test_nothing_is_written_by_a_dry_run_or_over_something(beir: Path, tmp_path: Path) -> None:
    assert not convert(beir, tmp_path / "new", "trec", dry_run=True).written
    assert not (tmp_path / "new").exists()
    with pytest.raises(InputError, match=r"ends in \.jsonl or \.parquet"):
        convert(beir, tmp_path / "new.txt", "flagembedding")
    with pytest.raises(InputError, match="expected one of beir, trec"):
        convert(beir, tmp_path / "new", "csv")
    (tmp_path / "nothing.jsonl").write_text('{"a": 1}\n')
    with pytest.raises(InputError, match=r"no training rows .* no judged set .* no click log"):
        inspect_data(tmp_path / "nothing.jsonl")


def test_inspect_names_what_would_mislead(beir: Path, tmp_path: Path) -> None:
    rows = [
        {"query": "how do I reset the printer", "positive": "red", "negatives": ["red", "blue"], "scores": [1, 0, 2]},
        {"query": "how do I reset the printer?", "positive": "green", "negatives": ["blue"], "scores": [3, 0]},
    ]
    found = inspect_data(lines(tmp_path / "rows.jsonl", rows), against=beir)
    assert found.counts == {"rows": 2, "questions": 2}
    assert found.problems == {
        "answers that stand as negatives of their question": 1,
        "positives that a teacher scores below a negative": 1,
        "questions that are near-duplicates of others": 1,
    }
    assert found.leakage == {"same questions": 0, "near-duplicate questions": 0}
    (beir / "qrels" / "dev.tsv").write_text("query-id\tcorpus-id\tscore\nq1\td 1\t1\nq9\tgone\t1\n")
    problems = inspect_data(beir).problems
    assert problems["judged questions without a text"] == 1 and problems["judged documents that are not there"] == 1
    assert problems["same questions of train in dev"] == 1


def test_split_leaks_no_question(beir: Path, tmp_path: Path) -> None:
    rows = [
        {"query": f"question number {n} about {'abcdefghij'[n % 10] * 6}", "positive": f"answer {n}", "negatives": ["no"]}
        for n in range(40)
    ]
    rows += [{**row, "query": row["query"].upper() + "!"} for row in rows[:10]]
    source = lines(tmp_path / "rows.jsonl", rows)
    done = split_data(source, tmp_path / "parts", dev=0.2, test=0.2)
    assert sum(done.rows.values()) == 50 and set(done.files) == {"train", "dev", "test"}
    assert done.leakage["same questions"] == done.leakage["near-duplicate questions"] == 0
    parts = {name: read_training(Path(path)) for name, path in done.files.items()}
    assert {name: len(part) for name, part in parts.items()} == done.rows
    assert inspect_data(Path(done.files["train"]), against=Path(done.files["test"])).leakage["near-duplicate questions"] == 0
    sets = split_data(beir, tmp_path / "set", dev=0, test=0.5)
    assert sets.questions == {"train": 1, "test": 1}
    with pytest.raises(InputError, match="leave some for training"):
        split_data(source, tmp_path / "no", dev=0.5, test=0.5)
