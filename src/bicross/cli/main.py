"""`bicross`: every verb, one contract. `--json` prints one object on stdout; exit code 0 is success, 2 what the message tells how to mend.

Only what the asked command needs is imported, so that `bicross --help` is fast.
"""

from __future__ import annotations

import atexit
import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from bicross import __version__
from bicross.cli import (
    analysis,
    answering,
    calibration,
    data,
    doctor,
    evaluation,
    indexing,
    judging,
    keys,
    mcp,
    planning,
    quantizing,
    questions,
    serving,
    tuning,
)
from bicross.cli.options import (
    AtCollection,
    DepthFlag,
    DeviceFlag,
    Json,
    StageFlag,
    depth_of,
    duration,
    run_on,
    settings_of,
)
from bicross.errors import BicrossError, InputError

INTERRUPTED = 130  # the exit code that typer makes of Ctrl-C
app = typer.Typer(
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Recall with a bi-encoder, rerank with a cross-encoder, measured on your own documents. Chinese and English.",
)
models_app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="The models: the pair that ships with Bicross, and any folder.")
app.add_typer(models_app, name="models")


def _say_version(asked: bool) -> None:
    if asked:
        typer.echo(f"bicross {__version__}")
        raise typer.Exit


@app.callback()
def common(
    version: Annotated[bool, typer.Option("--version", callback=_say_version, is_eager=True, help="Print the version.")] = False,
) -> None:
    """Flags that belong to no verb."""


app.command()(indexing.index)
app.command()(indexing.inspect)


@app.command()
def search(
    collection: AtCollection,
    questions: Annotated[list[str], typer.Argument(metavar="QUESTION...", help="One or more questions, each in quotes.")],
    k: Annotated[int, typer.Option("-k", help="How many hits.")] = 10,
    depth: DepthFlag = "auto",
    stage: StageFlag = "both",
    min_probability: Annotated[
        float | None, typer.Option(help="Leave out hits that are less probably relevant; `bicross calibrate` finds a threshold.")
    ] = None,
    where: Annotated[
        str | None,
        typer.Option("--filter", metavar="JSON", help="""Search among documents with such other columns: '{"lang": "zh"}'."""),
    ] = None,
    deadline: Annotated[
        str | None, typer.Option(metavar="TIME", help="Answer within such as 50ms, with the best order known by then.")
    ] = None,
    device: DeviceFlag = None,
    as_json: Json = False,
) -> None:
    """Answer questions: recall by words and by meaning, then rerank the best candidates."""
    from bicross import filters, pipeline
    from bicross.cli import show

    run_on(device)
    due = None if deadline is None else duration(deadline, "--deadline")
    settings = settings_of("SearchSettings", k=k, depth=depth_of(depth), stage=stage, min_probability=min_probability, deadline=due)
    chosen = None if where is None else filters.parse(where)
    show.out(pipeline.search(collection, questions, settings, chosen), as_json, show.answered)


@app.command()
def delete(
    collection: AtCollection,
    ids: Annotated[list[str], typer.Argument(metavar="ID...", help="Ids of documents.")],
    as_json: Json = False,
) -> None:
    """Remove documents by id, with their passages and vectors."""
    from bicross import pipeline
    from bicross.cli import show

    show.out(pipeline.delete(collection, ids), as_json, show.deleted)


@app.command()
def reembed(
    collection: AtCollection,
    encoder: Annotated[str, typer.Option(help="The bi-encoder to move to: a folder, or a hub's name.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be embedded, and in what time; change nothing.")] = False,
    as_json: Json = False,
) -> None:
    """Move a collection into another encoder's space: filled beside the old one, then swapped at once. Interrupted, run it again."""
    from bicross import pipeline
    from bicross.cli import show
    from bicross.cli.progress import bar

    if dry_run:
        show.out(pipeline.foreseen(collection, encoder), as_json, show.foreseen)
        return
    with bar() as progress:
        done = pipeline.reembed(collection, encoder, progress)
    show.out(done, as_json, show.indexed)


@app.command()
def rollback(collection: AtCollection, as_json: Json = False) -> None:
    """Go back to the models, weights and vectors of before the last change, at once; again, and it goes one change further back."""
    from bicross import pipeline
    from bicross.cli import show
    from bicross.cli.progress import bar

    with bar() as progress:
        done = pipeline.rollback(collection, progress)
    show.out(done, as_json, show.rolled_back)


