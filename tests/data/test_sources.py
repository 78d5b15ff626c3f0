"""Every kind of source, and every kind of bad one."""

import json
import tracemalloc
from pathlib import Path

import pytest

from bicross.data.sources import read_documents
from bicross.errors import InputError
from bicross.records import Document, Skip
from bicross.settings import ColumnSettings


def write_jsonl(path: Path, *objects: object) -> Path:
    path.write_text("".join(json.dumps(found) + "\n" for found in objects))
    return path


def test_a_beir_folder(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "corpus.jsonl", {"_id": "a/1", "title": "Ｔ", "text": " 文 ", "metadata": {"year": 1}})
    (tmp_path / "other.txt").write_text("not read")
    assert list(read_documents([tmp_path])) == [Document("a/1", " 文 ", "Ｔ", {"metadata": {"year": 1}})]


def test_columns_are_mapped_and_the_rest_is_meta(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("sku,Name,blurb,price\n7,Lamp,bright,3\n")
    columns = ColumnSettings(id="sku", text="blurb")
    assert list(read_documents([path], columns)) == [Document("7", "bright", "Lamp", {"price": "3"})]


def test_several_sources_keep_the_first_of_an_id(tmp_path: Path) -> None:
    rows = write_jsonl(tmp_path / "a.jsonl", {"id": "n.txt", "text": "x"}, {"id": 1, "text": "y"}, {"id": "1", "text": "z"})
    note = tmp_path / "n.txt"
    note.write_text("note")
    found = list(read_documents([rows, note]))
    assert [item.text for item in found if isinstance(item, Document)] == ["x", "y"]
    said = "the id comes a second time (in {}); the first is kept"
    assert [item for item in found if isinstance(item, Skip)] == [Skip("1", said.format(rows)), Skip("n.txt", said.format(note))]


def test_a_title_alone_is_the_text(tmp_path: Path) -> None:
    path = write_jsonl(tmp_path / "a.jsonl", {"id": "a", "title": "Alien", "text": ""}, {"id": "b", "text": None})
    assert list(read_documents([path])) == [Document("a", "Alien", "Alien"), Skip(f"{path}:2", "the text is empty")]


def test_bad_rows_are_skipped_by_file_and_line(tmp_path: Path) -> None:
    bad = {
        "id is empty": {"id": "", "text": "x"},
        "text is a number": {"id": "b", "text": 3},
        "NUL": {"id": "c", "text": "a\0"},
        "title is a list": {"id": "d", "text": "x", "title": []},
        "no id column": {"text": "x"},
        "no text column": {"id": "e"},
    }
    path = write_jsonl(tmp_path / "a.jsonl", {"id": "a", "text": "x"}, *bad.values())
    found = list(read_documents([path]))
    assert [item.id for item in found] == ["a", *(f"{path}:{line}" for line in range(2, 8))]
    reasons = [item.reason for item in found if isinstance(item, Skip)]
    for reason, word in zip(reasons, bad, strict=True):
        assert word in reason


@pytest.mark.parametrize(
    ("name", "text", "columns", "words"),
    [
        ("a.csv", "id,inhalt\n1,x\n", {}, ["a.csv:2 has no text column", "text, content", "found id, inhalt", "--text-column"]),
        ("a.csv", "key,text\n1,x\n", {}, ["no id column", "found key, text", "--id-column"]),
        ("a.jsonl", '{"id": 1, "text": "x"}\n', {"title": "head"}, ["no title column", "'head'", "found id, text"]),
        ("a.jsonl", "nonsense\n", {}, ["no readable document", "1 skipped", "a.jsonl:1: not JSON"]),
        ("a.jsonl", "", {}, ["no readable document", "empty"]),
        ("a.csv", "id,text\n", {}, ["no readable document"]),
        ("a.txt", " \n", {}, ["no readable document", "the text is empty"]),
        ("a.xyz", "x", {}, ["not a kind of source", ".jsonl"]),
    ],
)
def test_a_source_with_nothing_to_read_says_what_was_found(
    tmp_path: Path, name: str, text: str, columns: dict[str, str], words: list[str]
) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(InputError) as caught:
        list(read_documents([tmp_path / name], ColumnSettings(**columns)))
    for word in words:
        assert word in str(caught.value)


def test_missing_and_empty_places_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        read_documents([tmp_path / "none"])
    with pytest.raises(InputError, match="No source"):
        read_documents([])
    with pytest.raises(InputError, match="no readable document"):
        list(read_documents([tmp_path]))
    (tmp_path / "a.pdf").write_text("x")
    with pytest.raises(InputError, match="1 skipped"):
        list(read_documents([tmp_path]))


@pytest.mark.parametrize(
    ("name", "text", "word"),
    [("bad.csv", "id,inhalt\n1,x\n", "no text column"), ("bad.jsonl", "no\n", "no readable document"), ("bad.txt", " ", "empty")],
)
def test_a_later_source_that_cannot_be_read_is_refused_before_any_document(tmp_path: Path, name: str, text: str, word: str) -> None:
    good = write_jsonl(tmp_path / "a.jsonl", {"id": "a", "text": "x"})
    (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match=word):
        read_documents([good, tmp_path / name])
    assert list(read_documents([good, good])) == [
        Document("a", "x"),
        Skip("a", f"the id comes a second time (in {good}); the first is kept"),
    ]


def test_a_path_that_cannot_be_looked_at_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cannot be read .*too long"):
        read_documents([tmp_path / ("x" * 300)])


def test_memory_does_not_grow_with_the_rows(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    with path.open("w") as handle:
        handle.writelines(f'{{"id": "{number}", "text": "{"x" * 10_000}"}}\n' for number in range(2000))
    tracemalloc.start()
    count = sum(1 for _ in read_documents([path]))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 2000
    assert peak < 2_000_000  # of 20 MB
