"""Mined rows there and back; training rows in each of their shapes."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bicross.data.examples import mined_bytes, read_mined, read_training, write_mined
from bicross.errors import InputError, StoreError
from bicross.records import KINDS, Candidate, Example, LabelledPair, Mined, Query

ROW = Mined(
    Query("q1", "如何重置？"),
    (Candidate("d1", "按住按钮。", "positive", {"rerank": 3.5}),),
    (Candidate("d2", "两年保修", "hard", {"dense": 0.25, "lexical": 12.5, "rank": 1.0}), Candidate("d3", "", "random")),
    {"encoder": "abc", "settings": {"depth": 40, "quantile": 0.5}, "fold": 0, "models": ["a", None]},
)


def test_mined_rows_are_written_as_agreed(tmp_path: Path) -> None:
    write_mined(tmp_path / "m.jsonl", [ROW])
    written = (tmp_path / "m.jsonl").read_text(encoding="utf-8")
    assert json.loads(written) == {
        "query_id": "q1",
        "query": "如何重置？",
        "positives": [{"id": "d1", "text": "按住按钮。", "kind": "positive", "scores": {"rerank": 3.5}}],
        "candidates": [
            {"id": "d2", "text": "两年保修", "kind": "hard", "scores": {"dense": 0.25, "lexical": 12.5, "rank": 1.0}},
            {"id": "d3", "text": "", "kind": "random", "scores": {}},
        ],
        "source": {"encoder": "abc", "settings": {"depth": 40, "quantile": 0.5}, "fold": 0, "models": ["a", None]},
    }
    assert written.startswith('{"candidates": [') and "如何" in written and written.count("\n") == 1
    assert read_mined(tmp_path / "m.jsonl") == [ROW]


TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
IDS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=9).filter(str.strip)
SCORES = st.dictionaries(st.sampled_from(["lexical", "dense", "rerank"]), st.integers(-(10**9), 10**9).map(lambda whole: whole / 1e6))
CANDIDATES = st.lists(st.builds(Candidate, IDS, TEXTS, st.sampled_from(KINDS), SCORES), max_size=3).map(tuple)
QUERIES = st.builds(Query, IDS, TEXTS.filter(str.strip), st.dictionaries(IDS, TEXTS | st.integers() | st.none(), max_size=2))
ROWS = st.lists(st.builds(Mined, QUERIES, CANDIDATES, CANDIDATES, st.dictionaries(IDS, TEXTS, max_size=2)), min_size=1, max_size=4)


@given(ROWS.map(lambda rows: list({row.query.id: row for row in rows}.values())))
def test_mined_rows_are_read_back(tmp_path_factory: pytest.TempPathFactory, rows: list[Mined]) -> None:
    path = tmp_path_factory.mktemp("mined") / "m.jsonl"
    write_mined(path, rows)
    found = read_mined(path)
    assert found == rows
    assert mined_bytes(found) == path.read_bytes()


def test_equal_rows_give_equal_bytes() -> None:
    def row(score: float, *names: str) -> Mined:
        return Mined(Query("q", "x"), (), (Candidate("d", "y", "hard", dict.fromkeys(names, score)),))

    first = mined_bytes([row(0.1 + 0.2, "dense", "lexical")])
    assert (
        first == mined_bytes([row(float(np.float32(0.3)), "lexical", "dense")]) == mined_bytes([row(np.float64(0.3), "dense", "lexical")])
    )
    assert b'"dense": 0.3,' in first
    assert mined_bytes([row(-1e-9, "a")]) == mined_bytes([row(0.0, "a")])


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_score_that_is_not_finite_is_not_written(tmp_path: Path, value: float) -> None:
    bad = Mined(Query("q7", "x"), (), (Candidate("d", "y", "hard", {"dense": value}),))
    write_mined(tmp_path / "m.jsonl", [ROW])
    with pytest.raises(InputError, match="'q7' is not finite"):
        write_mined(tmp_path / "m.jsonl", [ROW, bad])
    assert read_mined(tmp_path / "m.jsonl") == [ROW]


def test_where_mined_rows_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"ends in \.jsonl"):
        write_mined(tmp_path / "m.txt", [ROW])
    (tmp_path / "f.jsonl").mkdir()
    with pytest.raises(InputError, match="no regular file"):
        write_mined(tmp_path / "f.jsonl", [ROW])
    with pytest.raises(StoreError, match="Cannot write"):
        write_mined(tmp_path / "none" / "m.jsonl", [ROW])
    (tmp_path / "link.jsonl").symlink_to(tmp_path / "m.jsonl")
    write_mined(tmp_path / "link.jsonl", [ROW])
    assert (tmp_path / "link.jsonl").is_symlink() and read_mined(tmp_path / "m.jsonl") == [ROW]


def damaged(**changes: object) -> str:
    return json.dumps({**json.loads(mined_bytes([ROW])), "query_id": "q2", **changes}) + "\n"


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (mined_bytes([ROW]).decode(), ["'q1' a second time"]),
        ("{\n", ["not JSON"]),
        ('{"query": "a", "positive": "b"}\n', ["query, positive", "expected a mined row", "bicross train"]),
        (damaged(query=""), ["the query is empty"]),
        (damaged(query_id=[]), ["the id is a list"]),
        (damaged(source=3), ["source is int"]),
        (damaged(candidates="d1"), ["candidates is str"]),
        (damaged(candidates=["d1"]), ["an entry of candidates is str"]),
        (damaged(candidates=[{"id": "d", "text": "x"}]), ["has no kind, scores"]),
        (damaged(positives=[{"id": "d", "text": "x", "kind": "good", "scores": {}}]), ["'good'", "positive, hard"]),
        (damaged(positives=[{"id": "d", "text": "x", "kind": "hard", "scores": {"dense": None}}]), ["score 'dense'", "finite number"]),
    ],
)
def test_a_row_that_is_not_mined_is_named(tmp_path: Path, line: str, words: list[str]) -> None:
    path = tmp_path / "m.jsonl"
    path.write_text(mined_bytes([ROW]).decode() + line, encoding="utf-8")
    with pytest.raises(InputError) as caught:
        read_mined(path)
    for word in (f"{path}:2", *words):
        assert word in str(caught.value)


def test_files_without_mined_rows(tmp_path: Path) -> None:
    (tmp_path / "m.jsonl").write_text("\n")
    with pytest.raises(InputError, match="has no row"):
        read_mined(tmp_path / "m.jsonl")
    with pytest.raises(InputError, match="cannot be read"):
        read_mined(tmp_path / "none.jsonl")
    with pytest.raises(InputError, match=r"ends in \.jsonl"):
        read_mined(tmp_path / "m.csv")


def example(*negatives: str, scores: tuple[float, ...] = (), positive: str = "p", place: str = "1") -> Example:
    return Example("q", positive, negatives, scores, place)


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("a.jsonl", '{"query": "q", "positive": "p"}', [example(place="a.jsonl:1")]),
        ("a.jsonl", '\n{"query": "q", "positive": "p", "negatives": ["n", "保"]}', [example("n", "保", place="a.jsonl:2")]),
        ("a.jsonl", '{"Query": "q", "positive": "p", "negative": "n", "id": 3}', [example("n", place="a.jsonl:1")]),
        (
            "a.jsonl",
            '{"query": "q", "positive": "p", "negatives": ["n", "m"], "scores": [2, 1.5, -1]}',
            [example("n", "m", scores=(2, 1.5, -1), place="a.jsonl:1")],
        ),
        ("a.csv", "anchor,positive,negative\nq,p,n\nq,p,\n", [example("n", place="a.csv:2"), example(place="a.csv:3")]),
        (
            "a.tsv",
            "anchor\tpositive\tnegative_10\tnegative_2\tlabel\nq\tp\tn\t[1]\t[1, 0.5, 0]\n",
            [example("[1]", "n", scores=(1, 0.5, 0), place="a.tsv:2")],
        ),
        (
            "a.csv",
            'query,positive,negatives,scores\nq,p,"[""n"", ""m""]","[3, 2, 1]"\n',
            [example("n", "m", scores=(3, 2, 1), place="a.csv:2")],
        ),
        (
            "a.jsonl",
            '{"query": "q", "pos": ["p", "r"], "neg": ["n"], "prompt": "x", "pos_scores": [], "neg_scores": null}',
            [example("n", place="a.jsonl:1"), example("n", positive="r", place="a.jsonl:1")],
        ),
        (
            "a.jsonl",
            '{"query": "q", "pos": ["p", "r"], "neg": ["n"], "pos_scores": [3, 2], "neg_scores": [1]}',
            [example("n", scores=(3, 1), place="a.jsonl:1"), example("n", scores=(2, 1), positive="r", place="a.jsonl:1")],
        ),
        ("a.jsonl", '{"query": "q", "pos": ["p"], "neg": [], "pos_scores": [3]}', [example(scores=(3,), place="a.jsonl:1")]),
        ("a.jsonl", '{"sentence1": "a", "sentence2": "b", "score": 3.8}', [LabelledPair("a", "b", 3.8)]),
        ("a.csv", "text_a,text_b,label\na,b,1\nc,d,0\n", [LabelledPair("a", "b", 1), LabelledPair("c", "d", 0)]),
        ("a.tsv", "query\tdocument\tscore\na\tb\t2\n", [LabelledPair("a", "b", 2)]),
        ("a.jsonl", '{"query": "a", "passage": "b", "label": true}', [LabelledPair("a", "b", 1)]),
    ],
)
def test_training_rows_in_each_shape(tmp_path: Path, name: str, text: str, expected: list[Example | LabelledPair]) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    assert read_training(tmp_path / name) == expected


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({"query": "q", "inhalt": "p"}, ["query, inhalt", "expected query, positive"]),
        ({"query": "q", "document": "p"}, ["query, document", "sentence2 and score"]),
        ({"query": "q", "positive": " "}, ["the positive is empty"]),
        ({"query": 3, "positive": "p"}, ["the query is a number, expected text"]),
        ({"query": "q", "positive": ["p"]}, ["the positive is a list"]),
        ({"query": "q", "positive": "p", "negatives": ["n", ""]}, ["negative number 2 is empty"]),
        ({"query": "q", "positive": "p", "negatives": [3]}, ["negative number 1 is a number"]),
        ({"query": "q", "positive": "p", "negatives": {"n": 1}}, ["the negative is an object"]),
        ({"query": "q", "positive": "p", "negatvies": ["n"]}, ["'negatvies' is unknown", "negatives"]),
        ({"query": "q", "positive": "p", "negatives": ["n"], "scores": [1]}, ["the scores are 1, expected 2"]),
        ({"query": "q", "positive": "p", "negatives": ["n"], "scores": [1, "x"]}, ["'x'", "finite number"]),
        ({"query": "q", "positive": "p", "scores": [1e308 * 10]}, ["not JSON: Infinity"]),
        ({"query": "q", "pos": [], "neg": ["n"]}, ["pos is empty"]),
        ({"query": "q", "pos": ["p"], "negs": ["n"]}, ["'negs' is unknown", "neg and neg_scores"]),
        ({"query": "q", "pos": ["p"], "neg": ["n"], "pos_scores": [1]}, ["neg_scores has 0 numbers, expected 1"]),
        ({"query": "q", "pos": ["p"], "neg": ["n"], "pos_scores": [1, 2], "neg_scores": [1]}, ["pos_scores has 2 numbers, expected 1"]),
        ({"sentence1": "a", "sentence2": "b", "score": "entailment"}, ["the score is 'entailment'", "finite number"]),
        ({"sentence1": "a", "sentence2": None, "score": 1}, ["the sentence2 is empty"]),
        (json.loads(mined_bytes([ROW])), ["mined rows"]),
    ],
)
def test_a_bad_training_row_is_named(tmp_path: Path, row: dict[str, object], words: list[str]) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps(row) + "\n")
    with pytest.raises(InputError) as caught:
        read_training(path)
    for word in (f"{path}:1", *words):
        assert word in str(caught.value)


def test_a_file_of_two_shapes_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"query": "q", "positive": "p"}\n{"query": "q", "pos": ["p"], "neg": []}\n')
    with pytest.raises(InputError, match=r"a\.jsonl:2 has query and pos, but the file began with query and positive"):
        read_training(path)


def test_a_file_without_training_rows(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("query,positive\n")
    with pytest.raises(InputError, match="has no row"):
        read_training(tmp_path / "a.csv")
    (tmp_path / "a.csv").write_text("query,positive\nq\n")
    with pytest.raises(InputError, match=r"a\.csv:2 cannot be read as a row: 1 fields, expected 2"):
        read_training(tmp_path / "a.csv")
    with pytest.raises(InputError, match="cannot be read"):
        read_training(tmp_path)
