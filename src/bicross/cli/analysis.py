"""The verbs that look at texts without a question: `cluster`, `duplicates`, `pairs`; `main` gives them to the command line."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bicross.cli.options import Encoder, IdColumn, Json, Reranker, TextColumn, TitleColumn, settings_of

if TYPE_CHECKING:
    from bicross.analysing.results import Clustered, Duplicates, Opinion, Paired

Texts = Annotated[
    list[Path],
    typer.Argument(metavar="SOURCE...", help="Documents, as `index` takes them; a .txt file with a text a line; or a collection."),
]
Threshold = Annotated[float | None, typer.Option(help="The least cosine. By default one that fits how alike the texts are at random.")]
Second = "--second-opinion"
SHOWN, EXAMPLES = 20, 3  # pairs, groups or clusters that are printed; --json has all
YEAR, DAY = 365.25 * 86_400, 86_400.0


def cluster(
    sources: Texts,
    method: Annotated[str, typer.Option(help="communities (texts around a typical one) or hierarchical.")] = "communities",
    threshold: Threshold = None,
    clusters: Annotated[int | None, typer.Option(help="So many clusters, of the hierarchy.")] = None,
    least: Annotated[int, typer.Option("--min-size", help="The smallest cluster.")] = 3,
    map_path: Annotated[Path | None, typer.Option("--map", help="Draw a map into this SVG file.")] = None,
    second_opinion: Annotated[int, typer.Option(Second, help="So many members are read by the cross-encoder: do they belong here?")] = 0,
    encoder: Encoder = None,
    reranker: Reranker = None,
    id_column: IdColumn = None,
    text_column: TextColumn = None,
    title_column: TitleColumn = None,
    as_json: Json = False,
) -> None:
    """Group texts about one thing, each group named by its most typical text, with a map."""
    from bicross import pipeline
    from bicross.cli.progress import bar
    from bicross.cli.show import out

    settings = settings_of(
        "ClusterSettings",
        method="hierarchical" if clusters else method,
        threshold=threshold,
        clusters=clusters,
        least=least,
        second_opinion=second_opinion,
        encoder=encoder,
        reranker=reranker,
        columns={"id": id_column, "text": text_column, "title": title_column},
    )
    with bar() as progress:
        found = pipeline.cluster(sources, settings, map_path, progress)
    out(found, as_json, clustered)


def duplicates(
    sources: Texts,
    threshold: Threshold = None,
    alike: Annotated[float, typer.Option(help="Or so large a share of their letters in common (shingles).")] = 0.8,
    second_opinion: Annotated[int, typer.Option(Second, help="So many duplicates are read by the cross-encoder, too.")] = 100,
    encoder: Encoder = None,
    reranker: Reranker = None,
    id_column: IdColumn = None,
    text_column: TextColumn = None,
    title_column: TitleColumn = None,
    as_json: Json = False,
) -> None:
    """Find texts that say what another says, to the letter, nearly so, or in other words."""
    from bicross import pipeline
    from bicross.cli.progress import bar
    from bicross.cli.show import out

    settings = settings_of(
        "AnalysisSettings",
        threshold=threshold,
        alike=alike,
        second_opinion=second_opinion,
        encoder=encoder,
        reranker=reranker,
        columns={"id": id_column, "text": text_column, "title": title_column},
    )
    with bar() as progress:
        found = pipeline.duplicates(sources, settings, progress)
    out(found, as_json, duplicated)


def pairs(
    sources: Texts,
    threshold: Threshold = None,
    limit: Annotated[int, typer.Option(help="At most so many pairs, the best.")] = 100_000,
    second_opinion: Annotated[int, typer.Option(Second, help="So many pairs are read by the cross-encoder, too.")] = 100,
    encoder: Encoder = None,
    reranker: Reranker = None,
    id_column: IdColumn = None,
    text_column: TextColumn = None,
    title_column: TitleColumn = None,
    as_json: Json = False,
) -> None:
    """Find the pairs of texts that say the same (paraphrase mining), without comparing all with all."""
    from bicross import pipeline
    from bicross.cli.progress import bar
    from bicross.cli.show import out

    settings = settings_of(
        "AnalysisSettings",
        threshold=threshold,
        limit=limit,
        second_opinion=second_opinion,
        encoder=encoder,
        reranker=reranker,
        columns={"id": id_column, "text": text_column, "title": title_column},
    )
    with bar() as progress:
        found = pipeline.pairs(sources, settings, progress)
    out(found, as_json, paired)


def clustered(found: Clustered) -> Iterable[str]:
    """The largest clusters with a few of their texts."""
    yield f"{len(found.clusters)} clusters of {found.texts} texts, {found.alone} in none; {_close(found.threshold, found.unrelated)}"
    for one in found.clusters[:SHOWN]:
        yield f"{one.size:>6}  {one.title}  (cohesion {one.cohesion:.3f})"
        yield from (f"        {text}" for text in one.examples[:EXAMPLES])
    yield from _more(len(found.clusters), "clusters")
    if found.agreement is not None:
        yield f"the cross-encoder leaves {100 * found.agreement:.0f} % of the members that it read where they are"
        yield from (f"  doubtful: {id}" for id in found.doubtful[:EXAMPLES])
    yield from ([f"map: {found.map}"] if found.map else [])
    yield from _end(found, found.texts * (found.texts - 1) // 2)


def duplicated(found: Duplicates) -> Iterable[str]:
    """The first groups."""
    least = f"cosine from {found.threshold:.3f} on"
    yield f"{found.redundant} of {found.texts} texts say what another says, in {len(found.groups)} groups; {least}"
    for group in found.groups[:SHOWN]:
        yield f"{group.kept}  {group.title}"
        for copy in group.copies[:SHOWN]:
            second = "" if copy.second is None else f", cross-encoder {copy.second:.2f}"
            yield f"  = {copy.id}  {copy.title}  (letters {copy.likeness:.2f}, cosine {copy.score:.3f}{second})"
    yield from _more(len(found.groups), "groups")
    yield from _end(found, found.cross_encoder_pairs)


def paired(found: Paired) -> Iterable[str]:
    """The best pairs."""
    yield f"{len(found.pairs)} pairs of {found.texts} texts; {_close(found.threshold, found.unrelated)}"
    for pair in found.pairs[:SHOWN]:
        second = "" if pair.second is None else f"  cross-encoder {pair.second:.2f}"
        yield f"{pair.score:.4f}{second}  {pair.left} | {pair.right}"
        yield from (f"        {text}" for text in pair.texts)
    yield from _more(len(found.pairs), "pairs")
    yield (
        f"{found.compared} pairs compared by the bi-encoder; {100 * found.recall:.2f} % of the pairs found, measured on a sample"
        * (found.recall < 1)
        or f"all {found.compared} pairs compared by the bi-encoder"
    )
    yield from _end(found, found.cross_encoder_pairs)


def _close(threshold: float, unrelated: float) -> str:
    return f"cosine from {threshold:.3f} on, of two texts at random {unrelated:.3f}"


def _more(count: int, what: str) -> Iterable[str]:
    if count > SHOWN:
        yield f"and {count - SHOWN} more {what}; --json has all"


def _end(found: Clustered | Duplicates | Paired, needed: int) -> Iterable[str]:
    """What a cross-encoder alone would have taken, the time of each step, and what was left out."""
    from bicross.cli.show import skips, times_of

    opinion = found.second_opinion
    yield f"a cross-encoder alone would have had to read {needed} pairs" + (f": {_long(opinion)}" if opinion else "")
    if found.truncated:
        yield f"{found.truncated} texts were longer than the model; their end was not read"
    yield times_of(found.seconds)
    yield from skips(found.skipped)


def _long(opinion: Opinion) -> str:
    for unit, name in ((YEAR, "years"), (DAY, "days"), (3600.0, "hours"), (60.0, "minutes")):
        if opinion.seconds_needed >= unit:
            rate = opinion.read / opinion.seconds
            return f"{opinion.seconds_needed / unit:.1f} {name} at the {rate:.0f} pairs a second of {opinion.reranker} here"
    return f"{opinion.seconds_needed:.1f} s with {opinion.reranker} here"
