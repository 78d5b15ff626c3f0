"""Rows of JSONL, CSV and TSV, good and bad."""

import csv
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bicross.data import lines, rows
from bicross.data.lines import Malformed
from bicross.data.rows import Row, column, content, identifier, read_rows
from bicross.errors import InputError
from bicross.records import Skip


def read(path: Path, text: str | bytes) -> list[Row | Skip]:
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return list(read_rows(path))


def fields(found: list[Row | Skip]) -> list[dict[str, object]]:
    return [dict(row.fields) for row in found if isinstance(row, Row)]


def reasons(found: list[Row | Skip]) -> dict[int, str]:
    return {int(row.id.rpartition(":")[2]): row.reason for row in found if isinstance(row, Skip)}


def test_bad_lines_of_jsonl_are_named_and_the_good_ones_read(tmp_path: Path) -> None:
    bad = [b'{"a": 1', b"[1]", b'"x"', b'{"a": NaN}', rb'{"a": "\ud800"}', b'{"a": "\xff"}', b'{"a": ' + b"[" * 100_000, b"1" * 5000]
    found = read(tmp_path / "a.jsonl", b'{"a": "\\ud83d\\ude00"}\n\n' + b"\n".join(bad) + b'\n{"a": 2}')
    assert fields(found) == [{"a": "😀"}, {"a": 2}]
    said = reasons(found)
    assert sorted(said) == list(range(3, 3 + len(bad)))
    for line, word in zip(range(3, 20), ["not JSON", "a list", "str", "NaN", "surrogate", "UTF-8", "not JSON", "not JSON"], strict=False):
        assert word in said[line]


def test_a_json_array_is_refused_with_the_way_to_turn_it(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="jq"):
        read(tmp_path / "a.json", '[{"a": 1},\n{"a": 2}]')


def test_csv_reads_quotes_line_breaks_and_any_of_three_delimiters(tmp_path: Path) -> None:
    expected = [{"id": "1", "text": 'a "b", c;\td\nsecond line'}, {"id": "2", "text": ""}]
    for delimiter in ",;\t":
        text = f'\ufeffid{delimiter}text\r\n1{delimiter}"a ""b"", c;\td\nsecond line"\r\n\r\n2{delimiter}\r\n'
        found = read(tmp_path / "a.csv", text)
        assert fields(found) == expected
        assert [row.place.rpartition(":")[2] for row in found if isinstance(row, Row)] == ["2", "5"]


def test_bad_rows_of_csv_are_named_and_the_good_ones_read(tmp_path: Path) -> None:
    found = read(tmp_path / "a.csv", b'id,text\n1,a\n2,a,b\n3,"a"b\n4,\xff\n5,e\n6,"never closed\n7,g\n')
    assert [row["id"] for row in fields(found)] == ["1", "5"]
    said = reasons(found)
    assert sorted(said) == [3, 4, 5, 7]
    assert said[3] == "3 fields, expected 2 as in the header"
    assert "UTF-8" in said[5]
    assert "unexpected end" in said[7]


def test_a_quote_that_nothing_closes_does_not_read_the_file_into_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "LIMIT", 100)
    monkeypatch.setattr(lines, "LIMIT", 100)
    found = read(tmp_path / "a.csv", 'id,text\n1,"open\n' + "2,row\n" * 50)
    assert "quotation mark not closed" in reasons(found)[2]
    assert len(fields(found)) > 20


def test_tsv_has_no_quoting(tmp_path: Path) -> None:
    found = read(tmp_path / "a.tsv", 'id\ttext\n1\t"To be" he said\n2\t"open\n3\n')
    assert fields(found) == [{"id": "1", "text": '"To be" he said'}, {"id": "2", "text": '"open'}]
    assert reasons(found) == {4: "1 fields, expected 2 as in the header"}


def test_a_header_that_names_a_column_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="'text' more than once"):
        read(tmp_path / "a.csv", "id,text,text\n1,a,b\n")


def test_blank_lines_above_the_header_hide_no_delimiter(tmp_path: Path) -> None:
    assert fields(read(tmp_path / "a.csv", "\n \nid;text\n1;a,b\n")) == [{"id": "1", "text": "a,b"}]


@pytest.mark.parametrize("name", ["a.csv", "a.tsv"])
def test_lines_that_end_in_carriage_returns_are_refused_with_the_way_to_turn_them(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match=rf"carriage returns alone.* tr .* < {name}"):
        read(tmp_path / name, "id\ttext\r1\ta\r2\tb\r")


def test_chinese_csv_of_an_old_spreadsheet(tmp_path: Path) -> None:
    found = read(tmp_path / "a.csv", "编号,正文\n一,我们在这里看看它能不能读。\n".encode("gbk"))
    assert fields(found) == [{"编号": "一", "正文": "我们在这里看看它能不能读。"}]


@given(st.lists(st.tuples(*[st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\r"))] * 2), max_size=5))
def test_what_the_csv_module_writes_is_read_back(tmp_path_factory: pytest.TempPathFactory, cells: list[tuple[str, str]]) -> None:
    path = tmp_path_factory.mktemp("rows") / "a.csv"
    with path.open("w", newline="", encoding="utf-8") as handle:
        csv.writer(handle, quoting=csv.QUOTE_ALL).writerows([("id", "text"), *cells])
    assert [(row["id"], row["text"]) for row in fields(list(read_rows(path)))] == cells


def test_columns_are_found_by_name_in_the_usual_order() -> None:
    assert column({"id": 1, "_id": 2}, None, ("_id", "id")) == "_id"
    assert column({"ID": 1, "Text": 2}, None, ("text",)) == "Text"
    assert column({"ID": 1, "Text": 2}, "text", ("text",)) is None
    assert column({"body": 1}, "body", ("text",)) == "body"


@pytest.mark.parametrize("value", [None, 1.5, True, [], "", "  ", "x" * 513, "a\nb", "a\0", "\ud800"])
def test_values_that_are_no_id(value: object) -> None:
    with pytest.raises(Malformed, match="the id"):
        identifier(value)


@pytest.mark.parametrize(("value", "expected"), [(7, "7"), ("a/b c", "a/b c"), ("文/é", "文/é"), ("x" * 512, "x" * 512)])
def test_values_that_are_ids(value: object, expected: str) -> None:
    assert identifier(value) == expected


def test_text_is_kept_as_it_is_or_refused() -> None:
    assert content(" Ａ\u200b ", "text") == " Ａ\u200b "
    assert content(None, "title") == ""
    for value, word in [(1, "a number"), (["a"], "a list"), ("a\0", "NUL character at 1"), ("ab\udfff", "surrogate at 2")]:
        with pytest.raises(Malformed, match=word):
            content(value, "text")
