"""Filters on the documents' `meta`, as JSON says them and as a checked tree.

    {"lang": "zh"}                          a value
    {"year": {"gte": 2020, "lt": 2024}}     a range, of numbers or of texts (ISO dates): gt, gte, lt, lte
    {"tag": {"in": ["手册", "guide"]}}       any of the values
    {"tag": {"exists": true}}               there, and not null
    {"all": [...]}  {"any": [...]}  {"not": {...}}

Several keys of one object hold together. Of a list in `meta` any element may fit; objects in `meta` fit nothing but `exists`. A text, a
number and true or false are never equal to each other, nor is one less than the other: a column of a CSV file holds texts.
"""

from __future__ import annotations

import json
import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from bicross.errors import InputError

Scalar = str | bool | int | float
KEY = re.compile(r"\w[\w .:/@+-]{0,99}")
"""What a key of `meta` must look like to be asked for: letters of any script, digits, and some marks."""
MOST_DEEP, MOST_CONDITIONS, MOST_VALUES, LONGEST_TEXT = 8, 64, 256, 1000
JOINS = ("all", "any", "not")
BOUNDS: Mapping[str, Callable[[Any, Any], bool]] = {"gt": operator.gt, "gte": operator.ge, "lt": operator.lt, "lte": operator.le}
"""The word of a bound -> what it says of a value and the bound."""
LARGEST = 2**63 - 1  # what most readers of JSON hold as a whole number
_SURROGATE = re.compile("[\ud800-\udfff]")
_EXAMPLE = '{"lang": "zh"} or {"year": {"gte": 2020}}'


@dataclass(frozen=True, slots=True)
class OneOf:
    """The value of `key`, or an element of it, is one of these."""

    key: str
    values: tuple[Scalar, ...]


@dataclass(frozen=True, slots=True)
class Within:
    """The value of `key`, or an element of it, is within all bounds: (word of `BOUNDS`, bound), all numbers or all texts."""

    key: str
    bounds: tuple[tuple[str, Scalar], ...]


@dataclass(frozen=True, slots=True)
class Exists:
    """The key is there and not null, or, where not `wanted`, it is not."""

    key: str
    wanted: bool


@dataclass(frozen=True, slots=True)
class Joined:
    """All of the parts hold, or at least one of them."""

    every: bool
    parts: tuple[Filter, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """The part does not hold."""

    part: Filter


Filter = OneOf | Within | Exists | Joined | Not


def parse(text: str) -> dict[str, Any]:
    """A filter's JSON text, checked.

    Raises:
        InputError: it is not JSON, or not a filter.
    """
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"The filter {text[:80]!r} is not JSON ({error}); expected an object such as {_EXAMPLE}.") from error
    read(found)
    return dict(found)


def read(where: object) -> Filter:
    """The tree of a filter. At most 8 levels deep, with 64 conditions and 256 values in all, and texts of 1000 characters.

    Raises:
        InputError: it is not a filter; the message says which part is not, and what was expected.
    """
    try:
        found = _filter(where, "the filter", 1)
    except RecursionError as error:  # a mapping that holds itself, which JSON cannot bring
        raise InputError(f"The filter is nested too deeply; at most {MOST_DEEP} levels are read.") from error
    conditions, values = _size(found)
    if conditions > MOST_CONDITIONS or values > MOST_VALUES:
        raise InputError(
            f"The filter has {conditions} conditions and {values} values; at most {MOST_CONDITIONS} and {MOST_VALUES} are read."
        )
    return found


def _filter(where: object, place: str, depth: int) -> Filter:
    if depth > MOST_DEEP:
        raise InputError(f"The filter is nested more than {MOST_DEEP} levels deep; write it flatter.")
    if not isinstance(where, Mapping) or not where:
        _refuse(place, where, f"an object with at least one key, such as {_EXAMPLE}")
    if len(where) > MOST_CONDITIONS:
        raise InputError(f"The filter has {len(where)} keys side by side; at most {MOST_CONDITIONS} are read. Ask for less.")
    parts = tuple(_part(key, value, place, depth) for key, value in where.items())
    return parts[0] if len(parts) == 1 else Joined(True, parts)


def _part(key: object, value: object, place: str, depth: int) -> Filter:
    if not isinstance(key, str):
        _refuse(f"a key of {place}", key, "text")
    if key in ("all", "any"):
        if not isinstance(value, list | tuple) or not 0 < len(value) <= MOST_CONDITIONS:
            _refuse(f"{key!r} of {place}", value, f"a list of 1 to {MOST_CONDITIONS} filters")
        return Joined(key == "all", tuple(_filter(one, f"{key!r} of {place}", depth + 1) for one in value))
    if key == "not":
        return Not(_filter(value, f"'not' of {place}", depth + 1))
    if not KEY.fullmatch(key):
        _refuse(f"a key of {place}", key, "1 to 100 letters, digits, spaces and _ . : / @ + -, beginning with a letter, a digit or _")
    if isinstance(value, Mapping):
        return _condition(key, value)
    return OneOf(key, (_scalar(value, f"the value of {key!r}"),))


def _condition(key: str, value: Mapping[Any, Any]) -> Filter:
    words = list(value)
    if words == ["in"]:
        values = value["in"]
        if not isinstance(values, list | tuple) or not 0 < len(values) <= MOST_VALUES:
            _refuse(f"'in' of {key!r}", values, f"a list of 1 to {MOST_VALUES} values")
        return OneOf(key, tuple(_scalar(one, f"a value in {key!r}") for one in values))
    if words == ["exists"]:
        if not isinstance(value["exists"], bool):
            _refuse(f"'exists' of {key!r}", value["exists"], "true or false")
        return Exists(key, value["exists"])
    if not words or not all(isinstance(word, str) and word in BOUNDS for word in words):
        _refuse(f"the condition on {key!r}", value, f"a value, or an object with one or more of {', '.join(BOUNDS)}, or in, or exists")
    bounds = tuple((word, _scalar(bound, f"{word!r} of {key!r}")) for word, bound in value.items())
    texts = [isinstance(bound, str) for _, bound in bounds]
    if any(isinstance(bound, bool) for _, bound in bounds) or any(texts) != all(texts):
        _refuse(f"the range of {key!r}", value, "bounds that are all numbers or all texts")
    return Within(key, bounds)


def _scalar(value: object, place: str) -> Scalar:
    if isinstance(value, str):
        if len(value) > LONGEST_TEXT or "\0" in value or _SURROGATE.search(value):
            _refuse(place, value, f"a text of at most {LONGEST_TEXT} characters, without NUL or lone surrogates")
        return value
    if value is None:
        _refuse(place, value, 'a value; write {"exists": false} for what is null or not there')
    if not isinstance(value, bool | int | float):
        _refuse(place, value, "a text, a number, true or false")
    if not abs(value) <= (LARGEST if isinstance(value, int) else float(LARGEST)):  # nor is NaN
        _refuse(place, value, f"a number between -{LARGEST} and {LARGEST}")
    return value


def _size(found: Filter) -> tuple[int, int]:
    """How many conditions and values."""
    if isinstance(found, Joined):
        sizes = [_size(part) for part in found.parts]
        return sum(conditions for conditions, _ in sizes), sum(values for _, values in sizes)
    if isinstance(found, Not):
        return _size(found.part)
    return 1, len(found.values) if isinstance(found, OneOf) else 1


def _refuse(place: str, value: object, expected: str) -> NoReturn:
    shown = ascii(value) if isinstance(value, str) and _SURROGATE.search(value) else repr(value)
    raise InputError(f"In the filter, {place} is {shown[:80]}; expected {expected}.")
