"""A reader that dies, hangs or fails costs one file."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from bicross.data import apart
from bicross.data.apart import Apart
from bicross.data.lines import Malformed
from tests.data import office

HARMFUL = """
import os, time
from pathlib import Path
from bicross.data import apart

def read(path):
    text = path.read_text()
    if text == "crash": os.abort()
    if text == "hang": time.sleep(60)
    if text == "noise": print("noise")
    if text == "memory": raise MemoryError
    raise ValueError("unforeseen")

apart.READERS[".pdf"] = read
apart.serve()
"""


@pytest.fixture
def harmful(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apart, "_COMMAND", (sys.executable, "-c", HARMFUL))


@pytest.mark.parametrize(
    ("text", "reason"),
    [("crash", "crashed"), ("hang", "longer than 2 s"), ("memory", "too much memory"), ("noise", r"failed \(ValueError: unforeseen\)")],
)
@pytest.mark.usefixtures("harmful")
def test_a_file_that_does_harm_costs_itself_alone(tmp_path: Path, text: str, reason: str) -> None:
    (tmp_path / "a.pdf").write_text(text)
    (tmp_path / "b.pdf").write_text("other")
    with Apart(seconds=2) as reader:
        with pytest.raises(Malformed, match=reason):
            reader.read(tmp_path / "a.pdf")
        with pytest.raises(Malformed, match="unforeseen"):
            reader.read(tmp_path / "b.pdf")


def test_any_name_can_be_read_and_what_the_system_says_is_told(tmp_path: Path) -> None:
    with Apart() as reader:
        odd = office.english_pdf(tmp_path / "a\nb.pdf").rename(tmp_path / os.fsdecode(b"\xff\n.pdf"))
        assert reader.read(odd).text.startswith("# Charging")
        with pytest.raises(FileNotFoundError):
            reader.read(tmp_path / "none.pdf")


def test_a_sparse_file_that_is_too_large_is_refused_before_it_is_read(tmp_path: Path) -> None:
    with (tmp_path / "huge.pdf").open("wb") as file:
        file.truncate(apart.LARGEST + 1)
    with Apart() as reader, pytest.raises(Malformed, match="at most 1 GB are read; split the document"):
        reader.read(tmp_path / "huge.pdf")


def test_the_command_line_loads_no_reader() -> None:
    loaded = (
        "import sys, bicross.data.files; print(sorted(m for m in ('docx', 'pypdfium2', 'tree_sitter', 'trafilatura') if m in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", loaded], capture_output=True, text=True, check=True).stdout == "[]\n"
