"""The verb that makes questions where there are none; `main` gives it to the command line."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bicross.cli.options import IdColumn, Json, TextColumn, TitleColumn, one_of, settings_of

if TYPE_CHECKING:
    from bicross.results import Questions

From = Annotated[Path | None, typer.Option("--queries", help="Of a click log that has query ids alone: their texts.")]
Sources = Annotated[
    list[Path], typer.Argument(metavar="SOURCE...", help="Documents, as `index` takes them; with --from clicks, click logs.")
]
ANSWERS = 3  # of a sample that are named


def questions(
    sources: Sources,
    into: Annotated[Path, typer.Option("--into", help="A new or empty folder: queries.jsonl and qrels/, which `tune` reads.")],
    source: Annotated[
        str,
        typer.Option(
            "--from",
            help="titles (headings, Q: and A: lines, titles), endpoint or clicks.",
            autocompletion=one_of("titles", "endpoint", "clicks"),
        ),
    ] = "titles",
    limit: Annotated[int | None, typer.Option(help="At most so many questions. By default all; of an endpoint 500.")] = None,
    per_document: Annotated[int, typer.Option(help="At most so many questions of a document.")] = 3,
    without_titles: Annotated[
        bool, typer.Option("--without-titles", help="The collection was indexed without titles: make questions of them too.")
    ] = False,
    endpoint: Annotated[
        str, typer.Option(help="An OpenAI-compatible API, such as http://localhost:8000/v1; its key in BICROSS_API_KEY.")
    ] = "",
    model: Annotated[str, typer.Option(help="The model to ask there.")] = "",
    in_flight: Annotated[int, typer.Option(help="Requests to the endpoint at once.")] = 4,
    queries: From = None,
    dev_share: Annotated[float, typer.Option(help="Of a click log's rows, the latest: development questions.")] = 0.2,
    seed: Annotated[int, typer.Option(help="Decides what is drawn.")] = 0,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be made, or what asking would cost; write and ask nothing.")
    ] = False,
    id_column: IdColumn = None,
    text_column: TextColumn = None,
    title_column: TitleColumn = None,
    as_json: Json = False,
) -> None:
    """Make questions to tune on where there are none: out of headings and titles, by an endpoint's model, or of click logs.

    Interrupted, run it again: what an endpoint has answered is not asked again.
    """
    from bicross import pipeline
    from bicross.cli.progress import bar
    from bicross.cli.show import out

    settings = settings_of(
        "QuestionSettings",
        source=source,
        columns={"id": id_column, "text": text_column, "title": title_column},
        titled=not without_titles,
        per_document=per_document,
        limit=limit,
        seed=seed,
        endpoint=endpoint,
        model=model,
        in_flight=in_flight,
        dev_share=dev_share,
    )
    with bar() as progress:
        made = pipeline.questions(sources, into, settings, queries, dry_run, progress)
    out(made, as_json, shown)


def shown(made: Questions) -> Iterable[str]:
    """What was made, a few samples, what was left out, and what to know."""
    from bicross.cli.show import skips, time_of

    if made.cost:
        requests, given, taken = (made.cost[name] for name in ("requests", "input_tokens", "output_tokens"))
        yield f"{requests} requests, about {given} tokens in and {taken} out"
    for part, count in made.questions.items():
        yield f"{part}: {count} questions, {made.answers[part]} answers with a grade"
    for sample in made.samples:
        named = list(sample["answers"].items())
        more = f" and {len(named) - ANSWERS} more" if len(named) > ANSWERS else ""
        yield f"  {sample['text']}  ->  {', '.join(f'{doc} ({grade})' for doc, grade in named[:ANSWERS])}{more}"
    if made.left_out:
        yield "left out:"
        yield from (f"  {count} {reason}" for reason, count in made.left_out.items())
    yield from (f"note: {remark}" for remark in made.remarks)
    yield f"{time_of(made.seconds)}; {'written' if made.written else 'a dry run: nothing was written'}"
    yield from skips(made.skipped)
