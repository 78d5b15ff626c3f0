"""Values are checked where they come in."""

from __future__ import annotations

import ir_measures
import pytest
from pydantic import ValidationError

from bicross.settings import EvaluateSettings, parse_measure_names


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("nDCG@10,RR@10", ("nDCG@10", "RR@10")),
        (" AP, P@5  R@100\n", ("AP", "P@5", "R@100")),
        ("P(rel=2,judged_only=True)@5", ("P(rel=2,judged_only=True)@5",)),
        ("AP(rel=2), nDCG(dcg='exp-log2', cutoff=3),RR", ("AP(rel=2)", "nDCG(dcg='exp-log2', cutoff=3)", "RR")),
        ("P(rel=2,AP", ("P(rel=2", "AP")),
        (" , ", ()),
    ],
)
def test_names_are_parted_by_commas_and_spaces_outside_parentheses(text: str, names: tuple[str, ...]) -> None:
    assert parse_measure_names(text) == names


def test_a_name_with_parameters_is_one_that_ir_measures_reads() -> None:
    (name,) = parse_measure_names("P(rel=2, judged_only=True)@5")
    assert ir_measures.parse_measure(name) == ir_measures.P(rel=2, judged_only=True) @ 5


def test_no_measure_is_refused() -> None:
    with pytest.raises(ValidationError, match="no measure is named; expected one or more"):
        EvaluateSettings(measures=())
