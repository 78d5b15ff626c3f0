"""The verbs for those who have no judgements yet, `check` and `judge`; `main` gives them to the command line."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bicross.cli.options import AtCollection, Json, Queries, settings_of

if TYPE_CHECKING:
    from bicross.checking import Checked
    from bicross.evaluation.averages import Mean
    from bicross.evaluation.stability import Variant
    from bicross.judging.session import Session
    from bicross.judging_session import Judged

Seed = Annotated[int, typer.Option(help="Decides what is drawn.")]
WORDS = 60  # characters of a question that are shown in a list


def check(
    collection: AtCollection,
    queries: Queries,
    sample: Annotated[int, typer.Option(help="Questions that are asked, drawn at random, if there are more.")] = 100,
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Check search without judgements: how far its stages agree, and whether a question in other words finds the same."""
    from bicross import pipeline
    from bicross.cli.progress import bar
    from bicross.cli.show import out

    settings = settings_of("CheckSettings", sample=sample, seed=seed)
    with bar() as progress:
        found = pipeline.check(collection, queries, settings, progress)
    out(found, as_json, checked)


def judge(
    collection: AtCollection,
    queries: Queries,
    into: Annotated[Path, typer.Option("--into", help="The table of judgements to write, TSV: `evaluate`, `weigh` and `tune` read it.")],
    pairs: Annotated[int, typer.Option(help="Pairs in all; more than last time draws more.")] = 200,
    per_question: Annotated[int, typer.Option(help="Pairs of each question.")] = 5,
    web: Annotated[bool, typer.Option("--web", help="Judge on a web page, served to this machine alone.")] = False,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Of the page; 0 takes a free one.")] = 0,
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Judge the pairs of question and document that tell most about your search. Stop at any moment, run it again to go on.

    Keys: 0 to 3 (or n and y) grade, space skips, u takes back, q ends. Keys may come from a pipe.
    """
    from bicross import pipeline
    from bicross.cli.progress import bar
    from bicross.cli.show import out

    settings = settings_of("JudgeSettings", pairs=pairs, per_question=per_question, seed=seed)
    with ExitStack() as drawing:
        progress = drawing.enter_context(bar())

        def ask(session: Session) -> None:
            drawing.close()  # the bar would draw over the pairs
            if web:
                _ask_on_page(session, port)
            else:
                _ask_here(session)

        found = pipeline.judge(collection, queries, into, settings, ask, progress)
    out(found, as_json, judged)


def _ask_here(session: Session) -> None:
    from rich.console import Console

    from bicross.cli.plain import printable
    from bicross.judging.keys import pressed
    from bicross.judging.terminal import ask

    with pressed(sys.stdin or io.StringIO()) as keys:
        ask(session, keys, Console(stderr=True, highlight=False), printable)


def _ask_on_page(session: Session, port: int) -> None:
    from bicross.cli.show import note
    from bicross.judging.web import serve

    serve(session, port, lambda address: note([f"Open {address}", "It ends with q on the page, or Ctrl-C here."]))


def checked(found: Checked) -> Iterable[str]:
    """What `check` found, and beside each number what it says."""
    from bicross.cli.show import skips, time_of, truncated

    yield f"{found.asked} of {found.questions} questions asked; each number is a mean over questions, with its 95 % interval"
    yield "\nHow alike the stages rank"
    yield f"  {'':<22}{'overlap of the first 10':<25}{'rank-biased overlap':<25}{'same first hit':<25}questions"
    for row in found.stages:
        numbers = "".join(f"{_number(mean):<25}" for mean in (row.overlap, row.rank_biased, row.same_first))
        yield f"  {f'{row.a}, {row.b}':<22}{numbers}{row.overlap.questions}"
    yield from _meanings(found, "overlap", "rank_biased")
    if found.reranker:
        moved = found.reranker
        middle, high, last = (f"{moved.first_from[name]:g}" for name in ("p50", "p95", "max"))
        yield f"\nWhat the reranker moves, over {moved.entered.questions} questions, of {moved.depth} candidates each"
        yield f"  of the first 10, from below the first 10 of recall     {_number(moved.entered)}"
        yield f"  ranks that one of the first 10 has moved               {_number(moved.places)}"
        yield f"  rank in recall of the first hit: median, 95 %, last    {middle}, {high}, {last}"
        yield f"  first hit from the last fifth of the candidates        {_number(moved.edge)}"
        yield from _meanings(found, "movement")
    yield "\nWhat stays of the first 10 when a question is typed differently"
    yield f"  {'':<22}{'kept':<25}{'same first hit':<25}questions"
    for kind in found.stability:
        yield f"  {kind.kind:<22}{_number(kind.kept):<25}{_number(kind.same_first):<25}{kind.kept.questions}"
    yield from _meanings(found, "stability", "near-duplicates")
    if found.least_stable:
        yield "\nThe least stable questions over all changes, each with the change that hurts it most"
    yield from _named(found.least_stable)
    if found.near_duplicates:
        yield "\nThe near-duplicates that share least"
    yield from _named(found.near_duplicates)
    yield time_of(found.seconds)
    yield from truncated(found.truncated)
    yield from skips(found.skipped)


def judged(found: Judged) -> Iterable[str]:
    """What was judged, and what that proves."""
    from bicross.cli.show import skips, truncated

    counts = found.counts
    grades = ", ".join(f"{count} of grade {grade}" for grade, count in found.grades.items())
    yield f"{counts['judged']} of {counts['pairs']} pairs judged" + (f": {grades}" if grades else "")
    if counts["skipped"] or counts["gone"]:
        yield f"{counts['skipped']} skipped, {counts['gone']} gone or changed in the collection; their questions do not count below"
    if found.stages:
        yield f"DCG@10 estimated over {found.complete} questions (1: a perfect document at the first rank)"
    for stage, mean in found.stages.items():
        yield f"  {stage:<10} {_number(mean)}"
    yield found.verdict
    if counts["left"]:
        yield f"{counts['left']} pairs are left; run the same command to go on"
    yield f"judgements in {found.qrels}, the session in {found.session}"
    yield from truncated(found.truncated)
    yield from skips(found.skipped)


def _number(mean: Mean) -> str:
    low, high = mean.confidence
    return f"{mean.mean:.3f} [{low:.3f}, {high:.3f}]"


def _meanings(found: Checked, *names: str) -> Iterable[str]:
    yield from (f"  {name.replace('_', '-')}: {found.meanings[name]}" for name in names)


def _named(variants: Iterable[Variant]) -> Iterable[str]:
    """Each with both texts, from a little before the place where they part."""
    for one in variants:
        texts = [" ".join(text.split()) for text in (one.text, one.variant)]
        part = next((place for place, (old, new) in enumerate(zip(*texts, strict=False)) if old != new), len(min(texts, key=len)))
        start = max(0, part - WORDS // 3)
        yield f"  {one.query_id}  {one.kept:.0%} kept, {one.kind}"
        for text in texts:
            yield f"      {'…' if start else ''}{text[start : start + WORDS]}{'…' if len(text) > start + WORDS else ''}"
