"""Word files as they are found."""

import io
import zipfile
from pathlib import Path

import docx
import pytest
from docx.oxml import parse_xml
from docx.oxml.ns import nsdecls

from bicross.data.docx import read
from bicross.data.lines import Malformed
from bicross.data.outline import OUTLINE
from tests.data import office


def test_headings_lists_and_tables(tmp_path: Path) -> None:
    found = read(office.word(tmp_path / "a.docx"))
    assert found.title == "Printer manual"
    assert found.text == (
        "# Cleaning\n\nSwitch the printer off before cleaning; wipe the case with a dry cloth.\n\n# Reset\n\n## Factory reset\n\n"
        "Press and hold the red button for ten seconds until the lamp blinks three times.\n\n- Then release it\n\n"
        "| Lamp | Meaning |\n| red | no paper |"
    )
    assert [entry["heading"] for entry in found.meta[OUTLINE]] == ["Cleaning", "Reset", "Reset › Factory reset"]


def test_changes_are_accepted_and_pages_are_where_word_laid_them_out(tmp_path: Path) -> None:
    file = docx.Document()
    run = '<w:r><w:lastRenderedPageBreak/><w:t xml:space="preserve">Second page. </w:t></w:r>'
    changed = f'<w:ins w:id="1" w:author="a">{run}</w:ins><w:del w:id="2" w:author="a"><w:r><w:delText>gone</w:delText></w:r></w:del>'
    file.add_paragraph("First page.")
    file.element.body.insert(1, parse_xml(f"<w:p {nsdecls('w')}>{changed}</w:p>"))
    file.save(str(tmp_path / "a.docx"))
    found = read(tmp_path / "a.docx")
    assert found.text == "First page.\n\nSecond page."
    assert found.meta[OUTLINE] == [{"start": 0, "page": 1}, {"start": 13, "page": 2}]


def test_what_cannot_be_read_says_why(tmp_path: Path) -> None:
    path = office.word(tmp_path / "a.docx")
    whole = path.read_bytes()
    for content in (whole[:2000], b"", b"no package", _without(whole, "word/document.xml")):
        path.write_bytes(content)
        with pytest.raises(Malformed, match="damaged or cut short"):
            read(path)
    path.write_bytes(bytes.fromhex("d0cf11e0a1b11ae1") + whole)
    with pytest.raises(Malformed, match="without a password"):
        read(path)


def _without(package: bytes, name: str) -> bytes:
    kept = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(package)) as old, zipfile.ZipFile(kept, "w") as new:
        for part in old.namelist():
            if part != name:
                new.writestr(part, old.read(part))
    return kept.getvalue()
