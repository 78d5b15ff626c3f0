"""PDF files as they are found: Chinese ones, hyphens, running heads, scans, damage."""

from pathlib import Path

import pytest

from bicross.data.files import read_file
from bicross.data.lines import Malformed
from bicross.data.outline import OUTLINE, placed
from bicross.data.pdf import read_pdf
from bicross.data.pdf_text import read
from bicross.records import Document, Passage, Skip
from tests.data import office


def test_a_chinese_pdf_is_running_text_with_pages_and_headings(tmp_path: Path) -> None:
    found = read(office.chinese_pdf(tmp_path / "a.pdf"))
    assert found.title == "打印机使用手册"
    assert found.text == f"# 第一章 清洁\n\n{office.CLEANING}\n\n# 第二章 重置\n\n{office.RESET}\n\n# 第三章 保修\n\n{office.WARRANTY}"
    for number, (heading, text) in enumerate((("第一章 清洁", "酒精"), ("第二章 重置", "红色"), ("第三章 保修", "两年")), start=1):
        at = found.text.index(text)
        passage = placed(Passage("a#0", "a", at, at + 2, text), found.meta)
        assert (passage.page, passage.heading) == (number, heading)


def test_bookmarks_hyphens_and_a_sentence_over_two_pages(tmp_path: Path) -> None:
    found = read(office.english_pdf(tmp_path / "a.pdf"))
    whole = (
        "Before the first use the accumulator has to be charged for four hours; it must not be left in the sun while it is being charged."
    )
    assert found.text == f"# Charging\n\n{whole}"
    second = found.text.index("while")
    assert found.meta[OUTLINE] == [
        {"start": 0, "page": 1, "heading": "Charging"},
        {"start": second, "page": 2, "heading": "Charging › Care"},
    ]


def test_what_cannot_be_read_says_why(tmp_path: Path) -> None:
    whole = office.chinese_pdf(tmp_path / "whole.pdf").read_bytes()
    for name, content in (("cut", whole[:900]), ("empty", b""), ("other", b"PK\3\4 no PDF")):
        (tmp_path / f"{name}.pdf").write_bytes(content)
        with pytest.raises(Malformed, match="damaged or cut short"):
            read_pdf(tmp_path / f"{name}.pdf")
    with pytest.raises(Malformed, match="encrypted; save it without a password"):
        read_pdf(office.encrypted_pdf(tmp_path / "secret.pdf"))
    with pytest.raises(Malformed, match=r"no text: its pages are pictures \(a scan\).*ocrmypdf"):
        read_pdf(office.scanned_pdf(tmp_path / "scan.pdf"))


def test_pages_that_are_pictures_among_others_are_named(tmp_path: Path) -> None:
    document, skip = read_file(office.scanned_pdf(tmp_path / "mixed.pdf", written=True), "mixed.pdf")
    assert isinstance(document, Document) and document.text == "The first page is text."
    assert isinstance(skip, Skip) and "pages without text, which are pictures: 2" in skip.reason
