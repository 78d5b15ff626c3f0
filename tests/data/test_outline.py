"""Where a passage stands in its document."""

from typing import Any

import pytest

from bicross.data.outline import OUTLINE, Heading, firm, outline, placed
from bicross.records import Passage


def at(start: int, meta: dict[str, Any]) -> tuple[int | None, str]:
    passage = placed(Passage("d#0", "d", start, start + 1, "x"), meta)
    return passage.page, passage.heading


def test_headings_pages_and_both() -> None:
    headings = [Heading(5, 1, "Manual"), Heading(20, 2, "Care"), Heading(40, 3, "Glass"), Heading(60, 2, "Reset")]
    meta = outline(headings, [0, 30, 30, 60], title="manual")
    found = [at(start, meta) for start in (0, 5, 19, 20, 29, 30, 40, 59, 60, 1000)]
    assert found == [
        *((1, ""), (1, ""), (1, ""), (1, "Care"), (1, "Care"), (3, "Care")),
        *((3, "Care › Glass"), (3, "Care › Glass"), (4, "Reset"), (4, "Reset")),
    ]
    assert outline([]) == {} and at(3, {}) == (None, "")
    assert at(3, outline([Heading(5, 1, "Late")])) == (None, "")


@pytest.mark.parametrize("own", ["a text", [1], [{"start": "0"}], [{"start": 0, "page": "one", "heading": 2}], {"start": 0}, [{"page": 1}]])
def test_a_column_of_the_same_name_does_no_harm(own: object) -> None:
    assert at(0, {OUTLINE: own}) == (None, "")
    assert firm({OUTLINE: own}) == []
