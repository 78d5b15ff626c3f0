"""The verbs that answer from known texts: `faq`, `classify`, `similarity`; `main` gives them to the command line."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bicross.cli.options import Encoder, Json, Reranker, TextColumn, settings_of
from bicross.errors import InputError

if TYPE_CHECKING:
    from bicross.answering.results import Agreement, Choice, Chosen, Similarity
    from bicross.evaluation.reliability import Share

Keep = Annotated[Path | None, typer.Option("--into", help="Keep vectors and what was learned in this new folder, to be asked later.")]
Precision = Annotated[float, typer.Option(help="What is less surely right than brings this share of right answers is not answered.")]
Seed = Annotated[int, typer.Option(help="Decides which known texts are asked to learn from.")]
Second = Annotated[int, typer.Option("--second-opinion", help="So many candidates of each text are read by the cross-encoder.")]
SHOWN = 20  # choices that are printed; --json has all


def faq(
    source: Annotated[Path, typer.Argument(help="Questions and answers: JSONL, CSV, TSV or Parquet; or a folder that --into kept.")],
    questions: Annotated[list[str] | None, typer.Argument(metavar="[QUESTION]...", help="Questions, each in quotes.")] = None,
    asked: Annotated[Path | None, typer.Option("--queries", help="A file of questions with their known answers, to measure with.")] = None,
    into: Keep = None,
    precision: Precision = 0.9,
    second_opinion: Second = 5,
    encoder: Encoder = None,
    reranker: Reranker = None,
    text_column: TextColumn = None,
    label_column: Annotated[str | None, typer.Option(help="The column that holds the answer.")] = None,
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Answer questions from known questions and answers, or say "I do not know"."""
    settings = _settings(precision, second_opinion, encoder, reranker, text_column, label_column, seed)
    _choose("faq", source, questions, asked, settings, into, as_json)


def classify(
    source: Annotated[Path, typer.Argument(help="Texts and labels: JSONL, CSV, TSV or Parquet; or a folder that --into kept.")],
    texts: Annotated[list[str] | None, typer.Argument(metavar="[TEXT]...", help="Texts, each in quotes.")] = None,
    asked: Annotated[Path | None, typer.Option("--queries", help="A file of texts with their known labels, to measure with.")] = None,
    into: Keep = None,
    precision: Precision = 0.9,
    second_opinion: Second = 0,
    encoder: Encoder = None,
    reranker: Reranker = None,
    text_column: TextColumn = None,
    label_column: Annotated[str | None, typer.Option(help="The column that holds the label.")] = None,
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Give texts the label of the nearest labelled texts, or none where it is not sure enough."""
    settings = _settings(precision, second_opinion, encoder, reranker, text_column, label_column, seed)
    _choose("classify", source, texts, asked, settings, into, as_json)


def _settings(
    precision: float, read: int, encoder: str | None, reranker: str | None, text: str | None, label: str | None, seed: int
) -> object:
    models = {name: value for name, value in (("encoder", encoder), ("reranker", reranker)) if value is not None}
    return settings_of("KnownSettings", precision=precision, second_opinion=read, text=text, label=label, seed=seed, **models)


def _choose(
    verb: str, source: Path, texts: list[str] | None, asked: Path | None, settings: object, into: Path | None, as_json: bool
) -> None:
    from bicross import pipeline
    from bicross.cli.progress import bar
    from bicross.cli.show import out

    with bar() as progress:
        found = getattr(pipeline, verb)(source, texts or [], asked, settings, into, progress)
    out(found, as_json, chosen)


def similarity(
    a: Annotated[str | None, typer.Argument(metavar="A", help="A text, in quotes.")] = None,
    b: Annotated[str | None, typer.Argument(metavar="B", help="Another.")] = None,
    pairs: Annotated[Path | None, typer.Option(help="Or a file of pairs of texts with a score: sentence1, sentence2, score.")] = None,
    encoder: Encoder = None,
    reranker: Reranker = None,
    as_json: Json = False,
) -> None:
    """How alike two texts are in the opinion of both models; or how both opinions go with people's, on a file of pairs."""
    from bicross import pipeline
    from bicross.cli.show import out

    models = {name: value for name, value in (("encoder", encoder), ("reranker", reranker)) if value is not None}
    if pairs is not None and a is None:
        out(pipeline.agreement(pairs, **models), as_json, agreeing)
    elif pairs is None and a is not None and b is not None:
        out(pipeline.similarity(a, b, **models), as_json, alike)
    else:
        raise InputError("Expected two texts, each in quotes, or --pairs FILE.")


def chosen(found: Chosen) -> Iterable[str]:
    """The choices, what was measured, and what to know."""
    from bicross.cli.show import skips, time_of

    yield from (_line(one) for one in found.choices[:SHOWN])
    if len(found.choices) > SHOWN:
        yield f"and {len(found.choices) - SHOWN} more; --json has all"
    yield f"{found.known} known texts, {found.labels} labels; answered from a probability of {found.fit.cut:.2f} on"
    if (measured := found.measured) is not None:
        yield f"{measured.texts} texts with a known label: accuracy {_share(measured.accuracy)}"
        of_those = "" if measured.precision is None else f", of these right {_share(measured.precision)}"
        yield f"answered {_share(measured.answered)}{of_those}"
    if found.kept:
        yield f"kept in {found.kept}"
    yield from (f"note: {remark}" for remark in found.remarks)
    yield f"{time_of(found.seconds['learn'])} to learn, {time_of(found.seconds['answer'])} to answer"
    yield from skips(found.skipped)


def _line(one: Choice) -> str:
    said = one.label if one.answered else "I do not know"
    best = "" if one.answered else f"; best: {one.label}"
    return f"{one.text}  ->  {said}  ({one.probability:.2f}; near: {one.nearest}{best})"


def _share(share: Share) -> str:
    return f"{share.value:.3f} [{share.confidence[0]:.3f}, {share.confidence[1]:.3f}]"


def alike(found: Similarity) -> Iterable[str]:
    """Both opinions."""
    yield f"bi-encoder     cosine {found.cosine:.3f}"
    yield f"cross-encoder  {found.relevance:.3f} (scores {found.score:.2f} and, the other way round, {found.score_reversed:.2f})"


def agreeing(found: Agreement) -> Iterable[str]:
    """How each opinion goes with the labels."""
    yield f"{found.pairs} pairs; Spearman's correlation with their labels, 95 % intervals:"
    yield from (
        f"{name:<14} {_share(one)}" for name, one in (("bi-encoder", found.cosine), ("cross-encoder", found.score), ("both", found.both))
    )
