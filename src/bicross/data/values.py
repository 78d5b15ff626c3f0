"""Values of fields: texts, numbers, and lists of them, from JSON or from the cells of a table.

Where a value is not what it should be, Malformed is raised, which names it as `what`.
"""

from __future__ import annotations

import json
import math
from typing import Any

from bicross.data.lines import Malformed
from bicross.data.rows import content


def filled(value: Any, what: str) -> str:
    """A text that is not blank."""
    text = content(value, what)
    if not text.strip():
        raise Malformed(f"the {what} is empty")
    return text


def unpacked(value: Any) -> Any:
    """The list in a cell of a table; any other value as it is."""
    if isinstance(value, str) and value.lstrip().startswith("["):
        try:
            found = json.loads(value)
        except (ValueError, RecursionError):
            return value
        return found if isinstance(found, list) else value
    return value


def texts(value: Any, what: str) -> list[str]:
    """The texts of a list, or a text alone; nothing where there is none."""
    if isinstance(value, list):
        return [filled(one, f"{what} number {place}") for place, one in enumerate(value, start=1)]
    return [text] if (text := content(value, what)).strip() else []


def numbers(value: Any, what: str) -> tuple[float, ...]:
    """The numbers of a list, or a number alone; nothing where there is none."""
    if value is None or value == "":
        return ()
    return tuple(number(one, what) for one in (value if isinstance(value, list) else [value]))


def number(value: Any, what: str) -> float:
    """A finite number; a cell of a table says it in text."""
    try:
        if isinstance(value, int | float | str) and math.isfinite(found := float(value)):
            return found
    except (ValueError, OverflowError):
        pass
    raise Malformed(f"the {what} is {str(value)[:60]!r}, expected a finite number")


def mapping(value: Any, what: str) -> dict[str, Any]:
    """A JSON object."""
    if not isinstance(value, dict):
        raise Malformed(f"{what} is {type(value).__name__}, expected an object")
    return value
