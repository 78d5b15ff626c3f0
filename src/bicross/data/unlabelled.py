"""Questions for who has none with known answers: made in one of three ways, written as one folder."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bicross import durable
from bicross.data.chat import KEY, Chat
from bicross.data.clicks import from_clicks
from bicross.data.endpoint import from_endpoint, plan
from bicross.data.pairs import Pairs, check_empty, write_pairs
from bicross.data.pseudo import from_titles
from bicross.data.questions import read_queries
from bicross.errors import InputError
from bicross.protocols import Progress
from bicross.settings import QuestionSettings

KEPT = ".answers"  # behind the folder's name: where an endpoint's answers are until the folder is written


@dataclass(frozen=True, slots=True)
class Made:
    """The questions, and what an endpoint was, or would be, asked: requests and about how many tokens."""

    pairs: Pairs | None
    cost: Mapping[str, int] = field(default_factory=dict)


def make(
    sources: Sequence[Path], into: Path, settings: QuestionSettings, queries_path: Path | None, dry_run: bool, progress: Progress
) -> Made:
    """Make questions out of documents or click logs and write them to `into`: queries.jsonl, qrels/train.tsv, of click logs qrels/dev.tsv.

    A dry run writes nothing and asks no endpoint; its `pairs` are None where the endpoint would make them. An endpoint's answers are
    kept beside `into`, in the folder of its name with `.answers`, until `into` is written.

    Args:
        queries_path: the texts of a click log's query ids.

    Raises:
        InputError: a source, setting or answer is not what it should be, or no question could be made.
        StoreError: `into` cannot be written.
    """
    check_empty(into)
    facts: dict[str, Any] = {"sources": [str(source) for source in sources], "settings": settings.model_dump(mode="json")}
    if settings.source == "endpoint":
        return _ask(sources, into, settings, dry_run, facts, progress)
    if settings.source == "clicks":
        texts = {query.id: query.text for query in read_queries(queries_path)[0]} if queries_path is not None else {}
        pairs = from_clicks(sources, settings, texts, progress)
    else:
        pairs = from_titles(sources, settings, progress)
    if not dry_run:
        write_pairs(into, pairs, {**facts, "remarks": list(pairs.remarks)})
    return Made(pairs)


def _ask(sources: Sequence[Path], into: Path, settings: QuestionSettings, dry_run: bool, facts: dict[str, Any], progress: Progress) -> Made:
    if not settings.endpoint:
        raise InputError("No endpoint is named; name one with --endpoint, such as http://localhost:8000/v1.")
    chat = Chat(settings.endpoint, settings.model, os.environ.get(KEY, "").strip())
    answers = into.with_name(into.name + KEPT)
    found = plan(sources, settings, progress)
    cost = found.cost(answers)
    if dry_run:
        return Made(None, cost)
    pairs = from_endpoint(found, chat, answers, settings.in_flight, progress)
    shown = {**facts["settings"], "endpoint": chat.shown}
    write_pairs(into, pairs, {**facts, "settings": shown, "remarks": list(pairs.remarks)})
    durable.remove_folder(answers)
    return Made(pairs, cost)
