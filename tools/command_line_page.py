"""A hook of MkDocs: the page of the command line, out of each command's own help, so that the two cannot differ."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from typer.main import get_command
from typer.testing import CliRunner

PAGE = "reference/command_line.md"
HEAD = """# Command line

Every command takes `--json` (one JSON object on stdout, and nothing else there), exits with 0 when it is done, 2 on bad input and 1 when it
failed, and says what was found, what was expected and what to do next. This page is each command's own `--help`.
"""


def on_files(files: Files, config: MkDocsConfig) -> Files:
    files.append(File.generated(config, PAGE, content=page()))
    return files


def page() -> str:
    from bicross.cli.main import app

    told = [HEAD]
    for words in commands(get_command(app)):
        done = CliRunner().invoke(app, [*words, "--help"], prog_name="bicross", env={"COLUMNS": "100", "NO_COLOR": "1"})
        if done.exit_code:
            raise RuntimeError(f"bicross {' '.join(words)} --help exits with {done.exit_code}: {done.output}")
        told.append(f"{'#' * (1 + len(words))} bicross {' '.join(words)}\n\n```text\n{done.output.strip()}\n```\n")
    return "\n".join(told)


def commands(command: Any, words: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The words of every command below, those of groups before those of their commands."""
    for name, below in getattr(command, "commands", {}).items():
        yield (*words, name)
        yield from commands(below, (*words, name))
