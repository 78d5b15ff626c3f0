"""The folder that `tune` reads."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bicross.data.pairs import Pairs, check_empty, draw, name_of, same, units, write_pairs
from bicross.data.questions import read_qrels, read_queries
from bicross.durable import read_manifest
from bicross.errors import InputError, StoreError
from bicross.records import Query

QUERIES = (Query("q1", '怎么\t重置 "it"?', {"made_of": "heading"}), Query("q2", "line\nbreak"))
PAIRS = Pairs(QUERIES, {"train": {"q1": {'d"1': 1, "d 2": 0}}, "dev": {"q2": {"三": 3}}}, {"too short": 2}, ())


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    write_pairs(tmp_path / "made", PAIRS, {"why": "test"})
    queries, skipped = read_queries(tmp_path / "made")
    assert queries == list(QUERIES) and not skipped
    assert {part: read_qrels(tmp_path / "made" / "qrels" / f"{part}.tsv") for part in ("train", "dev")} == PAIRS.qrels
    assert read_manifest(tmp_path / "made")["why"] == "test"


def test_a_folder_that_holds_something_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("x")
    with pytest.raises(InputError, match=r"mine\.txt"):
        check_empty(tmp_path)
    with pytest.raises(InputError, match="no folder"):
        check_empty(tmp_path / "mine.txt")
    with pytest.raises(StoreError, match="not empty"):
        write_pairs(tmp_path, PAIRS, {})
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
    check_empty(tmp_path / "new")


def test_no_question_is_an_error_that_says_why(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="2 too short"):
        write_pairs(tmp_path / "made", Pairs((), {"train": {}}, {"too short": 2}, ()), {})
    assert not (tmp_path / "made").exists()


@given(st.text())
def test_texts_that_are_one_question_have_one_id(text: str) -> None:
    assert same(same(text)) == same(text)
    assert name_of("text", text) == name_of("text", f"  {text}\n") != name_of("asked", text)
    assert all(unit == unit.casefold() and not unit.isspace() for unit in units(text))
    json.dumps(units(text)).encode()


def test_words_and_ideographs_are_units_and_numbers_are_none() -> None:
    assert units("Reset_ the X-100 打印机 2.0, ＡＢ") == ["reset", "the", "x", "打", "印", "机", "ab"]


def test_a_draw_depends_on_the_seed_and_the_names_alone() -> None:
    assert draw(0, "a", "b") == draw(0, "a", "b")
    assert len({draw(0, "a", "b"), draw(1, "a", "b"), draw(0, "ab"), draw(0, "b", "a")}) == 4
