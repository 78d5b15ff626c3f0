"""The verbs of data sets: `data convert`, `data inspect`, `data split`; `main` gives them to the command line."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bicross.cli.options import Json, one_of

if TYPE_CHECKING:
    from bicross.conversion.verbs import Converted, DataInspected, DataSplit

app = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="Data sets of the field: converted, looked at, parted without leaking questions."
)
From = Annotated[
    Path, typer.Argument(metavar="SOURCE", help="A judged set (as `index` takes documents), training rows, mined rows, or a click log.")
]
Asked = Annotated[Path | None, typer.Option("--queries", help="The questions of a judged set, where they lie elsewhere.")]
Known = Annotated[Path | None, typer.Option("--qrels", help="Its judgements, where they lie elsewhere.")]


@app.command()
def convert(
    source: From,
    form: Annotated[
        str,
        typer.Option(
            "--to",
            help="beir, trec, mteb (Parquet); sentence-transformers, flagembedding (rows); ubi, clicks (events).",
            autocompletion=one_of("beir", "trec", "mteb", "sentence-transformers", "flagembedding", "ubi", "clicks"),
        ),
    ],
    into: Annotated[Path, typer.Option("--into", help="A new folder; for rows and events a .jsonl or .parquet file.")],
    queries: Asked = None,
    qrels: Known = None,
    negatives: Annotated[int | None, typer.Option(help="Of a row of sentence-transformers; by default as many as all rows have.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be written and what would not fit; write nothing.")] = False,
    as_json: Json = False,
) -> None:
    """Write a judged set, training rows or a click log in another format; what does not fit is counted."""
    from bicross import pipeline
    from bicross.cli.progress import bar
    from bicross.cli.show import out

    with bar() as progress:
        done = pipeline.convert(source, into, form, queries, qrels, negatives, dry_run, progress)
    out(done, as_json, _converted)


@app.command()
def inspect(
    source: From,
    queries: Asked = None,
    qrels: Known = None,
    against: Annotated[Path | None, typer.Option(help="Other data, or questions, that must share no question with it.")] = None,
    as_json: Json = False,
) -> None:
    """Say what a judged set, training rows or a click log hold, what is wrong with them, and what leaks into other data."""
    from bicross import pipeline
    from bicross.cli.progress import bar
    from bicross.cli.show import out

    with bar() as progress:
        found = pipeline.inspect_data(source, queries, qrels, against, progress)
    out(found, as_json, _inspected)


@app.command()
def split(
    source: From,
    into: Annotated[Path, typer.Option("--into", help="A new folder for train, dev and test.")],
    dev: Annotated[float, typer.Option(help="The share of questions for development.")] = 0.1,
    test: Annotated[float, typer.Option(help="The share of questions for the test.")] = 0.1,
    seed: Annotated[int, typer.Option(help="Decides which questions go where.")] = 0,
    queries: Asked = None,
    qrels: Known = None,
    as_json: Json = False,
) -> None:
    """Part training rows or judgements into train, dev and test; near-duplicate questions stay together."""
    from bicross import pipeline
    from bicross.cli.progress import bar
    from bicross.cli.show import out

    with bar() as progress:
        done = pipeline.split_data(source, into, dev, test, seed, queries, qrels, progress)
    out(done, as_json, _split)


def _converted(done: Converted) -> Iterable[str]:
    from bicross.cli.show import skips, time_of

    yield f"{done.kind} as {done.format}: {', '.join(f'{count} {what}' for what, count in done.counts.items())}"
    yield from (f"  left out: {count} {reason}" for reason, count in done.left_out.items())
    yield f"{time_of(done.seconds)}; {f'written to {done.path}' if done.written else 'a dry run: nothing was written'}"
    yield from skips(done.skipped)


def _inspected(found: DataInspected) -> Iterable[str]:
    from bicross.cli.show import fields, skips

    yield f"{found.kind}: {', '.join(f'{count} {what}' for what, count in found.counts.items())}"
    yield from fields(found.figures)
    yield from (f"problem: {count} {what}" for what, count in found.problems.items())
    yield from (f"shared with the other: {count} {what}" for what, count in found.leakage.items())
    yield from skips(found.skipped)


def _split(done: DataSplit) -> Iterable[str]:
    from bicross.cli.show import skips

    for name, path in done.files.items():
        yield f"{name}: {done.questions[name]} questions, {done.rows[name]} rows, {path}"
    yield from (f"{count} {what}" for what, count in done.leakage.items())
    yield from skips(done.skipped)
