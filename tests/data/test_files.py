"""Folders of real files: what is read, what is named, what is passed over."""

import os
from pathlib import Path

from bicross.data.files import read_file, read_folder
from bicross.records import Document, Skip


def test_a_mixed_folder(tmp_path: Path) -> None:
    files = {
        "b.txt": b"plain",
        "a/z.md": "# 标题 #\n\ntext".encode(),
        "a.TXT": "utf sixteen".encode("utf-16"),
        "c.txt": "你好，世界。这是一个文件，我们在这里看看它能不能读。".encode("gbk"),
        "page.html": b"<title>T</title><p>Some text that is long enough to be one.</p>",
        "nul.txt": b"a\0b",
        "latin.txt": "déjà vu".encode("latin-1"),
        "empty.md": b" \n",
        "report.pdf": b"%PDF",
        "old.rtf": b"{}",
        "rows.csv": b"id,text",
        "photo.png": b"x",
        "package.json": b"{}",
        ".hidden.txt": b"no",
        ".git/x.txt": b"no",
    }
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(content)
    (tmp_path / "broken.txt").symlink_to(tmp_path / "nowhere")
    os.mkfifo(tmp_path / "pipe.txt")
    found = list(read_folder(tmp_path))
    documents = {item.id: item for item in found if isinstance(item, Document)}
    assert list(documents) == ["a.TXT", "b.txt", "c.txt", "page.html", "a/z.md"]
    assert documents["a/z.md"] == Document("a/z.md", "# 标题 #\n\ntext", "标题")
    assert documents["page.html"] == Document("page.html", "Some text that is long enough to be one.", "T")
    skips = {Path(item.id).name: item.reason for item in found if isinstance(item, Skip)}
    assert sorted(skips) == ["broken.txt", "empty.md", "latin.txt", "nul.txt", "old.rtf", "pipe.txt", "report.pdf", "rows.csv"]
    assert skips["nul.txt"] == "the text holds a NUL character at 1"
    assert skips["latin.txt"] == "not UTF-8 at byte 1; save it as UTF-8"
    assert "a source of its own" in skips["rows.csv"]


def test_a_name_that_is_not_utf8_is_shown_all_the_same(tmp_path: Path) -> None:
    (tmp_path / os.fsdecode(b"\xff.txt")).write_text("text")
    (skip,) = read_folder(tmp_path)
    assert isinstance(skip, Skip)
    assert skip.id.encode().endswith("\ufffd.txt".encode())


def test_the_title_of_markdown_is_its_first_heading_outside_code(tmp_path: Path) -> None:
    path = tmp_path / "a.md"
    for text, title in [
        ("intro\n\n## Second `level` ##\n# First", "Second `level`"),
        ("```sh\n# comment\n```\nReal\n====\n", "Real"),
        ("---\ntitle: front\n---\ntext\n\n# Heading", "Heading"),
        ("#hashtag\n\n---\n", ""),
        ("~~~\n```\n~~~\n# After", "After"),
    ]:
        path.write_text(text)
        (document,) = read_file(path, "a.md")
        assert isinstance(document, Document)
        assert (document.title, document.text) == (title, text)
