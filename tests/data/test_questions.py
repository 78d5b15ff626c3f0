"""Queries and judgements in each of their formats."""

from pathlib import Path

import pytest

from bicross.data.questions import read_qrels, read_queries
from bicross.errors import InputError
from bicross.records import Query


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("queries.jsonl", '{"_id": "q1", "text": "如何重置？"}\n{"_id": 2, "text": "how, then"}\n'),
        ("q.csv", 'query-id,question\nq1,如何重置？\n2,"how, then"\n'),
        ("q.tsv", "id\tquery\nq1\t如何重置？\n2\thow, then\n"),
        ("topics.txt", "q1\t如何重置？\n2\thow, then\n"),
        ("q.tsv", "q1\t如何重置？\n\n2\thow, then"),
        ("q.tsv", '"id"\t"query"\n"q1"\t"如何重置？"\n"2"\t"how, then"\n'),
    ],
)
def test_queries_in_each_format(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    expected = [Query("q1", "如何重置？"), Query("2", "how, then")]
    assert read_queries(tmp_path / name) == (expected, [])
    if name == "queries.jsonl":
        assert read_queries(tmp_path) == (expected, [])


def test_bad_queries_are_named(tmp_path: Path) -> None:
    path = tmp_path / "q.jsonl"
    path.write_text('{"id": "a", "text": "x", "lang": "en"}\n{"id": "a", "text": "y"}\n{"id": "b", "text": " "}\n{"id": "c"}\nno\n')
    queries, skips = read_queries(path)
    assert queries == [Query("a", "x", {"lang": "en"})]
    assert skips[0].reason == f"the id comes a second time (in {path}:2); the first is kept"
    assert [skip.id for skip in skips] == ["a", f"{path}:3", f"{path}:4", f"{path}:5"]


@pytest.mark.parametrize(
    ("text", "word"),
    [("", "it is empty"), ('{"id": "a", "inhalt": "x"}', "no text column"), ('{"text": "x"}', "no id column"), ("x", "not JSON")],
)
def test_a_file_without_queries_says_why(tmp_path: Path, text: str, word: str) -> None:
    (tmp_path / "q.jsonl").write_text(text)
    with pytest.raises(InputError, match=word):
        read_queries(tmp_path / "q.jsonl")


@pytest.mark.parametrize("encoding", ["gb18030", "utf-16"])
def test_every_shape_is_read_in_the_encodings_that_tables_come_in(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "a.tsv"
    for text in ("一\t我们如何重置这个打印机？\n", "id\ttext\n一\t我们如何重置这个打印机？\n"):
        path.write_text(text, encoding)
        assert read_queries(path) == ([Query("一", "我们如何重置这个打印机？")], [])
    for text in ("一 0 我们的说明书 1\n", "query-id\tcorpus-id\tscore\n一\t我们的说明书\t1\n"):
        path.write_text(text, encoding)
        assert read_qrels(path) == {"一": {"我们的说明书": 1}}


JUDGED = {"q1": {"d1": 2, "d 2": 0}, "q2": {"d1": -1}}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("test.tsv", "query-id\tcorpus-id\tscore\nq1\td1\t2\nq1\td 2\t0\nq2\td1\t-1\n"),
        ("q.csv", "qid,docid,grade\nq1,d1,2\nq1,d 2,0\nq1,d1,2\nq2,d1,-1\n"),
        ("quoted.tsv", '"query-id"\t"corpus-id"\t"score"\n"q1"\t"d1"\t2\n"q1"\t"d 2"\t0\n"q2"\t"d1"\t-1\n'),
        ("floats.csv", "query-id,corpus-id,score\nq1,d1,2.0\nq1,d 2,0.0\nq2,d1,-1.\n"),
        ("qrels.txt", "q1 0 d1 2\nq1\t0\td_2\t0\n\nq2 0 d1 -1\n"),
        (
            "judged.jsonl",
            '{"qid": "q1", "docid": "d1", "rel": 2}\n{"qid": "q1", "docid": "d 2", "rel": 0}\n{"qid": "q2", "docid": "d1", "rel": -1}\n',
        ),
    ],
)
def test_judgements_in_each_format(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    qrels = read_qrels(tmp_path / name)
    assert {query: {document.replace("_", " "): grade for document, grade in judged.items()} for query, judged in qrels.items()} == JUDGED


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("q 0 d 1\nq 0 d 2\n", [":2", "'d'", "earlier line says 1"]),
        ("q 0 d 1.5\n", [":1", "'1.5'", "whole number"]),
        ("q 0 d 1\nq 0 d\n", [":2", "3 fields"]),
        ("query-id\tcorpus-id\tscore\nq\td\n", [":2", "2 fields"]),
        ("query-id\tcorpus-id\nq\td\n", ["begins with", "score"]),
        ("q\td\t1\n", ["begins with", "TREC"]),
        ("", ["begins with ''"]),
        ("query-id\tcorpus-id\tscore\n", ["no judgement"]),
    ],
)
def test_a_bad_judgement_is_an_error_that_names_its_line(tmp_path: Path, text: str, words: list[str]) -> None:
    path = tmp_path / "qrels"
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        read_qrels(path)
    for word in words:
        assert word in str(caught.value)


def test_a_folder_stands_for_its_only_judgements(tmp_path: Path) -> None:
    (tmp_path / "qrels").mkdir()
    with pytest.raises(InputError, match="0 files"):
        read_qrels(tmp_path)
    (tmp_path / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\nq\td\t1\n")
    assert read_qrels(tmp_path) == {"q": {"d": 1}}
    (tmp_path / "qrels" / "other.jsonl").write_text('{"query-id": "q", "corpus-id": "e", "score": 1}\n')
    assert read_qrels(tmp_path) == {"q": {"d": 1}}
    assert read_qrels(tmp_path / "qrels" / "other.jsonl") == {"q": {"e": 1}}
    (tmp_path / "qrels" / "dev.tsv").write_text("")
    with pytest.raises(InputError, match=r"2 files .*dev\.tsv, .*test\.tsv"):
        read_qrels(tmp_path)
