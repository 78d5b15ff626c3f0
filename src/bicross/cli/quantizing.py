"""The verb that makes a model compute in 8-bit integers; `main` gives it to the command line."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bicross.cli.options import AtCollection, Json, settings_of

if TYPE_CHECKING:
    from bicross.quantizing import Quantized


class Which(StrEnum):
    """What is quantized."""

    reranker = "reranker"
    encoder = "encoder"


def quantize(
    collection: AtCollection,
    model: Annotated[
        Which, typer.Option(help="Which model; for the encoder all passages are embedded anew, in a space of its own.")
    ] = Which.reranker,
    queries: Annotated[
        Path | None, typer.Option(help="Questions, as people ask them; without them sentences of the documents stand in.")
    ] = None,
    qrels: Annotated[Path | None, typer.Option(help="Their known answers: nDCG@10 may not fall then, either.")] = None,
    rank_correlation: Annotated[float, typer.Option("--limit", help="The least rank correlation with the scores of before.")] = 0.98,
    top10: Annotated[float, typer.Option("--top10", help="The least share of the first ten hits that stays.")] = 0.9,
    sample: Annotated[int, typer.Option(help="Questions that are compared, drawn at random if there are more.")] = 50,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Measure and tell; keep nothing.")] = False,
    as_json: Json = False,
) -> None:
    """Compute in 8-bit integers from now on, calibrated on the collection's own texts, if it ranks as before and is faster.

    Nothing else should run meanwhile; `rollback` goes back.
    """
    from bicross import pipeline
    from bicross.cli.progress import bar
    from bicross.cli.show import out

    settings = settings_of("QuantizeSettings", rank_correlation=rank_correlation, top10=top10, sample=sample)
    with bar() as progress:
        found = pipeline.quantize(collection, model.value, settings, queries, qrels, dry_run, progress)
    out(found, as_json, shown)


def shown(found: Quantized) -> Iterable[str]:
    """What 8 bits change, and what was done."""
    from bicross.cli.show import time_of

    drift = found.drift
    yield f"{found.kind} {found.model}, on {drift.questions} questions with {drift.candidates} candidates each"
    yield f"  times as fast      {drift.faster:.2f}"
    yield f"  rank correlation   {drift.rank_correlation:.4f}"
    yield f"  first ten that stay {drift.top10:.3f}"
    if drift.ndcg and drift.confidence:
        low, high = drift.confidence
        yield f"  nDCG@10            {drift.ndcg[0]:.4f} before, {drift.ndcg[1]:.4f} after, difference [{low:+.4f}, {high:+.4f}]"
    if found.refused:
        yield f"refused, kept as it was: {found.refused}"
    else:
        yield "a dry run: nothing was kept" if found.dry_run else f"taken: {found.name}; `bicross rollback` goes back"
    yield time_of(found.seconds)
