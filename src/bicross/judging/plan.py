"""What was drawn to be judged, on the disk: one folder a draw, each whole or not there, never changed afterwards."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bicross import durable
from bicross.errors import InputError
from bicross.judging.draw import Pair

FORMAT = 1
PAIRS = "pairs.jsonl"


@dataclass(frozen=True, slots=True)
class Plan:
    """The questions drawn, in order, their pairs, and how all were drawn; `facts` must not differ between draws. Empty before the first."""

    questions: tuple[str, ...]
    pairs: tuple[Pair, ...]
    facts: Mapping[str, Any]


def read_plan(folder: Path) -> Plan:
    """All draws of a session, one after the other.

    Raises:
        Damaged: bytes are not those that were written. InputError: another version of Bicross wrote it.
    """
    questions: list[str] = []
    pairs: list[Pair] = []
    facts: Mapping[str, Any] = {}
    while (part := _part(folder, len(questions))).exists():
        manifest, files = durable.read_folder(part)
        if manifest["format"] != FORMAT:
            raise InputError(
                f"{part} has the format {manifest['format']}, expected {FORMAT}: another version of Bicross drew it. Use that one."
            )
        questions += manifest["questions"]
        pairs += [_pair(line) for line in bytes(files[PAIRS]).splitlines()]
        facts = manifest["facts"]
    return Plan(tuple(questions), tuple(pairs), facts)


def extend_plan(folder: Path, plan: Plan, questions: Sequence[str], pairs: Sequence[Pair], facts: Mapping[str, Any]) -> Plan:
    """The plan with one more draw, which is on the disk when this returns.

    Raises:
        InputError: it was drawn in another way than what is there. StoreError: the disk refuses.
    """
    require_alike(folder, plan, facts)
    rows = "".join(json.dumps(asdict(pair), ensure_ascii=False) + "\n" for pair in pairs)
    manifest = {"format": FORMAT, "questions": list(questions), "facts": dict(facts)}
    durable.write_folder(_part(folder, len(plan.questions)), {PAIRS: rows.encode()}, manifest)
    return read_plan(folder)


def require_alike(folder: Path, plan: Plan, facts: Mapping[str, Any]) -> None:
    """Raises InputError where any of these facts is not as it was when the plan was drawn: one estimate needs one way of drawing."""
    for name, value in facts.items():
        if plan.facts and plan.facts.get(name) != json.loads(json.dumps(value)):
            raise InputError(
                f"{folder} was drawn with {name} {plan.facts.get(name)!r}, and now it is {value!r}; what is judged "
                "together must be drawn alike. Set it back, or judge into another file."
            )


def _pair(line: bytes) -> Pair:
    row = json.loads(line)
    return Pair(**{**row, "passages": tuple(row["passages"])})


def _part(folder: Path, first: int) -> Path:
    """The folder of the draw whose first question has this place in the plan."""
    return folder / f"drawn-{first:06}"
