"""What README and tutorials have one type runs, in order, in a folder that has the repository's docs/ and examples/."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.documentation.blocks import Block, blocks, run

ROOT = Path(__file__).parents[2]
PAGES = ["README.md", "README.zh.md", "docs/tutorial.md", "docs/tutorial.zh.md"]


def prepared(folder: Path) -> Path:
    for name in ("docs", "examples"):
        shutil.copytree(ROOT / name, folder / name)
    return folder


@pytest.mark.parametrize("page", PAGES)
def test_what_a_page_has_one_type_runs(page: str, tmp_path: Path) -> None:
    assert run((ROOT / page).read_text("utf-8"), prepared(tmp_path), slow=False) == []


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES)
def test_what_a_page_has_one_type_runs_to_its_end(page: str, tmp_path: Path) -> None:
    text = (ROOT / page).read_text("utf-8")
    if not any(block.marker == "slow" for block in blocks(text)):
        pytest.skip("nothing on the page is slow, and the quick test has run it all")
    assert run(text, prepared(tmp_path), slow=True) == []


def test_blocks_have_their_commands_whole_and_their_markers() -> None:
    page = """
Text.

<!-- not run: no cluster here -->

```console
$ one
printed
$ two \\
    --flag
$ cat > notes.txt <<'END'
$ no command
END
```

```python
print(1)
```

<!-- exits with 2 -->
```console
$ bicross search nowhere "?"
```

```json
{}
```
"""
    found = blocks(page)
    assert [block.language for block in found] == ["console", "python", "console", "json"]
    assert found[0] == Block("console", found[0].text, 6, "not run: no cluster here")
    assert found[0].commands == ["one", "two \\\n    --flag", "cat > notes.txt <<'END'\n$ no command\nEND"]
    assert found[1].marker == "" and found[2].status == 2


def test_what_fails_is_told_with_its_line_and_its_words(tmp_path: Path) -> None:
    page = "```console\n$ true\n$ echo lost >&2; exit 3\n```\n```python\nexit(4)\n```\n<!-- exits with 1 -->\n```console\n$ false\n```\n"
    first, second = run(page, tmp_path, slow=False)
    assert first == "line 1: echo lost >&2; exit 3\nexit 3, expected 0: lost\n"
    assert second.startswith("line 5: python block.py\nexit 4, expected 0")
