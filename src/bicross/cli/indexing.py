"""The verbs that read sources, `index` and `inspect`; `main` gives them to the command line."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bicross.cli.options import DeviceFlag, Encoder, IdColumn, Json, Reranker, Source, TextColumn, TitleColumn, Tokens, run_on, settings_of

if TYPE_CHECKING:
    from bicross.results import Round, Watched
    from bicross.settings import IndexSettings

NAMED = 3  # files of a round that are named


def index(
    sources: Source,
    into: Annotated[Path, typer.Option("--into", help="The collection's folder; made if it is not there.")],
    encoder: Encoder = None,
    reranker: Reranker = None,
    passage_tokens: Tokens = None,
    watch: Annotated[bool, typer.Option("--watch", help="Then keep up with what is changed, deleted or renamed, until Ctrl-C.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be read, skipped and spent, as `inspect` does.")] = False,
    id_column: IdColumn = None,
    text_column: TextColumn = None,
    title_column: TitleColumn = None,
    queries: Annotated[
        Path | None, typer.Option(help="Questions like those to come: a large index is tuned and measured with a sample of them.")
    ] = None,
    device: DeviceFlag = None,
    as_json: Json = False,
) -> None:
    """Put documents into a collection: upsert by id; only what changed is embedded. Interrupted, run it again."""
    from bicross import pipeline
    from bicross.cli import show
    from bicross.cli.progress import bar

    run_on(device)
    settings = settings_of(
        "IndexSettings",
        encoder=encoder,
        reranker=reranker,
        passage_tokens=passage_tokens,
        columns={"id": id_column, "text": text_column, "title": title_column},
        queries=queries,
    )
    if dry_run:
        with bar() as progress:
            found = pipeline.inspect(sources, settings, progress)
        show.out(found, as_json, show.inspected)
    elif watch:
        show.out(_followed(sources, into, settings), as_json, _watched)
    else:
        with bar() as progress:
            done = pipeline.index(sources, into, settings, progress)
        show.out(done, as_json, show.indexed)


def inspect(
    sources: Source,
    encoder: Encoder = None,
    passage_tokens: Tokens = None,
    id_column: IdColumn = None,
    text_column: TextColumn = None,
    title_column: TitleColumn = None,
    as_json: Json = False,
) -> None:
    """Say what a source holds, what would be skipped, and the time and disk that `index` would take; changes nothing."""
    from bicross import pipeline
    from bicross.cli import show
    from bicross.cli.progress import bar

    columns = {"id": id_column, "text": text_column, "title": title_column}
    settings = settings_of("IndexSettings", encoder=encoder, passage_tokens=passage_tokens, columns=columns)
    with bar() as progress:
        found = pipeline.inspect(sources, settings, progress)
    show.out(found, as_json, show.inspected)


def _followed(sources: list[Path], into: Path, settings: IndexSettings) -> Watched:
    """Tell each round on stderr until Ctrl-C, or the word of a service manager to end; then what they did together."""
    from bicross import pipeline
    from bicross.cli.progress import bar
    from bicross.cli.show import note
    from bicross.results import Round, Watched

    start, told = time.perf_counter(), list[Round]()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with bar() as progress:
            rounds = pipeline.watch(sources, into, settings, progress)
            told.append(next(rounds))
        note([*_round(told[0]), f"watching {', '.join(map(str, sources))}; Ctrl-C ends it"])
        for one in rounds:
            told.append(one)
            note(_round(one))
    except KeyboardInterrupt:
        print(file=sys.stderr)
    return Watched.of(told, time.perf_counter() - start)


def _round(done: Round) -> Iterator[str]:
    from bicross.cli.show import skips, time_of

    moment = time.strftime("%H:%M:%S")
    if done.waiting:
        yield f"{moment} waiting: {done.waiting}"
        return
    files = f"{_named(done.changed, 'read')}{_named(done.gone, 'gone')}"
    yield f"{moment} {files}{done.written} documents written, {done.deleted} deleted, {done.documents} in all, {time_of(done.seconds)}"
    yield from skips(done.truncated, "truncated")
    yield from skips(done.skipped)


def _named(files: tuple[str, ...], what: str) -> str:
    if not files:
        return ""
    return f"{len(files)} files {what}; " if len(files) > NAMED else f"{', '.join(files)} {what}; "


def _watched(done: Watched) -> Iterable[str]:
    yield f"{done.written} documents written and {done.deleted} deleted in {done.rounds} rounds, {done.documents} in the collection"
