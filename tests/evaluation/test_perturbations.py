"""Questions in other words, as a person would have typed them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bicross.evaluation.perturbations import PERTURBATIONS, other_case, other_width, plain, typo, unpunctuated


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("What is the difference between a cat and the dog?", "difference between cat and dog?"),
        ("Could you please tell me how do I reset it?", "how reset it?"),
        ("Hello, I'd like to know who may not drive", "who may not drive"),
        ("can I drive without a licence", "can I drive without licence"),
        ("请问个体工商户是什么？", "个体工商户 ？"),
        ("你好，我想咨询一下离婚后孩子归谁呢？", "离婚后孩子归谁 ？"),
        ("什么是破产重整", "破产重整"),
        ("公司可以不给加班费吗？谢谢！", "公司可以不给加班费？"),
        ("咨询公司如何注册", "咨询公司如何注册"),  # a consultancy
        ("心理咨询多少钱", "心理咨询多少钱"),
        ("附近有没有酒吧？", "附近有没有酒吧？"),  # a bar
        ("谁可以成为个体工商户？", "谁可以成为个体工商户？"),
    ],
)
def test_politeness_and_frames_go_and_meaning_stays(asked: str, said: str) -> None:
    assert plain(asked).replace(" ？", "？") == said.replace(" ？", "？")


def test_marks_inside_words_and_numbers_stay() -> None:
    assert unpunctuated('don\'t use version 3.5, "the old one" (A/B)!') == "don't use version 3.5 the old one A/B"
    assert unpunctuated("去世，能否收回《承包地》？") == "去世 能否收回 承包地"


def test_width_goes_the_other_way() -> None:
    assert other_width("ＡＢＣ１２３？") == "ABC123?"
    assert other_width("什么是PDF?") == "什么是ＰＤＦ？"
    assert other_width("what is PDF?") == "what is PDF?"


def test_case_goes_the_other_way() -> None:
    assert (other_case("What is PDF"), other_case("what is"), other_case("什么")) == ("what is pdf", "WHAT IS", "什么")


def test_a_typo_exchanges_two_neighbours_once() -> None:
    text = "谁可以成为 shareholders in 2024"
    found = {typo(text, seed) for seed in range(50)}
    assert len(found) > 5 and text not in found
    for one in found:
        changed = [place for place, (old, new) in enumerate(zip(text, one, strict=True)) if old != new]
        assert len(changed) == 2 and changed[1] == changed[0] + 1
        assert text[changed[0]] == one[changed[1]] and text[changed[1]] == one[changed[0]]
        assert one[6] == "s" and one.endswith("2024")  # the first letter of a word and numbers stay
    assert typo(text, 1) == typo(text, 1)
    assert (typo("3.14", 0), typo("aaaa", 0), typo("", 0)) == ("3.14", "aaaa", "")


@given(st.text(max_size=40), st.integers(0, 5))
def test_any_text_can_be_changed(text: str, seed: int) -> None:
    for change in PERTURBATIONS.values():
        assert isinstance(change(text, seed), str)
    assert sorted(typo(text, seed)) == sorted(text)
