"""Runs, written and read."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bicross.data.trec import read_run, write_run
from bicross.errors import InputError
from bicross.records import Hit, Run
from bicross.vectors import best_first

words = st.text(min_size=1, max_size=8).filter(lambda text: text.split() == [text] and text.isprintable())
scores = st.dictionaries(words, st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=5)


@given(words, st.dictionaries(words, scores, min_size=1, max_size=3))
def test_a_run_reads_back_as_it_was_written(
    tmp_path_factory: pytest.TempPathFactory, name: str, found: dict[str, dict[str, float]]
) -> None:
    run = Run(name, {query: best_first(Hit(*hit) for hit in ranked.items()) for query, ranked in found.items()})
    path = tmp_path_factory.mktemp("runs") / "run.txt"
    write_run(path, run)
    assert read_run(path) == run


def test_the_six_columns(tmp_path: Path) -> None:
    write_run(tmp_path / "r", Run("mine", {"q1": (Hit("b", 2.5), Hit("a", 0.1))}))
    assert (tmp_path / "r").read_text() == "q1 Q0 b 1 2.5 mine\nq1 Q0 a 2 0.1 mine\n"


def test_reading_orders_by_score_whatever_the_rank_says(tmp_path: Path) -> None:
    (tmp_path / "r").write_text("q\tQ0\tb\t1\t1\tx\n\nq Q0 a 2 1.0 x\nq Q0 c 3 7e0 x\n")
    assert [hit.doc_id for hit in read_run(tmp_path / "r").rankings["q"]] == ["c", "a", "b"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("q Q0 a 1 1 x\nq Q0 b 2 1\n", [":2", "5 columns"]),
        ("q Q0 a 1 best x\n", [":1", "'best'"]),
        ("q Q0 a 1 nan x\n", [":1", "finite"]),
        ("q Q0 a 1 2 x\nq Q0 a 2 1 x\n", [":2", "'a' a second time"]),
        ("\n", ["no hit"]),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, text: str, words: list[str]) -> None:
    (tmp_path / "r").write_text(text)
    with pytest.raises(InputError) as caught:
        read_run(tmp_path / "r")
    for word in words:
        assert word in str(caught.value)


@pytest.mark.parametrize(
    "run",
    [
        Run("a b", {}),
        Run("", {}),
        Run("x", {"q 1": (Hit("a", 1.0),)}),
        Run("x", {"q": (Hit("a\u3000b", 1.0),)}),
        Run("x", {"q": (Hit("a", float("nan")),)}),
    ],
)
def test_what_six_columns_cannot_say_is_refused_and_nothing_is_written(tmp_path: Path, run: Run) -> None:
    with pytest.raises(InputError):
        write_run(tmp_path / "r", run)
    assert not (tmp_path / "r").exists()
