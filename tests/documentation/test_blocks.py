"""What the pages of how-to have one type runs, in order, with what they take for granted; and how blocks are told and run."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from bicross.cli.main import app
from tests.documentation.blocks import Block, blocks, plain, run
from tests.documentation.world import PAGES, ROOT, filled, prepared

HOW_TO = [
    *("analysis", "calibration", "data_model", "deployment", "documents", "evaluation", "integrations", "judging", "planning", "serving"),
    *("tuning", "reference/python"),
]
RUN = {"console", "bash", "python"}


@pytest.mark.parametrize("page", HOW_TO)
def test_what_a_page_of_how_to_has_one_type_runs(page: str, tmp_path: Path) -> None:
    assert run((ROOT / "docs" / f"{page}.md").read_text("utf-8"), filled(prepared(tmp_path)), slow=False, light=True) == []


@pytest.mark.slow
@pytest.mark.parametrize("page", HOW_TO)
def test_what_a_page_of_how_to_has_one_type_runs_to_its_end(page: str, tmp_path: Path) -> None:
    text = (ROOT / "docs" / f"{page}.md").read_text("utf-8")
    if not any(block.marker == "slow" for block in blocks(text)):
        pytest.skip("nothing on the page is slow, and the quick test has run it all")
    assert run(text, filled(prepared(tmp_path)), slow=True, light=True) == []


def test_no_page_with_something_to_run_is_left_out() -> None:
    pages = [*ROOT.glob("README*.md"), *(ROOT / "docs").rglob("*.md")]
    has = {str(page.relative_to(ROOT)) for page in pages if any(block.language in RUN for block in blocks(page.read_text("utf-8")))}
    assert has == {*PAGES, *(f"docs/{page}.md" for page in HOW_TO)}


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


def test_a_command_that_needs_a_shell_is_told_from_one_that_does_not() -> None:
    assert plain('bicross search notes "漏水; what?" -k 2  # comment') == ["bicross", "search", "notes", "漏水; what?", "-k", "2"]
    assert plain("bicross search c 'a|b' \\\n    --filter '{\"lang\": \"en\"}'") == [
        "bicross",
        "search",
        "c",
        "a|b",
        "--filter",
        '{"lang": "en"}',
    ]
    for command in ("bicross status c --json > out", "bicross status c | head", 'bicross search c "$Q"', "bicross inspect *.md", "curl x"):
        assert plain(command) == []


def test_what_fails_is_told_with_its_line_and_its_words(tmp_path: Path) -> None:
    page = "```console\n$ true\n$ echo lost >&2; exit 3\n```\n```python\nexit(4)\n```\n<!-- exits with 1 -->\n```console\n$ false\n```\n"
    first, second = run(page, tmp_path, slow=False)
    assert first == "line 1: echo lost >&2; exit 3\nexit 3, expected 0: lost\n"
    assert second.startswith("line 5: python block.py\nexit 4, expected 0")


def test_a_script_has_the_names_and_the_key_that_were_set_before_it(tmp_path: Path) -> None:
    (tmp_path / "key.txt").write_text("bcx_1", "utf-8")
    page = '```bash\nA="is $KEY"\n```\n```bash\ntest "$A" = "is bcx_1"\n```\n```bash\ntest "$A" = lost\ntrue\n```\n'
    (wrong,) = run(page, tmp_path, slow=False)
    assert wrong.startswith("line 7: test") and "exit 1, expected 0" in wrong


def typed() -> list[tuple[str, str]]:
    """Every `bicross` command of every page, with its place."""
    pages = [ROOT / "README.md", ROOT / "README.zh.md", *sorted((ROOT / "docs").rglob("*.md"))]
    return [
        (f"{page.relative_to(ROOT)}:{block.line}", part)
        for page in pages
        for block in blocks(page.read_text("utf-8"))
        if block.language == "console"
        for command in block.commands
        for part in re.split(r"\s(?:\||&&|;|>|<)\s", command.replace("\\\n", " "))
        if part.startswith("bicross ")
    ]


def test_every_command_on_every_page_has_the_flags_that_it_is_given() -> None:
    found, wrong = typed(), list[str]()
    for place, command in found:
        words = [word for word in shlex.split(command, comments=True)[1:] if word != "…"]
        at: Any = get_command(app)
        while words and hasattr(at, "commands") and words[0] in at.commands:
            at = at.commands[words.pop(0)]
        flags = {name for option in at.params for name in (*option.opts, *option.secondary_opts)} | {"--help"}
        given = [word.partition("=")[0] for word in words if re.match(r"--?[a-z]", word)]
        wrong += [f"{place}: {flag} in: {command}" for flag in given if flag not in flags]
        wrong += [f"{place}: no command: {command}"] if hasattr(at, "commands") and not set(given) & flags else []
    assert len(found) > 50
    assert not wrong, "\n".join(wrong)
