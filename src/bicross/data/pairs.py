"""Questions with answers that nobody labelled, and the folder that `bicross tune` reads them from: BEIR's layout."""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bicross import durable
from bicross.data.questions import qrels_bytes
from bicross.errors import InputError
from bicross.records import Qrels, Query, Skip

_UNIT = re.compile("[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U000323af]|[^\\W\\d_\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]+")


@dataclass(frozen=True, slots=True)
class Pairs:
    """Questions and their answers by part ("train", "dev"). `left_out` counts what made no question, by reason; `skipped` names bad rows.

    `remarks` say in sentences what a reader of the files has to know.
    """

    queries: tuple[Query, ...]
    qrels: Mapping[str, Qrels]
    left_out: Mapping[str, int]
    skipped: tuple[Skip, ...]
    remarks: tuple[str, ...] = ()


def write_pairs(into: Path, pairs: Pairs, facts: Mapping[str, Any]) -> None:
    """Write queries.jsonl, qrels/PART.tsv for each part, and a manifest of `facts`, whole or not at all. Equal pairs give equal bytes.

    Raises:
        InputError: there is no question. StoreError: the folder holds something, or cannot be written.
    """
    if not pairs.queries:
        why = "; ".join(f"{count} {reason}" for reason, count in pairs.left_out.items()) or f"{len(pairs.skipped)} rows skipped"
        raise InputError(f"No question could be made ({why}). Name other sources, or make questions in another way with --from.")
    lines = (json.dumps({"_id": query.id, "text": query.text, **query.meta}, ensure_ascii=False) for query in pairs.queries)
    files = {"queries.jsonl": "".join(f"{line}\n" for line in lines).encode()}
    for part, qrels in pairs.qrels.items():
        files[f"qrels/{part}.tsv"] = qrels_bytes(qrels)
    durable.write_folder(into, files, facts)


def check_empty(into: Path) -> None:
    """To be asked before the work that makes the questions.

    Raises:
        InputError: what stands there is no folder, or holds something.
    """
    if into.exists() and not into.is_dir():
        raise InputError(f"Questions cannot be written to {into}: it is no folder. Name a new or an empty folder with --into.")
    if into.is_dir() and (found := sorted(entry.name for entry in into.iterdir())):
        raise InputError(
            f"Questions cannot be written to {into}: it holds {found[0]!r} already. Name a new or an empty folder with --into."
        )


def same(text: str) -> str:
    """What texts have in common that are one question: case, white space and Unicode compatibility forms (NFKC) do not count."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def units(text: str) -> list[str]:
    """The words of a text in lower case, and each ideograph alone; numbers are none."""
    return _UNIT.findall(unicodedata.normalize("NFKC", text).casefold())


def name_of(kind: str, text: str) -> str:
    """The id of a question: the same text of the same kind has the same one in every run."""
    return f"{kind}-{hashlib.sha256(same(text).encode()).hexdigest()[:16]}"


def draw(seed: int, *names: str) -> bytes:
    """A place in a random order that the seed and the names alone decide, so that the order of the input does not."""
    return hashlib.blake2b(json.dumps([seed, *names]).encode(), digest_size=16).digest()
