"""Runs, written and read."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bicross.data.trec import read_run, read_runs, write_run
from bicross.errors import InputError
from bicross.records import Hit, Run
from bicross.vectors import best_first

words = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\ufeff"), min_size=1, max_size=8) | st.text(
    "%25038EC \u3000\t", min_size=1, max_size=9
)
scores = st.dictionaries(words, st.floats(-1e30, 1e30) | st.sampled_from([0.0, 1.0, 1.0 + 1e-9]), min_size=1, max_size=5)


@given(words, st.dictionaries(words, scores, min_size=1, max_size=3))
def test_a_run_reads_back_as_it_was_written(
    tmp_path_factory: pytest.TempPathFactory, name: str, found: dict[str, dict[str, float]]
) -> None:
    run = Run(name, {query: best_first(Hit(*hit) for hit in ranked.items()) for query, ranked in found.items()})
    path = tmp_path_factory.mktemp("runs") / "run.txt"
    write_run(path, run)
    again = read_run(path)
    assert again.name == name and again.rankings.keys() == run.rankings.keys()
    for query, ranking in run.rankings.items():
        assert [hit.doc_id for hit in again.rankings[query]] == [hit.doc_id for hit in ranking]
        singles = [np.float32(hit.score) for hit in ranking]
        if len(set(singles)) == len(singles):
            assert again.rankings[query] == ranking, "scores that trec_eval tells apart are as they were"


def test_equal_scores_are_written_a_step_apart(tmp_path: Path) -> None:
    write_run(
        tmp_path / "r", Run("x", {"q": tuple(Hit(doc, score) for doc, score in (("a", 2.0), ("b", 2.0), ("c", 2.0 - 1e-9), ("d", 1.0)))})
    )
    written = [np.float32(line.split()[4]) for line in (tmp_path / "r").read_text().splitlines()]
    assert written == sorted(set(written), reverse=True) and written[0] == 2 and written[1] > 1.9999 and written[3] == 1


def test_the_six_columns(tmp_path: Path) -> None:
    write_run(tmp_path / "r", Run("mine", {"q1": (Hit("b", 2.5), Hit("a", 0.1))}))
    assert (tmp_path / "r").read_text() == "q1 Q0 b 1 2.5 mine\nq1 Q0 a 2 0.1 mine\n"


def test_reading_orders_by_score_whatever_the_rank_says(tmp_path: Path) -> None:
    (tmp_path / "r").write_text("q\tQ0\tb\t1\t1\tx\n\nq Q0 a 2 1.0 x\nq Q0 c 3 7e0 x\nq Q0 d 4 1e300 x\nq Q0 e 5 1e301 x\n")
    assert [hit.doc_id for hit in read_run(tmp_path / "r").rankings["q"]] == ["e", "d", "c", "b", "a"]


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
        Run("", {}),
        Run("x", {"": (Hit("a", 1.0),)}),
        Run("x", {"q": (Hit("", 1.0),)}),
        Run("x", {"q": (Hit("a", float("nan")),)}),
        Run("x", {"q": (Hit("a", 1e39),)}),
    ],
)
def test_what_six_columns_cannot_say_is_refused_and_nothing_is_written(tmp_path: Path, run: Run) -> None:
    with pytest.raises(InputError):
        write_run(tmp_path / "r", run)
    assert not (tmp_path / "r").exists()


def test_white_space_is_in_per_cent_and_other_names_stand_as_they_are(tmp_path: Path) -> None:
    names = ["my file.txt", "a\u3000b", "100%", "%E4%B8%AD", "a%20b"]
    write_run(tmp_path / "r", Run("x", {"q": tuple(Hit(name, -place) for place, name in enumerate(names))}))
    written = [line.split()[2] for line in (tmp_path / "r").read_text().splitlines()]
    assert written == ["my%20file.txt", "a%E3%80%80b", "100%", "%E4%B8%AD", "a%2520b"]
    assert [hit.doc_id for hit in read_run(tmp_path / "r").rankings["q"]] == names


def test_a_link_is_followed(tmp_path: Path) -> None:
    (tmp_path / "real").touch()
    (tmp_path / "link").symlink_to("real")
    (tmp_path / "dangling").symlink_to("new")
    run = Run("x", {"q": (Hit("a", 1.0),)})
    for link, file in (("link", "real"), ("dangling", "new")):
        write_run(tmp_path / link, run)
        assert (tmp_path / link).is_symlink() and not (tmp_path / file).is_symlink()
        assert read_run(tmp_path / file) == run


def test_a_path_that_no_run_can_be_written_to_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"A run cannot be written to .*: it is a folder\."):
        write_run(tmp_path, Run("x", {}))
    with pytest.raises(InputError, match=r"A run cannot be written to /dev/null: it is no regular file\."):
        write_run(Path("/dev/null"), Run("x", {}))


def test_runs_of_one_name_are_named_for_their_files(tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    ranking = {"q": (Hit("a", 1.0),)}
    for file, name in (("fused.trec", "fused"), ("both.trec", "both"), ("deep.trec", "both"), ("old/both.trec", "both")):
        write_run(tmp_path / file, Run(name, ranking))

    def names(*files: str) -> list[str]:
        return [run.name for run in read_runs([tmp_path / file for file in files])]

    assert names("fused.trec", "both.trec") == ["fused", "both"]
    assert names("both.trec", "deep.trec") == ["both", "deep"]
    assert names("both.trec", "old/both.trec") == [str(tmp_path / "both.trec"), str(tmp_path / "old/both.trec")]
