"""How many documents a source may hold."""

from pathlib import Path

from bicross.data.counting import count_documents
from bicross.data.sources import read_documents
from bicross.records import Document


def test_of_a_folder_only_what_is_read_is_counted(tmp_path: Path) -> None:
    for name in ("a.txt", "b/c.MD", "b/d.html", "e.rtf", "rows.jsonl", "table.csv", ".hidden/f.txt", ".g.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("# words\n\nIn three\n\nlines of text.\n")
    assert count_documents([tmp_path]) == sum(isinstance(item, Document) for item in read_documents([tmp_path])) == 3


def test_rows_are_counted_by_lines_and_what_cannot_be_read_is_none(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text("{}\n{}\n")
    (tmp_path / "beir").mkdir()
    (tmp_path / "beir" / "corpus.jsonl").write_text("{}\n{}\n{}\n")
    assert count_documents([tmp_path / "rows.jsonl", tmp_path / "beir"]) == 5
    for name in ("none.jsonl", "none.txt", "none", "rows.jsonl/below.txt", "x" * 300):
        assert count_documents([tmp_path / name]) == 0
