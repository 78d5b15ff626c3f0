"""A folder of what lies in one: one command reads it, and search tells page and heading."""

from __future__ import annotations

from pathlib import Path

from tests.cli.world import PAIR, Run
from tests.data import office

PAGE = """<html><head><title>Support</title></head><body><main><h1>Support</h1><p>{}</p><h2>Returns</h2>
<p>Send the parcel back within thirty days and enclose the invoice in it.</p></main></body></html>""".format(
    "We answer every letter. " * 20
)


def folder(path: Path) -> Path:
    path.mkdir()
    office.chinese_pdf(path / "手册.pdf")
    office.word(path / "manual.docx")
    (path / "support.html").write_text(PAGE, "utf-8")
    (path / "notes.md").write_text("# Notes\n\nSome words.\n\n## Delivery\n\nThe van comes on Tuesday mornings.\n", "utf-8")
    (path / "broken.pdf").write_bytes((path / "手册.pdf").read_bytes()[:700])
    return path


def test_four_are_indexed_with_their_place_and_one_is_named_with_its_reason(tmp_path: Path, run: Run) -> None:
    said = run("index", folder(tmp_path / "files"), "--into", tmp_path / "c", *PAIR, "--passage-tokens", "32", "--json")
    assert (said.code, said.json["documents"]) == (0, 4)
    (skip,) = said.json["skipped"]
    assert skip["id"].endswith("broken.pdf") and "damaged or cut short" in skip["reason"]
    for question, found in {
        "红色按钮": ("手册.pdf", "打印机使用手册", 2, "第二章 重置"),
        "hold the red button ten seconds": ("manual.docx", "Printer manual", None, "Reset › Factory reset"),
        "enclose the invoice in the parcel": ("support.html", "Support", None, "Returns"),
        "the van comes on Tuesday": ("notes.md", "Notes", None, "Delivery"),
    }.items():
        (answer,) = run("search", tmp_path / "c", question, "--stage", "lexical", "--json").json["queries"]
        hit = answer["hits"][0]
        assert (hit["id"], hit["title"], hit["passage"]["page"], hit["passage"]["heading"]) == found
    assert "     page 2, 第二章 重置\n" in run("search", tmp_path / "c", "红色按钮", "--stage", "lexical").out
