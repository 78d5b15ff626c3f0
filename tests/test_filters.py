"""What is a filter, and what is said of what is none."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bicross.errors import InputError
from bicross.filters import Exists, Joined, Not, OneOf, Within, parse, read


def test_every_form_is_read() -> None:
    assert read({"lang": "zh"}) == OneOf("lang", ("zh",))
    assert read({"year": {"gte": 2020, "lt": 2024.5}}) == Within("year", (("gte", 2020), ("lt", 2024.5)))
    assert read({"标签": {"in": ["手册", 3, True]}}) == OneOf("标签", ("手册", 3, True))
    assert read({"a.b": {"exists": False}}) == Exists("a.b", False)
    both = (OneOf("a", (1,)), OneOf("b", (2,)))
    assert read({"a": 1, "b": 2}) == read({"all": [{"a": 1}, {"b": 2}]}) == Joined(True, both)
    assert read({"any": [{"a": 1}, {"not": {"b": 2}}]}) == Joined(False, (both[0], Not(both[1])))


def test_a_filter_is_read_from_json_text() -> None:
    assert parse('{"lang": "zh"}') == {"lang": "zh"}
    with pytest.raises(InputError, match="'lang=zh' is not JSON"):
        parse("lang=zh")
    with pytest.raises(InputError, match="is not JSON"):
        parse("[" * 100_000)


@pytest.mark.parametrize(
    ("where", "said"),
    [
        ({}, "an object with at least one key"),
        ([], "an object with at least one key"),
        ("zh", "an object with at least one key"),
        ({"any": []}, "a list of 1 to 64 filters"),
        ({"all": {"a": 1}}, "a list of 1 to 64 filters"),
        ({"not": [{"a": 1}]}, "'not' of the filter"),
        ({'a"b': 1}, "1 to 100 letters"),
        ({"a\\b": 1}, "1 to 100 letters"),
        ({"$.a": 1}, "1 to 100 letters"),
        ({"a[0]": 1}, "1 to 100 letters"),
        ({"a\n": 1}, "1 to 100 letters"),
        ({"": 1}, "1 to 100 letters"),
        ({"x" * 101: 1}, "1 to 100 letters"),
        ({1: 1}, "expected text"),
        ({"a": None}, '"exists": false'),
        ({"a": [1, 2]}, "a text, a number, true or false"),
        ({"a": {}}, "gt, gte, lt, lte"),
        ({"a": {"like": "x%"}}, "gt, gte, lt, lte"),
        ({"a": {"gte": 1, "in": [2]}}, "gt, gte, lt, lte"),
        ({"a": {"in": []}}, "a list of 1 to 256 values"),
        ({"a": {"in": "zh"}}, "a list of 1 to 256 values"),
        ({"a": {"in": [None]}}, "exists"),
        ({"a": {"exists": 1}}, "true or false"),
        ({"a": {"gte": True}}, "all numbers or all texts"),
        ({"a": {"gte": 1, "lt": "z"}}, "all numbers or all texts"),
        ({"a": float("nan")}, "a number between"),
        ({"a": float("-inf")}, "a number between"),
        ({"a": 2**63}, "9223372036854775807"),
        ({"a": 10**400}, "9223372036854775807"),
        ({"a": "x" * 1001}, "at most 1000 characters"),
        ({"a": "x\0"}, "without NUL"),
        ({"a": "\ud800"}, "lone surrogates"),
    ],
)
def test_what_is_no_filter_is_refused_by_name(where: Any, said: str) -> None:
    with pytest.raises(InputError) as refused:
        read(where)
    assert said in str(refused.value)
    str(refused.value).encode()


def test_size_and_depth_are_bounded() -> None:
    deep: dict[str, Any] = {"a": 1}
    for _ in range(7):
        deep = {"not": deep}
    read(deep)
    with pytest.raises(InputError, match="more than 8 levels"):
        read({"not": deep})
    with pytest.raises(InputError, match="at most 64 are read"):
        read({f"k{i}": i for i in range(65)})
    with pytest.raises(InputError, match="at most 64 and 256"):
        read({"any": [{"any": [{"a": i} for i in range(33)]}, {"any": [{"a": i} for i in range(33)]}]})
    with pytest.raises(InputError, match="at most 64 and 256"):
        read({"any": [{"a": {"in": list(range(200))}}, {"b": {"in": list(range(57))}}]})
    endless: dict[str, Any] = {}
    endless["not"] = endless
    with pytest.raises(InputError, match="more than 8 levels"):
        read(endless)


def test_the_largest_numbers_are_read_and_none_beyond() -> None:
    for number in (2**63 - 1, -(2**63) + 1, 2.0**63, -(2.0**63)):
        assert read({"a": number}) == OneOf("a", (number,))
    for beyond in (-(2**63), 2.0**64):
        with pytest.raises(InputError, match="a number between"):
            read({"a": beyond})


def test_a_filter_of_the_largest_size_is_read() -> None:
    assert read(json.loads(json.dumps({"any": [{"a": {"in": list(range(4))}} for _ in range(64)]})))
