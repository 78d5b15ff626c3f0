"""`doctor`; `main` gives it to the command line."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import typer

from bicross.cli.options import Json

if TYPE_CHECKING:
    from bicross.doctor import Examined


def doctor(as_json: Json = False) -> None:
    """Say what Bicross runs on here, whether it works, and what makes it slow; exit code 1 if something fails. Takes some seconds."""
    from bicross import pipeline
    from bicross.cli.show import out

    found = pipeline.doctor()
    out(found, as_json, _shown)
    if not found.works:
        raise typer.Exit(1)


def _shown(found: Examined) -> Iterable[str]:
    from bicross.cli.show import fields, time_of

    yield from fields({"versions": found.versions})
    yield ""
    yield from fields({"system": found.system, "inference": found.inference})
    yield ""
    for extra, missing in found.extras.items():
        lacks = ", ".join(missing)
        yield f"extra {extra}: lacks {lacks}; pip install 'bicross[{extra}]'" if missing else f"extra {extra}: installed"
    if found.rates:
        tokens, pairs = found.rates.values()
        yield f"embeds {tokens:.0f} tokens a second: 10,000 texts of 200 tokens in {time_of(2_000_000 / tokens)}"
        yield f"reads {pairs:.1f} pairs of question and text a second: 20 candidates in {time_of(20 / pairs)}"
    for remark in found.remarks:
        yield f"{remark.grade}: {remark.what}. To do: {remark.advice}"
    yield "everything works" if found.works else "not everything works"
