"""Haystack's filters (comparisons and logic on `meta`) as those of Bicross; needs no Haystack."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from bicross.errors import InputError

Where = dict[str, Any]
_BOUNDS = {">": "gt", ">=": "gte", "<": "lt", "<=": "lte"}
_JOINS: Mapping[str, Callable[[list[Where]], Where]] = {
    "AND": lambda parts: {"all": parts},
    "OR": lambda parts: {"any": parts},
    "NOT": lambda parts: {"not": {"all": parts}},
}


def translated(filters: Mapping[str, Any]) -> Where:
    """A filter of `bicross.filters` that lets through the same documents. Dates are compared as texts: write all in one ISO 8601 form.

    Raises:
        InputError: it is not one of Haystack's filters, or asks for something else than `meta`; the message says which part.
    """
    if "field" in filters:
        return _comparison(filters)
    operator, parts = _given(filters, "operator"), _given(filters, "conditions")
    if operator not in _JOINS or not isinstance(parts, list) or not parts:
        raise InputError(f"The filter joins {str(parts)[:80]!r} by {operator!r}; expected a list of conditions and AND, OR or NOT.")
    return _JOINS[operator]([translated(part) for part in parts])


def _given(filters: object, name: str) -> Any:
    if not isinstance(filters, Mapping) or name not in filters:
        raise InputError(
            f"The filter {str(filters)[:80]!r} has no {name!r}; expected field, operator and value, or operator and conditions."
        )
    return filters[name]


def _comparison(filters: Mapping[str, Any]) -> Where:
    field, operator, value = (_given(filters, name) for name in ("field", "operator", "value"))
    key = str(field).removeprefix("meta.")
    if key in ("id", "content", "embedding", "blob", "score"):
        raise InputError(f"The filter asks for the field {key!r}; a collection filters by meta alone.")
    if operator in ("==", "!="):
        found = {key: {"exists": False}} if value is None else {key: value}
        return found if operator == "==" else {"not": found}
    if operator in ("in", "not in"):
        if not isinstance(value, list):
            raise InputError(f"The filter's {operator!r} has {value!r}; expected a list.")
        return _any(key, value) if operator == "in" else {"not": _any(key, value)}
    if operator not in _BOUNDS:
        raise InputError(f"The filter compares by {operator!r}; expected ==, !=, >, >=, <, <=, in or not in.")
    return _nothing(key) if value is None else {key: {_BOUNDS[operator]: _bound(value, operator)}}


def _any(key: str, values: list[Any]) -> Where:
    """One of the values; null is what is not there."""
    wanted = [value for value in values if value is not None]
    parts: list[Where] = [{key: {"in": wanted}}] if wanted else []
    parts += [{key: {"exists": False}}] if len(wanted) < len(values) else []
    return {"any": parts} if parts else _nothing(key)


def _nothing(key: str) -> Where:
    return {"all": [{key: {"exists": True}}, {key: {"exists": False}}]}


def _bound(value: Any, operator: str) -> int | float | str:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value
    try:
        datetime.fromisoformat(value)
    except (TypeError, ValueError) as error:
        raise InputError(f"The filter's {operator!r} has {value!r}; expected a number or a date such as 2026-01-31.") from error
    return str(value)
