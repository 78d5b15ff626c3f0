"""Where the parts of a document begin: pages, headings, definitions. Kept in its `meta` under OUTLINE, and asked for each passage shown.

An entry is {"start": code points, "page": from 1, "heading": "Chapter › Section", "apart": true}; all but start may lack. What it says
holds up to the next one. No passage goes past an entry that is `apart`.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from bicross.records import Passage

OUTLINE = "outline"
BETWEEN = " › "
_LONGEST = 200  # characters of a heading that are kept


class Heading(NamedTuple):
    """Where a heading stands in the text, how deep it is (1 is highest), and what it says."""

    start: int
    level: int
    text: str


def outline(headings: Iterable[Heading], pages: Sequence[int] = (), title: str = "", apart: bool = False) -> dict[str, Any]:
    """The `meta` of a document with such headings and pages (`pages` is where each begins); empty where there are none.

    A heading is told with those above it, but for a first one that is the title: that is shown beside it.
    """
    places: list[tuple[int, int, Heading | None]] = [(start, number, None) for number, start in enumerate(pages, start=1)]
    places += [(heading.start, 0, heading) for heading in headings]
    entries: list[dict[str, Any]] = []
    page, above = 0, list[Heading]()
    for start, number, heading in sorted(places, key=lambda place: (place[0], place[2] is not None, place[1])):
        page = number or page
        if heading is not None:
            above = [*(one for one in above if one.level < heading.level), heading]
        said = [" ".join(one.text.split())[:_LONGEST] for one in above]
        said = said[1:] if said and same_words(said[0], title) else said
        entry = {"start": start, "page": page, "heading": BETWEEN.join(said), "apart": apart and heading is not None}
        if entries and entries[-1]["start"] == start:
            entry["apart"] = entry["apart"] or entries[-1].get("apart", False)
            entries.pop()
        entries.append({name: value for name, value in entry.items() if value or name == "start"})
    return {OUTLINE: entries} if any(len(entry) > 1 for entry in entries) else {}


def placed(passage: Passage, meta: Mapping[str, Any]) -> Passage:
    """The passage with the page and the heading that most of it stands under, if its document's `meta` has them."""
    entries = _entries(meta)
    first = bisect_right(entries, passage.start, key=lambda entry: int(entry["start"])) - 1
    inside = [{"start": passage.start}] if first < 0 else [{**entries[first], "start": passage.start}]
    inside += [entry for entry in entries[first + 1 :] if entry["start"] < passage.end]
    ends = [*(entry["start"] for entry in inside[1:]), passage.end]
    most, _ = max(zip(inside, ends, strict=True), key=lambda pair: pair[1] - pair[0]["start"])  # of equals the first
    page, heading = most.get("page"), most.get("heading")
    return replace(passage, page=page if type(page) is int else None, heading=heading if isinstance(heading, str) else "")


def firm(meta: Mapping[str, Any]) -> list[int]:
    """Where a passage must begin, ascending."""
    return [entry["start"] for entry in _entries(meta) if entry.get("apart") is True]


def same_words(one: str, other: str) -> bool:
    """Whether two headings are equal but for case and white space."""
    return one.casefold().split() == other.casefold().split()


def _entries(meta: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The entries in order; none where the user's own column of this name holds something else."""
    found = meta.get(OUTLINE)
    if not isinstance(found, list) or not all(isinstance(entry, dict) and type(entry.get("start")) is int for entry in found):
        return []
    return sorted(found, key=lambda entry: int(entry["start"]))