@app.command()
def status(collection: AtCollection, as_json: Json = False) -> None:
    """Say what a collection holds, which index is used and why, and what was not finished."""
    from bicross import pipeline
    from bicross.cli import show

    show.out(pipeline.status(collection), as_json, show.status)


@app.command()
def verify(collection: AtCollection, as_json: Json = False) -> None:
    """Check every row and file of a collection against its checksum; exit code 1 if anything is not what was written."""
    from bicross import pipeline
    from bicross.cli import show

    found = pipeline.verify(collection)
    show.out(found, as_json, show.verified)
    if found.problems:
        raise typer.Exit(1)


@models_app.command("list")
def models_list(as_json: Json = False) -> None:
    """The models that ship with Bicross."""
    from bicross import pipeline
    from bicross.cli import show

    show.out(pipeline.models_list(), as_json, show.models)


@models_app.command("show")
def models_show(
    name: Annotated[str, typer.Argument(help="encoder, reranker, a folder, or a hub's name.")],
    as_json: Json = False,
) -> None:
    """What a model is and where its folder lies, which plain sentence-transformers can load too."""
    from bicross import pipeline
    from bicross.cli import show

    show.out(pipeline.models_show(name), as_json, show.fields)


@app.command()
def push(
    model: Annotated[str, typer.Argument(help="A model's folder, or its name.")],
    name: Annotated[str, typer.Argument(metavar="OWNER/MODEL", help="What it is called on the hub.")],
    private: Annotated[bool, typer.Option("--private", help="Only its owner sees it, if it is new there.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be sent.")] = False,
    as_json: Json = False,
) -> None:
    """Send a model with its card to a hub, without the digests of the questions that trained it."""
    from bicross import pipeline
    from bicross.cli import show

    show.out(pipeline.push(model, name, private, dry_run), as_json, lambda done: show.fields(asdict(done)))


@app.command()
def export(
    source: Annotated[str, typer.Argument(help="A collection's or a model's folder, or a model's name.")],
    into: Annotated[Path, typer.Option("--into", help="The new folder.")],
    form: Annotated[
        str | None, typer.Option("--format", help="Of a collection npy or parquet, of a model openvino or onnx. [default: the first]")
    ] = None,
    as_json: Json = False,
) -> None:
    """A collection's vectors with their ids; or a model of any family converted, to run without torch, its drift measured."""
    from bicross import pipeline
    from bicross.cli import show

    show.out(pipeline.export(source, into, form), as_json, lambda done: show.fields(asdict(done)))


app.command()(questions.questions)
for looking in (analysis.cluster, analysis.duplicates, analysis.pairs, answering.faq, answering.classify, answering.similarity):
    app.command()(looking)
app.command()(doctor.doctor)
app.command()(serving.serve)
app.command()(mcp.mcp)
app.command()(judging.check)
app.command()(judging.judge)
app.command()(evaluation.evaluate)
app.command()(evaluation.compare)
app.command()(calibration.calibrate)
app.command()(planning.plan)
app.command()(quantizing.quantize)
for verb in (tuning.tune, tuning.split, tuning.mine, tuning.distill, tuning.mix, tuning.weigh):
    app.command()(verb)
app.add_typer(tuning.train_app, name="train")
app.add_typer(keys.app, name="keys")
app.add_typer(data.app, name="data")


def _check_arguments() -> None:
    for argument in sys.argv:
        if any("\udc80" <= character <= "\udcff" for character in argument):  # how Python holds bytes that are not UTF-8
            raise InputError(f"The argument {argument!a} is not UTF-8; rename the file, or change the terminal's encoding.")


def main() -> None:
    """The command line in this process: our errors become one line on stderr and their exit code."""
    try:
        _check_arguments()
        app()
    except BicrossError as error:
        from bicross.cli.plain import printable  # the message may quote a file

        print(f"bicross: {printable(str(error))}", file=sys.stderr)
        sys.exit(2)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(1)
    except SystemExit as end:
        if end.code == INTERRUPTED:
            print("bicross: interrupted; what was committed is kept. Run the same command again to go on.", file=sys.stderr)
        raise


def script() -> None:
    """The console script: `main`, and where that succeeds the end of the process at once. All is finished and on the disk then, and to take
    models and the interpreter apart would take a fifth of a second, on a busy machine seconds."""
    try:
        main()
    except SystemExit as end:
        if end.code:
            raise
    atexit._run_exitfuncs()  # temporary folders go, logs are written out
    for stream in filter(None, (sys.stdout, sys.stderr)):
        stream.flush()
    os._exit(0)


if __name__ == "__main__":
    script()
