"""The verbs that make better models; `main` gives them to the command line."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

from bicross.cli.options import AtCollection, Json, QrelsFlag, Queries, settings_of
from bicross.errors import InputError

UNITS = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0}
Dev = Annotated[Path | None, typer.Option(help="Qrels of development questions, which only measure. By default a fifth is held out.")]
Budget = Annotated[str | None, typer.Option(help="How long it may take, as 90s, 30m or 2h; the plan is made to fit.")]
Rounds = Annotated[int | None, typer.Option(help="How often it mines anew with its own models. By default what the budget allows.")]
KeptDepth = Annotated[int | None, typer.Option(help="Candidates that are reranked, measured and kept. By default as in the collection.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Measure this machine, print the plan with its estimates, and stop.")]
Seed = Annotated[int, typer.Option(help="Same seed, data and number of threads: same bytes.")]


def tune(
    collection: AtCollection,
    queries: Queries,
    qrels: QrelsFlag,
    dev: Dev = None,
    budget: Budget = None,
    rounds: Rounds = None,
    depth: KeptDepth = None,
    seed: Seed = 0,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Train both models on your questions: mine, denoise, train, distil, measure; promote only what is proven better.

    Interrupted, run it again: it goes on where it was.
    """
    from bicross import pipeline
    from bicross.cli import show_tuning
    from bicross.cli.progress import bar
    from bicross.cli.show import out

    settings = settings_of("TuneSettings", budget=None if budget is None else duration(budget), rounds=rounds, depth=depth, seed=seed)
    with bar() as progress:
        found = pipeline.tune(collection, queries, qrels, dev, settings, dry_run, progress)
    out(found, as_json, show_tuning.tuned)


def duration(text: str) -> float:
    """Seconds of 90s, 30m, 2h or a plain number of seconds. Raises InputError."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([smh]?)", text.strip().lower())
    if found is None:
        raise InputError(f"--budget is {text!r}; expected a time such as 90s, 30m or 2h.")
    return float(found[1]) * UNITS[found[2]]
