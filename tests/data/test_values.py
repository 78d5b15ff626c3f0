"""Values of fields, good and bad."""

import pytest

from bicross.data.lines import Malformed
from bicross.data.values import filled, mapping, number, numbers, texts, unpacked


def test_values_as_json_and_as_cells_of_a_table() -> None:
    assert texts(["a", " 文 "], "x") == ["a", " 文 "]
    assert texts("a", "x") == ["a"]
    assert texts(None, "x") == texts(" ", "x") == texts([], "x") == []
    assert numbers([1, "0.5", -2.0], "x") == (1.0, 0.5, -2.0)
    assert numbers(None, "x") == numbers("", "x") == ()
    assert numbers("3", "x") == numbers(3, "x") == (3.0,)
    assert number(True, "x") == 1.0
    assert unpacked(' ["a", "b"]') == ["a", "b"]
    for same in ("[1] says the manual", "{}", "", None, 3, ["a"]):
        assert unpacked(same) == same


@pytest.mark.parametrize("value", ["nan", "high", float("inf"), 10**400, None, [1], {}, ""])
def test_no_finite_number(value: object) -> None:
    with pytest.raises(Malformed, match=r"the score is .* expected a finite number"):
        number(value, "score")


def test_what_is_wrong_is_named() -> None:
    for bad in (None, " ", 3, "a\0"):
        with pytest.raises(Malformed, match="the positive"):
            filled(bad, "positive")
    with pytest.raises(Malformed, match="neg number 2 is empty"):
        texts(["a", ""], "neg")
    with pytest.raises(Malformed, match="source is list, expected an object"):
        mapping([], "source")
