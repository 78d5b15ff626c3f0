"""Arguments and flags that several verbs share, and how flags become settings."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any

import typer

from bicross.errors import InputError, MissingExtra

UNITS = {"": 1.0, "ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
Source = Annotated[
    list[Path],
    typer.Argument(
        help="A folder of documents (text, Markdown, HTML, PDF, Word, mail, source code), JSONL, CSV, TSV, Parquet, Arrow, a BEIR folder, "
        "a saved dataset, or ir_datasets:ID."
    ),
]
AtCollection = Annotated[Path, typer.Argument(metavar="COLLECTION", help="The collection's folder.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout, and nothing else there.")]
IdColumn = Annotated[str | None, typer.Option(help="The column of JSONL or CSV that holds the id.")]
TextColumn = Annotated[str | None, typer.Option(help="The column that holds the text.")]
TitleColumn = Annotated[str | None, typer.Option(help="The column that holds the title.")]
Encoder = Annotated[str | None, typer.Option(help="A bi-encoder: a folder, or a hub's name. By default the one that ships with Bicross.")]
Reranker = Annotated[
    str | None, typer.Option(help="A cross-encoder: a folder, or a hub's name. By default the one that ships with Bicross.")
]
Tokens = Annotated[int | None, typer.Option("--passage-tokens", help="The longest passage, in tokens of the encoder. [default: 256]")]


def one_of(*words: str) -> Callable[[str], list[str]]:
    """What a shell completes a flag's value to."""
    return lambda incomplete: [word for word in words if word.startswith(incomplete)]


DepthFlag = Annotated[str, typer.Option("--depth", help="How many candidates are reranked: auto, 0 for none, or a number.")]
StageFlag = Annotated[
    str,
    typer.Option(
        "--stage", help="both (recall and rerank), lexical, dense or fused.", autocompletion=one_of("both", "lexical", "dense", "fused")
    ),
]
DeviceFlag = Annotated[
    str | None,
    typer.Option("--device", metavar="DEVICE", help="Where models run: auto, cpu, cuda or mps. [default: BICROSS_DEVICE, or auto]"),
]
EstimateFlag = Annotated[
    bool, typer.Option("--dry-run", help="Check what is given, say how much there is to do and in about what time here; write nothing.")
]
Queries = Annotated[
    Path, typer.Option(help="Questions: a JSONL, CSV, TSV or Parquet file, a BEIR folder, a saved dataset, or ir_datasets:ID.")
]
QrelsFlag = Annotated[
    Path,
    typer.Option("--qrels", help="Their known answers: a BEIR table, TREC qrels, JSONL, Parquet, a saved dataset, or ir_datasets:ID."),
]


def settings_of(kind: str, **values: Any) -> Any:
    """A settings object; what is wrong with a value is said in one line."""
    from pydantic import ValidationError

    from bicross import settings

    try:
        return getattr(settings, kind)(**values)
    except ValidationError as error:
        raise InputError(f"A setting is not what it should be: {'; '.join(map(_problem, error.errors()))}.") from error


def _problem(problem: Mapping[str, Any]) -> str:
    """What is wrong with a value, and which was meant, if one of those that are expected is near."""
    found, words = problem["input"], re.findall(r"'([^']+)'", str(problem.get("ctx", {}).get("expected", "")))
    near = get_close_matches(found, words, n=1) if isinstance(found, str) else []
    meant = f"; did you mean {near[0]!r}?" if near else ""
    place = ".".join(map(str, problem["loc"])) or "value"
    return f"{place}: {problem['msg'].removeprefix('Value error, ')} (found {found!r}{meant})"


def run_on(device: str | None) -> None:
    """Have models run there, in processes that this one starts, too. Raises InputError or MissingExtra where they cannot."""
    if device is not None:
        from bicross.models import devices

        os.environ[devices.VARIABLE] = devices.resolved(device)


@contextmanager
def serving_installed() -> Iterator[None]:
    """For an import of what the extra `serve` brings. Raises MissingExtra with the command that installs it."""
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("bicross"):
            raise
        raise MissingExtra(f"Serving needs {error.name}, which is not installed: pip install 'bicross[serve]'") from error


def depth_of(text: str) -> str | int:
    """auto, or a number. Raises InputError."""
    try:
        return text if text == "auto" else int(text)
    except ValueError as error:
        raise InputError(f"--depth is {text!r}; expected auto, or a whole number from 0 (no reranking) to 1000.") from error


def duration(text: str, flag: str) -> float:
    """Seconds of 50ms, 90s, 30m, 2h or a plain number of seconds. Raises InputError, naming the flag."""
    found = re.fullmatch(r"([0-9]{1,9}(?:\.[0-9]+)?)\s*(ms|[smh]?)", text.strip().lower())
    if found is None:
        raise InputError(f"{flag} is {text!r}; expected a time such as 50ms, 90s, 30m or 2h.")
    return float(found[1]) * UNITS[found[2]]
