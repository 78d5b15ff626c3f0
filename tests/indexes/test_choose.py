"""Which index for how many rows."""

from __future__ import annotations

import numpy as np
import pytest

from bicross.errors import Damaged
from bicross.indexes.choose import CODED_ROWS, EXACT_ROWS, build_index, lists_of, open_index
from bicross.records import Space
from bicross.vectors import unit

SPACE = Space("tiny", 8)


@pytest.mark.parametrize(("rows", "kind"), [(0, "exact"), (10, "exact"), (EXACT_ROWS, "exact"), (EXACT_ROWS + 1, "pq")])
def test_built_saved_and_opened(rows: int, kind: str) -> None:
    vectors = unit(np.random.default_rng(0).normal(size=(rows, 8)).astype(np.float32))
    index = build_index(SPACE, np.arange(rows), vectors)
    assert index.kind == kind and len(index) == rows
    opened = open_index(SPACE, index.kind, index.save())
    assert opened.kind == kind and len(opened) == rows
    assert (opened.search(vectors[:5], 3)[0] == index.search(vectors[:5], 3)[0]).all()


def test_lists_stand_in_front_where_scanning_all_takes_long() -> None:
    assert [lists_of(rows) for rows in (EXACT_ROWS + 1, CODED_ROWS, CODED_ROWS + 1, 16_000_000)] == [0, 0, 4_096, 8_192]


def test_an_unknown_kind_is_named() -> None:
    with pytest.raises(Damaged, match="'graph'"):
        open_index(SPACE, "graph", {})
