"""Lines that fit, in Chinese and English."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from bicross.judging.wrapping import wrapped


def test_no_line_begins_with_a_mark_that_closes_or_ends_with_one_that_opens() -> None:
    assert wrapped("是否可认定？", 10) == "是否可认\n定？"
    assert wrapped("是否可（一）改", 8) == "是否可\n（一）改"
    assert wrapped("他说：“好。”完", 10) == "他说：\n“好。”完"


def test_words_stay_whole_and_long_ones_are_cut() -> None:
    assert wrapped("reset the printer, now", 9) == "reset the\nprinter,\nnow"
    assert wrapped("请用PDF文件打开", 8) == "请用PDF\n文件打开"
    assert wrapped("x" * 12, 5) == "xxxxx\nxxxxx\nxx"
    assert wrapped("one\n\n two  three", 20) == "one\n\ntwo  three"


@given(st.text(alphabet="ab 中国，。（）“”\n？x\t日本", max_size=60), st.integers(2, 20))
def test_every_line_fits_and_nothing_but_space_is_lost(text: str, width: int) -> None:
    found = wrapped(text, width)
    assert all(cell_len(line) <= width for line in found.splitlines())
    assert "".join(found.split()) == "".join(text.split())


@given(st.text(max_size=60))
def test_any_text_can_be_wrapped(text: str) -> None:
    assert "".join(wrapped(text, 10).split()) == "".join(text.split())
