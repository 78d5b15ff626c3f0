"""Every example runs, and prints what it claims."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"
CHECKED = {"demo"}  # `make demo` runs it, on all of both sets


def shown(name: str, capsys: pytest.CaptureFixture[str]) -> str:
    """What an example prints."""
    runpy.run_path(str(EXAMPLES / f"{name}.py"), run_name="__main__")
    return capsys.readouterr().out


def numbers(line: str) -> list[float]:
    return [float(found) for found in re.findall(r"[-+]?\d+\.\d+", line)]


def row(out: str, start: str) -> list[float]:
    """The numbers of the line that starts so."""
    return numbers(next(line for line in out.splitlines() if line.startswith(start)))


def test_a_sentence_transformer_agrees_with_people_more_than_any_pooling_of_a_plain_one(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("torch")
    out = shown("pooling", capsys)
    trained = row(out, "sentence transformer")
    for way in ("CLS", "mean", "max"):
        assert row(out, f"plain transformer, {way}")[-1] < trained[-1]
    assert trained[0] > trained[1] > trained[2]


def test_four_sentences_are_four_encodings_and_six_pairs(capsys: pytest.CaptureFixture[str]) -> None:
    out = shown("four_sentences", capsys)
    cosines = {line[:3]: numbers(line)[0] for line in out.splitlines() if re.match(r"\d-\d ", line)}
    assert len(cosines) == 6
    assert set(sorted(cosines, key=cosines.__getitem__)[-2:]) == {"1-2", "3-4"}
    assert "bi-encoder: 4 encodings; cross-encoder: 6 pairs read" in out


def test_the_faq_defines_ai_in_both_languages_and_knows_what_it_does_not_know(capsys: pytest.CaptureFixture[str]) -> None:
    first, second, third, last = shown("faq", capsys).strip().split("\n\n")
    assert "Artificial intelligence is" in first and "Artificial intelligence is" in second and "Forgot password" in third
    assert "I do not know." in last


def test_a_cat_on_a_mat_is_nearest_to_a_cat_on_a_mat(capsys: pytest.CaptureFixture[str]) -> None:
    found = [numbers(line) for line in shown("cats_on_mats", capsys).splitlines()[2:]]
    assert found[0] == [max(column) for column in zip(*found, strict=True)]
    assert found[3][0] == min(cosine for cosine, _ in found)


def test_the_cross_encoder_finds_how_many_people_live_in_berlin(capsys: pytest.CaptureFixture[str]) -> None:
    lines = shown("berlin", capsys).splitlines()
    assert "3,520,031" in lines[2]
    cosine, score = (numbers(lines[2])[column] - numbers(lines[3])[column] for column in (0, 1))
    assert score > cosine > 0


def test_twenty_five_hits_of_a_long_text_are_reranked(capsys: pytest.CaptureFixture[str]) -> None:
    out = shown("two_stage", capsys)
    assert "25 hits reranked" in out
    assert "Peyton Manning" in out.partition("after reranking")[2].partition("  2. ")[0]


@pytest.mark.filterwarnings("ignore:`langchain-community` is being sunset:DeprecationWarning")
def test_langchain_recalls_twenty_and_keeps_three(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("langchain_community")
    pytest.importorskip("langchain_classic")
    out = shown("langchain_faiss", capsys)
    assert "40 documents, 20 recalled, 3 kept" in out
    assert "Lady Gaga" in out.partition("Document 1 ")[2].partition("Document 2 ")[0]


def test_law_and_medicine_are_found_in_the_words_of_laymen(capsys: pytest.CaptureFixture[str]) -> None:
    *_, last = shown("law_and_medicine", capsys).splitlines()
    lexical, dense, both = (int(found) for found in re.findall(r"(?:lexical|dense|both) (\d+)", last))
    assert both >= 6 and dense >= 6 > lexical


def test_sagemaker_gets_the_answers_that_it_expects(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("fastapi")
    out = shown("sagemaker", capsys)
    assert out.count("-> 200") == 4 and "SIGTERM -> exit 0" in out
    assert out.index('"reset"') > 0


def test_two_lines_on_war_are_near_or_far_as_one_has_it(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("torch")
    out = shown("war_verse", capsys)
    (before,), (theme,), (sentiment,) = (row(out, name) for name in ("before tuning", "tuned by theme", "tuned by sentiment"))
    assert theme > before > sentiment + 0.05


def test_hard_negatives_teach_what_random_ones_do_not(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("torch")
    out = shown("hard_negatives", capsys)
    before, chance, hard = (row(out, name) for name in ("before", "random negatives", "hard negatives"))
    assert hard[0] > max(before[0], chance[0]) + 0.1 and hard[1] > max(before[1], chance[1]) + 0.1


def test_a_student_agrees_with_its_teacher_more_than_the_bi_encoder_does(capsys: pytest.CaptureFixture[str]) -> None:
    out = shown("teacher_student", capsys)
    assert row(out, "student") > row(out, "bi-encoder")


def test_no_example_is_left_out() -> None:
    tested = set(re.findall(r'shown\("(\w+)"', Path(__file__).read_text("utf-8")))
    assert {path.stem for path in EXAMPLES.glob("*.py")} - CHECKED == tested
