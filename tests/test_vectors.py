"""Order, ties, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from bicross.errors import InputError, SpaceMismatch
from bicross.records import Hit, Space
from bicross.vectors import Scores, best_first, check_vectors, top_columns

SPACE = Space("test", 2)


@given(
    arrays(np.float32, st.tuples(st.integers(1, 3), st.integers(0, 700)), elements=st.sampled_from([-1.0, 0.0, 0.5, 1.0])),
    st.integers(0, 20),
)
def test_top_columns_are_a_stable_sorts_first(scores: Scores, k: int) -> None:
    assert (top_columns(scores, k) == np.argsort(-scores, axis=1, kind="stable")[:, :k]).all()


def test_equal_scores_stand_in_the_order_of_their_ids() -> None:
    ranked = best_first([Hit("b", 1.0), Hit("c", 2.0), Hit("a", 1.0)])
    assert [hit.doc_id for hit in ranked] == ["c", "a", "b"]


@pytest.mark.parametrize("row", [[0.0, 0.0], [np.nan, 1.0], [np.inf, 0.0], [3.0, 4.0]])
def test_a_vector_that_would_poison_a_search_is_named(row: list[float]) -> None:
    with pytest.raises(InputError, match="second"):
        check_vectors(np.array([[1.0, 0.0], row], dtype=np.float32), SPACE, ["first", "second"])


def test_another_width_is_another_space() -> None:
    with pytest.raises(SpaceMismatch, match="2 dimensions"):
        check_vectors(np.ones((1, 3), dtype=np.float32), SPACE, ["first"])
